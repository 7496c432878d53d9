"""Parks what has come less far than a node knows (R19). A file does not fail over, but the verb means the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from hydra.execution import Status
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.statements import execute, select, select_json, to_json
from hydra.stores.store import Advanced


def park(
    connection: sqlite3.Connection,
    namespace: str,
    node_id: str,
    advanced: Sequence[Advanced],
    cause: str,
    reason: bytes,
    now: int,
) -> list[str]:
    """An epoch of its own for each, since the one before may have ended already."""
    known = to_json(sorted((each.id, each.record_count, each.epoch) for each in advanced))
    before = select_json(connection, "states", namespace=namespace, ids=to_json([each.id for each in advanced]))
    parked = [id for (id,) in select(connection, "park", namespace=namespace, known=known, cause=cause, now=now)]
    execute(connection, "park_claims", ids=to_json(parked), node=node_id, cause=cause, reason=reason, now=now)
    changes = Changes()
    for id, workflow, status in before:
        if id in parked:
            changes.move(workflow, status, Status.PARKED)
    changes.write(connection, namespace)
    return parked
