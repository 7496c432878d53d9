"""Keeps what has ended no longer than its rule says; each tree goes whole, as it was archived (R24, R26)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import FINAL
from hydra.stores.mysql.locking import lock_executions
from hydra.stores.mysql.purging import purge_locked
from hydra.stores.mysql.statements import id_list, id_literal, id_text
from hydra.stores.mysql.transaction import Reading, Transaction
from hydra.stores.rows import shown
from hydra.stores.sweeping import Finished, Member, chosen_members, still_as_seen

NO_ID = "x''"  # before every id


def finished(reading: Reading, after: tuple[int, str], until: int, limit: int) -> list[Finished]:
    place = {"after_at": after[0], "after_id": id_literal(after[1]) if after[1] else NO_ID}
    return [
        Finished(id_text(id), shown(workflow), status, finished_at)
        for id, workflow, status, finished_at in reading.select("finished", **place, until=until, limit=limit)
    ]


def ended_trees(reading: Reading, ids: Sequence[str], limit: int) -> list[Member]:
    roots = _ended_roots(reading, ids)
    if not roots:
        return []
    rows = reading.select("tree_members", ids=id_list(roots), limit=limit)
    return chosen_members(roots, [(id_text(root), id_text(id)) for root, id in rows], limit)


def purge_known(transaction: Transaction, members: Sequence[Member], older_than: int) -> list[str]:
    """A tree of which somebody holds one is left for the next time."""
    ids = {id for each in members for id in (each.id, each.root_id)}
    locked = {e.id: e for e in lock_executions(transaction, ids, skip_held=True)}
    ends = {id: e.finished_at for id, e in locked.items() if e.status in FINAL}
    roots = set(_ended_roots(transaction, sorted({each.root_id for each in members} & ends.keys())))
    gone = [each.id for each in still_as_seen(members, ends, roots, older_than)]
    if gone:
        purge_locked(transaction, [locked[id] for id in gone])
        transaction.flush()
    return gone


def _ended_roots(reading: Reading, ids: Sequence[str]) -> list[str]:
    return [id_text(id) for (id,) in reading.select("ended_roots", ids=id_list(ids))] if ids else []
