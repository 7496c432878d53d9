"""Which execution may be deleted by a person's order, and what remains of it. Pure: every store asks this.

What a purge would take by its age (R26) a person may delete at once: whole trees, by their root, once all of it has
ended. As after a purge, keys stay taken (R24), and beside them the line that says who has deleted it.
"""

from __future__ import annotations

import msgspec

from hydra.execution import FINAL, Status


class Tree(msgspec.Struct, frozen=True):
    """An execution as the root of its tree."""

    status: Status
    root_id: str | None = None  # it is a descendant of this one, which is there
    open_id: str | None = None  # a descendant of it that has not ended


class Deleted(msgspec.Struct, frozen=True):
    """How many went this time, and whether that was all; where none went, `tree` says why."""

    tree: Tree
    count: int = 0
    is_whole: bool = False


def may_go(tree: Tree) -> bool:
    is_apart = tree.root_id is None and tree.open_id is None
    return is_apart and tree.status in FINAL  # guard R26: a person deletes only a whole tree that has ended


def refusal(id: str, tree: Tree) -> str:
    """Why it may not, and what to do."""
    if tree.root_id is not None:
        return f"execution `{id}` is of the tree of `{tree.root_id}`, which is deleted whole: delete that"
    if tree.status not in FINAL:
        return (
            f"execution `{id}` is {tree.status}; only one that has ended can be deleted: cancel it, or wait for its end"
        )
    return (
        f"execution `{id}` cannot be deleted: `{tree.open_id}`, which it has spawned, has not ended; cancel that, or "
        "wait for its end"
    )
