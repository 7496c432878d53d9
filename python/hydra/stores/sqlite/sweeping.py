"""Keeps what has ended no longer than its rule says; each tree goes whole, as it was archived (R24, R26)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.stores.sqlite.purging import purge_rows
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Reading, Transaction
from hydra.stores.sweeping import Finished, Member, chosen_members, still_as_seen


def finished(reading: Reading, after: tuple[int, str], until: int, limit: int) -> list[Finished]:
    place = {"after_at": after[0], "after_id": after[1]}
    return [Finished(*row) for row in reading.select_json_shown("finished", **place, until=until, limit=limit)]


def ended_trees(reading: Reading, ids: Sequence[str], limit: int) -> list[Member]:
    roots = _ended_roots(reading, ids)
    rows = reading.select_json_shown("tree_members", roots=to_json(roots), limit=limit)
    return chosen_members(roots, [(row[0], row[1]) for row in rows], limit)


def purge_known(transaction: Transaction, members: Sequence[Member], older_than: int) -> list[str]:
    """All of it under the write lock."""
    roots = set(_ended_roots(transaction, sorted({each.root_id for each in members})))
    ids = sorted({id for each in members for id in (each.id, each.root_id)})
    rows = transaction.select_json_shown("ended_members", ids=to_json(ids))
    known = {row[0]: row for row in rows}
    ends = {id: row[3] for id, row in known.items()}
    gone = [each.id for each in still_as_seen(members, ends, roots, older_than)]
    purge_rows(transaction, [known[id][:3] for id in gone])
    return gone


def _ended_roots(reading: Reading, ids: Sequence[str]) -> list[str]:
    found: str = reading.select("ended_roots", ids=to_json(list(ids)))[0][0]
    return msgspec.json.decode(found, type=list[str])
