"""Deletes what ended long ago, with everything that belongs to it; keys stay (R24, R26)."""

from __future__ import annotations

from hydra.execution import FINAL
from hydra.stores.mysql.locking import lock_executions
from hydra.stores.mysql.statements import id_list, id_text, literal
from hydra.stores.mysql.transaction import Transaction

_PARTS = ("purge_records", "purge_messages", "purge_consumed", "purge_progress", "purge_claims", "purge_executions")


def purge(transaction: Transaction, older_than: int, limit: int) -> int:
    """How many executions went, at most `limit`. Registrations of nodes that ended before then go too."""
    due = [id_text(id) for _, id in transaction.select("purgeable", older_than=older_than, limit=limit)]
    old = [
        e for e in lock_executions(transaction, due, skip_held=True) if e.status in FINAL and e.finished_at < older_than
    ]
    if old:
        ids = id_list(e.id for e in old)
        for name in ("remove_finished", *_PARTS):
            transaction.queue(name, ids=ids)
        links = transaction.select("links_of", ids=ids)
        transaction.queue_rows(
            "purge_children", sorted(f"({literal(child)}, {literal(request)})" for child, request in links)
        )
        for execution in old:
            transaction.move(execution.workflow, execution.status, None)
    nodes = transaction.select("old_nodes", older_than=older_than)
    if nodes:
        ids = ", ".join(literal(id) for (id,) in nodes)
        for name in ("purge_node_workflows", "purge_node_schedules", "purge_node_beats", "purge_nodes"):
            transaction.queue(name, ids=ids)
    transaction.flush()
    return len(old)
