"""A namespace comes back to the database that it was moved from: the closed copy that lies there goes first.

    second fence, of the move back ──► the first one, for good, is lifted ──► the copy, in batches ──► its line

At no moment may anybody but this move write there. Each part can be repeated: a move that was killed begins it anew.
"""

from __future__ import annotations

from hydra.move.side import Side, State, fence_prefix, first_ids
from hydra.stores.moved import DONE, FILLING, MOVED, SOURCE, TARGET


def comes_back(source: Side, target: Side, namespace: str) -> bool:
    """Whether all that the target has of it was moved to just this source, and compared there. By the number of that
    move, which both have: a place may be another database by now."""
    left, came = target.state(SOURCE, namespace), source.state(TARGET, namespace)
    if left is None or came is None:
        return False
    return left.state == MOVED and came.state == DONE and left.id == came.id


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
    target.drop_fences(fence_prefix(namespace))  # the one of the move away, under that of the move back
    while True:
        ids = first_ids(target.sizes(namespace, "", batch_rows))
        with target.writing(state.id):
            target.change_state(TARGET, namespace, state, state)
            if ids:
                target.delete_executions(ids)
            elif not target.delete_rest(namespace, batch_rows):
                return
