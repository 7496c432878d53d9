"""Parks what has come less far than a node knows (R19). A file is set back by a restore in its place."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import Status
from hydra.stores.node_states import Advanced
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.nodes import give_back
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Transaction


def park(
    transaction: Transaction,
    node_id: str,
    advanced: Sequence[Advanced],
    cause: str,
    reason: bytes,
    now: int,
) -> list[str]:
    """An epoch of its own for each, since the one before may have ended already."""
    known = to_json(sorted((each.id, each.record_count, each.epoch) for each in advanced))
    ids = to_json(sorted(each.id for each in advanced))
    give_back(transaction, transaction.select_json("known_dead_owned", ids=ids), now)
    before = transaction.select_json("states", ids=ids)
    parked = [id for (id,) in transaction.select("park", known=known, cause=cause, now=now)]
    transaction.execute("park_claims", ids=to_json(parked), node=node_id, cause=cause, reason=reason, now=now)
    changes = Changes()
    for id, workflow, status in before:
        if id in parked:
            changes.move(workflow, status, Status.PARKED)
    changes.write(transaction)
    return parked
