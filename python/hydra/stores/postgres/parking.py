"""Parks what a failover has set back behind what a node knows (R19). Never touches what is final or runs on a living
node."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hydra.stores.node_states import Advanced
from hydra.stores.postgres.arrays import integers, is_uuid, uuids
from hydra.stores.postgres.session import Result

Write = Callable[..., list[Result]]


def park(
    write: Write, namespace: str, node_id: str, advanced: Sequence[Advanced], cause: str, reason: bytes, now: int
) -> list[str]:
    known = sorted((each for each in advanced if is_uuid(each.id)), key=lambda each: each.id)
    values = {
        "namespace": namespace,
        "node": node_id,
        "ids": uuids([each.id for each in known]),
        "record_counts": integers([each.record_count for each in known]),
        "epochs": integers([each.epoch for each in known]),
        "cause": cause,
        "reason": reason,
        "now": now,
    }
    of_dead = {name: values[name] for name in ("namespace", "ids", "now")}
    _, parked = write(("return_known", of_dead), ("park", values))
    return [id for (id,) in parked.rows]
