"""Adds what callers' own transactions left in hydra_delta to the tallies, a few rows at each heartbeat."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.stores.mysql.statements import literal
from hydra.stores.mysql.transaction import Transaction

FOLD_LIMIT = 200  # rows folded at a time


def fold_deltas(transaction: Transaction, found: Sequence[tuple[bytes]]) -> None:
    """Those that were seen, and are still there."""
    if not found:
        return
    rows = transaction.select("lock_deltas", ids=", ".join(sorted(literal(id) for (id,) in found)))
    for _, workflow, status, total in rows:
        transaction.changes[workflow.decode(), status] += total
        transaction.due_count += max(0, total) if status == "pending" else 0
    if rows:
        transaction.queue("remove_deltas", ids=", ".join(sorted(literal(row[0]) for row in rows)))
