"""What a node that sweeps sees of what has ended, and whether what it archived may go as it is. Pure.

    finished ──► due by its rule (dispatch/retention) ──► ended_trees ──► archived ──► purge_known

Between the archive and the deletion somebody may retry one of them: then its tree stays, and is looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hydra.stores.rows import choose_trees


class Finished(msgspec.Struct, frozen=True):
    """One that has ended."""

    id: str
    workflow: str
    status: str
    finished_at: int


class Member(msgspec.Struct, frozen=True):
    """One of a tree that goes whole, its root included."""

    id: str
    root_id: str


def chosen_members(roots: Sequence[str], members: Sequence[tuple[str, str]], limit: int) -> list[Member]:
    """Of these roots' trees, whole ones, at most so many executions; `members` are (root, id)."""
    own = {root: Member(root, root) for root in roots}
    return choose_trees(own, [(root, Member(id, root)) for root, id in members], limit)


def still_as_seen(members: Sequence[Member], ends: Mapping[str, int], roots: set[str], older_than: int) -> list[Member]:
    """Those of trees all of which ended before, as `ends` says of them, and whose root is one of `roots`: those that
    are still whole trees which have ended. Read under their locks (R26)."""
    seen = {(id, each.root_id) for each in members for id in (each.id, each.root_id)}
    changed = {root_id for id, root_id in seen if ends.get(id, older_than) >= older_than}
    return [each for each in members if each.root_id in roots and each.root_id not in changed]
