"""The last word of each long step. No part of the record log: nothing is decided on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.execution import NodeRef, Progress
from hydra.stores.mysql.locking import lock_executions
from hydra.stores.mysql.statements import id_literal, id_text, literal
from hydra.stores.mysql.transaction import Reading, Transaction
from hydra.stores.rows import place_of, shown


def report_progress(transaction: Transaction, node: NodeRef, reports: Sequence[Progress]) -> None:
    """What another transaction holds at this moment is passed over, so that maintenance never waits."""
    transaction.check_fence(node)  # guard R6: reporting progress takes the fence
    held = lock_executions(transaction, {p.execution_id for p in reports}, skip_held=True)
    own = {e.id for e in held if id_text(e.owner) == node.id}
    transaction.queue_rows("report_progress", [_row(p) for p in reports if p.execution_id in own])
    transaction.flush()


def read_progress(reading: Reading, id: str) -> list[Progress]:
    return [_to_progress(row) for row in reading.select("progress", id=id_literal(id))]


def _to_progress(row: Sequence[Any]) -> Progress:
    id, branch, name, ordinal, attempt, payload, started_at, reported_at = row
    return Progress(id_text(id), shown(branch), shown(name), ordinal, attempt, payload, started_at, reported_at)


def _row(p: Progress) -> str:
    return (
        f"({id_literal(p.execution_id)}, {literal(place_of(p))}, {literal(p.branch)}, {literal(p.name)}, {p.ordinal}, "
        f"{p.attempt}, {literal(p.payload)}, {p.started_at}, {p.reported_at})"
    )
