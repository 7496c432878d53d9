"""Keeps what has ended no longer than its rule says; each tree goes whole, as it was archived (R24, R26).

The index over the ends tells blocks, not an order: a span of time is halved until it holds few, and those are sorted.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydra.stores.postgres.arrays import is_uuid, uuids
from hydra.stores.postgres.purging import chosen_values
from hydra.stores.postgres.transaction import Reading, Transaction
from hydra.stores.sweeping import Finished, Member, chosen_members, still_as_seen


def finished(reading: Reading, after: tuple[int, str], until: int, limit: int) -> list[Finished]:
    after_at, after_id = after
    end = until
    while end > after_at + 1:
        ((count,),) = reading.select("finished_count", after_at=after_at, until=end, limit=limit + 1)
        if count <= limit:
            break
        end = (after_at + end + 1) // 2
    values = {"after_at": after_at, "after_id": after_id, "limit": limit}
    found = [Finished(*row) for row in reading.select("finished", **values, until=end)]
    if not found and end < until:  # all of this span is behind the place already
        return finished(reading, (end, ""), until, limit)
    return found


def ended_trees(reading: Reading, ids: Sequence[str], limit: int) -> list[Member]:
    own = uuids([id for id in ids if is_uuid(id)])
    roots = [id for (id,) in reading.select("ended_roots", ids=own)]
    return chosen_members(roots, reading.select("tree_members", roots=uuids(roots), limit=limit), limit)


def purge_known(transaction: Transaction, members: Sequence[Member], older_than: int) -> list[str]:
    """Locked in the order of the ids; what is read of them next is what goes."""
    if not members:
        return []
    chosen = chosen_values([(each.id, each.root_id) for each in members])
    roots = uuids(sorted({each.root_id for each in members}))
    _, whole, known = transaction.run(
        ("lock_purge", chosen), ("ended_roots", {"ids": roots}), ("ended_members", {"ids": chosen["locked_ids"]})
    )
    ends: dict[str, int] = dict(known.rows)
    kept = still_as_seen(members, ends, {id for (id,) in whole.rows}, older_than)
    if not kept:
        return []
    values = chosen_values([(each.id, each.root_id) for each in kept])
    (gone,) = transaction.run(("purge_executions", {"older_than": older_than, **values}))
    return [id for (id,) in gone.rows]
