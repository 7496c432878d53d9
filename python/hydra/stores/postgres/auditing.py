"""Looks for anything in the database that breaks a promise. Each question is a SQL file in `audits`."""

from __future__ import annotations

from hydra.stores.postgres.database import Database
from hydra.stores.postgres.statements import audits
from hydra.stores.store import Violation

ROW_LIMIT = 100  # rows shown for each question


def audit(database: Database, namespace: str) -> list[Violation]:
    """All questions on one snapshot of the database. Empty is the proof."""
    found: list[Violation] = []
    with database.reading() as connection, connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("set local statement_timeout = 0")
        for _, question in sorted(audits().items()):
            rows = connection.execute(question, {"namespace": namespace}).fetchmany(ROW_LIMIT)
            found += [Violation(promise, id, detail) for promise, id, detail in rows]
    return found
