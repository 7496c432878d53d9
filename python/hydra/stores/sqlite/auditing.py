"""Looks for anything in the database that breaks a promise. Each question is a SQL file in `audits`."""

from __future__ import annotations

from hydra.stores.findings import Violation
from hydra.stores.sqlite.statements import audits
from hydra.stores.sqlite.transaction import Reading

ROW_LIMIT = 100  # rows shown for each question


def audit(reading: Reading) -> list[Violation]:
    """All questions on one snapshot of the database. Empty is the proof."""
    connection = reading.connection
    own_snapshot = not connection.in_transaction
    if own_snapshot:
        connection.execute("begin")
    try:
        found: list[Violation] = []
        for _, question in sorted(audits().items()):
            with reading.showing_all():
                rows = connection.execute(question, {"namespace": reading.namespace}).fetchmany(ROW_LIMIT)
            found += [Violation(promise, id, detail) for promise, id, detail in rows]
        return found
    finally:
        if own_snapshot:
            connection.execute("rollback")
