"""A namespace comes back to the database that it was moved from: the closed copy that lies there goes first.

    fence of the move back's own ──► those of before are lifted ──► the copy, in batches ──► its line

So does what a move from the same source has left there that was taken back. At no moment may anybody but this move
write there. Each part can be repeated: a move that was killed begins it anew.
"""

from __future__ import annotations

from hydra.move.cursor import Cursor, cursor_text, numbers
from hydra.move.side import TAKEN_BACK, Side, State, fence_prefix, fences_prefix, first_ids
from hydra.stores.moved import ABANDONED, DONE, FILLING, MOVED, SOURCE, TARGET


def comes_back(source: Side, target: Side, namespace: str) -> bool:
    """Whether the source has all that the target has of it. By the number of a move, which both have: a place may be
    another database by now. Either it was moved to just this source, and compared there; the source may have been
    elsewhere since, and come back. Or it was brought by a move from this source that was taken back, under a fence."""
    there = target.state(TARGET, namespace)
    if there is not None and there.state == ABANDONED:
        return there.id in numbers(source.state(TAKEN_BACK, namespace))
    left, came = target.state(SOURCE, namespace), source.state(TARGET, namespace)
    if left is None or came is None:
        return False
    return left.state == MOVED and came.state == DONE and left.id in numbers(came)


def tell_taken_back(source: Side, target: Side, name: str, id: str) -> None:
    """With the numbers of those that were taken back before: what they left may be cleared by a move from here."""
    before = source.state(TAKEN_BACK, name)
    former = [number for number in numbers(before) if number != id]
    source.create_state_table()
    said = State(id, ABANDONED, target.place, cursor_text(Cursor(former=former)))
    with source.transaction():
        source.begin_state(TAKEN_BACK, name, said)


def former_moves(target: Side, namespace: str) -> list[str]:
    """The numbers of moves to a target that has a closed copy: who left there by one of them has nothing that it lacks,
    and nothing that comes back to it lacks either."""
    there = target.state(TARGET, namespace)
    known = numbers(there)
    return known[1:] if there is not None and there.state == ABANDONED else known


def is_closed_whole(target: Side) -> bool:
    return bool(target.fences(fence_prefix(None)))


def open_for_some(target: Side) -> None:
    """A database that was closed as one takes what comes; what else was moved away gets a fence of its own before."""
    if not is_closed_whole(target):
        return
    for name in target.namespaces():
        coming = target.state(TARGET, name)
        if target.state(SOURCE, name) is not None or coming is None or coming.state != FILLING:
            target.raise_fence(name, None)
    target.drop_fences(fence_prefix(None))


def remove_copy(target: Side, namespace: str, state: State, batch_rows: int) -> None:
    """All rows of the namespace, so many in a transaction. Of two runs of one move the second is refused."""
    with target.writing(state.id):
        target.change_state(TARGET, namespace, state, state)
    target.raise_fence(namespace, state.id, comes_back=True)  # where an older hydra has begun this
    target.drop_fences(fences_prefix(namespace), but=fence_prefix(namespace, state.id))
    while True:
        ids = first_ids(target.sizes(namespace, "", batch_rows))
        with target.writing(state.id):
            target.change_state(TARGET, namespace, state, state)
            if ids:
                target.delete_executions(ids)
            elif not target.delete_rest(namespace, batch_rows):
                return
