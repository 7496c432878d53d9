"""Parks what a failover has set back behind what a node knows (R19). Never touches what is final or runs on a living
node."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.stores.node_states import Advanced
from hydra.stores.postgres.arrays import integers, is_uuid, uuids
from hydra.stores.postgres.transaction import Transaction


def park(
    transaction: Transaction, node_id: str, advanced: Sequence[Advanced], cause: str, reason: bytes, now: int
) -> list[str]:
    known = sorted((each for each in advanced if is_uuid(each.id)), key=lambda each: each.id)
    values = {
        "node": node_id,
        "ids": uuids([each.id for each in known]),
        "record_counts": integers([each.record_count for each in known]),
        "epochs": integers([each.epoch for each in known]),
        "cause": cause,
        "reason": reason,
        "now": now,
    }
    of_dead = {name: values[name] for name in ("ids", "now")}
    _, parked = transaction.run(("return_known", of_dead), ("park", values))
    return [id for (id,) in parked.rows]
