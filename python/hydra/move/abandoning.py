"""`hydra move --abandon`: the source works again, where the move is not complete.

    source: a line "taken back" ──► target: "abandoned" ──► source: no fence, no line "moved"

A move that has only begun, and has left no line yet, sees the first of these and stops.
"""

from __future__ import annotations

import uuid

from hydra.errors import IllegalMove
from hydra.move.opening import open_side
from hydra.move.returning import is_closed_whole, tell_taken_back
from hydra.move.side import Side, State
from hydra.stores.moved import ABANDONED, DONE, FILLING, SOURCE, TARGET


def abandon(source_url: str, target_url: str, namespace: str | None = None) -> list[str]:
    """Let the source work again, where the move is not complete. The target stays closed: repeat the move, or drop what
    is in it.

    Returns: the namespaces that are the source's again.

    Raises:
        IllegalMove: nothing is on its way there, or all of it has arrived.
    """
    source = open_side(source_url, may_migrate=False)
    try:
        target = open_side(target_url, may_migrate=False)
        try:
            return _abandon(source, target, namespace)
        finally:
            target.close()
    finally:
        source.close()


def _abandon(source: Side, target: Side, namespace: str | None) -> list[str]:
    names = [namespace] if namespace is not None else source.namespaces()
    for name in names:
        _refuse(source, target, name, is_whole=namespace is None)
    given_back = [name for name in names if _take_back(source, target, name)]
    if not given_back:
        raise IllegalMove(_nothing(source, target, namespace))
    if namespace is None and all(source.state(SOURCE, name) is None for name in names):  # else it went elsewhere
        source.lift_fence(None)
    return given_back


def _refuse(source: Side, target: Side, name: str, *, is_whole: bool) -> None:
    there = _under_way(source, target, name)
    if there is None:
        return
    if there.state == DONE:
        message = f"namespace `{name}` has been moved to `{target.place}`, where it may have gone on"
        raise IllegalMove(f"{message}; move it back from there")
    if not is_whole and is_closed_whole(source):  # whose fence would stay
        message = f"`{source.place}` is on its way as a whole"
        raise IllegalMove(f"{message}; take all of it back, without a namespace")


def _under_way(source: Side, target: Side, name: str) -> State | None:
    """The target's line, where it is of a move from this source."""
    here, there = source.state(SOURCE, name), target.state(TARGET, name)
    if there is None:
        return None
    if here is not None:
        return there if there.id == here.id else None
    is_begun = there.state in (FILLING, ABANDONED) and there.other == source.place  # else it came back since
    return there if is_begun else None


def _take_back(source: Side, target: Side, name: str) -> bool:
    there = _under_way(source, target, name)
    while True:
        tell_taken_back(source, target, name, str(uuid.uuid4()) if there is None else there.id)
        before, there = there, _under_way(source, target, name)
        if there is None:
            return False
        if before is not None and before.id == there.id:
            break  # else it has begun since
    target.take_back(name, there.id)
    source.lift_fence(name)
    here = source.state(SOURCE, name)
    if here is not None and here.id == there.id:
        source.forget_state(SOURCE, name)
    return True


def _nothing(source: Side, target: Side, namespace: str | None) -> str:
    """What is said where nothing was taken back."""
    what = f"nothing of `{source.place}`" if namespace is None else f"namespace `{namespace}` is not"
    said = f"{what} {'is ' if namespace is None else ''}on its way to `{target.place}`, so nothing was taken back"
    here = None if namespace is None else source.state(SOURCE, namespace)
    if here is not None:
        return f"{said}; it went to `{here.other}`, name that"
    return f"{said}; a `hydra move` that is under way stops by itself, one that is still to begin does not"
