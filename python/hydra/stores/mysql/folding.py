"""Adds the tallies that callers' own transactions left apart to the slots everybody reads, a few at each heartbeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hydra.stores.mysql.statements import Word, literal
from hydra.stores.mysql.tallies import SLOT_COUNT
from hydra.stores.mysql.transaction import Transaction

FOLD_LIMIT = 200  # rows folded at a time


def fold_tallies(transaction: Transaction) -> None:
    found = transaction.select("lone_tallies", slot_count=SLOT_COUNT, limit=FOLD_LIMIT)
    if not found:
        return
    rows = transaction.select("lock_tallies", rows=_keys(found))
    if not rows:
        return
    totals: Counter[tuple[str, str]] = Counter()
    for workflow, status, _, total in rows:
        totals[workflow.decode(), status] += total
    transaction.queue("remove_tallies", rows=_keys(rows))
    totals.pop(("", ""), None)  # this transaction counts in their place
    transaction.changes.update(totals)


def _keys(rows: Sequence[tuple[Any, ...]]) -> str:
    return ", ".join(sorted(f"({literal(row[0])}, {literal(Word(row[1]))}, {row[2]})" for row in rows))
