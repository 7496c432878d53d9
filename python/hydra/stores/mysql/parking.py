"""Parks what a failover has set back behind what a node knows (R19). Never touches what is final or runs on a living
node."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import Ending, Status
from hydra.stores.mysql.admitting import give_up
from hydra.stores.mysql.locking import IDLE, leave_queues, lock_executions
from hydra.stores.mysql.nodes import give_back
from hydra.stores.mysql.statements import Word, id_list, id_literal, id_text, literal
from hydra.stores.mysql.transaction import Transaction
from hydra.stores.node_states import Advanced


def park(
    transaction: Transaction, node_id: str, advanced: Sequence[Advanced], cause: str, reason: bytes, now: int
) -> list[str]:
    """An epoch of its own for each, since the one before may have ended already."""
    known = {each.id: each for each in advanced}
    dead = {key for (key,) in transaction.select("dead_nodes")}
    running = [e for e in lock_executions(transaction, known) if e.status == Status.RUNNING and e.owner in dead]
    for owner in sorted({e.owner for e in running}):
        give_back(transaction, owner, [e.id for e in running if e.owner == owner], now)
    transaction.flush()
    behind = [
        e for e in lock_executions(transaction, known) if e.status in IDLE and e.record_count < known[e.id].record_count
    ]
    if behind:
        rows = transaction.select("continued_since", ids=id_list(e.id for e in behind))
        began_anew = {id_text(id): epoch for id, epoch in rows}
        behind = [e for e in behind if began_anew.get(e.id, 0) < known[e.id].epoch]
    if not behind:
        return []
    leave_queues(transaction, behind)
    transaction.queue("park", ids=id_list(e.id for e in behind), cause=literal(cause), now=now)
    ending = f"{now}, {now}, '{Word(Ending.PARKED)}', {literal(cause)}, {literal(reason)}"
    node = id_literal(node_id)
    transaction.queue_rows(
        "add_claims", [f"({id_literal(e.id)}, {e.epoch + 1}, {e.attempt}, {node}, null, {ending})" for e in behind]
    )
    give_up(transaction, [e.limit_keys for e in behind])
    for execution in behind:
        transaction.move(execution.workflow, execution.status, Status.PARKED)
    transaction.flush()
    return [e.id for e in behind]
