"""Looks for anything in the database that breaks a promise. Each question is a SQL file in `audits`."""

from __future__ import annotations

import psycopg
from psycopg.rows import TupleRow

from hydra.stores.findings import Violation
from hydra.stores.postgres.database import Database
from hydra.stores.postgres.statements import audits

SETTINGS = {"statement_timeout": "0", "jit": "off"}
ROW_LIMIT = 100  # rows shown for each question


def audit(database: Database) -> list[Violation]:
    """Each question on a snapshot of its own, since each promise holds after every commit: so that no vacuum waits for
    all of them. Empty is the proof."""
    found: list[Violation] = []
    connection = database.connect(SETTINGS)
    try:
        for _, question in sorted(audits().items()):
            with connection.transaction():
                prepare(connection)
                rows = connection.execute(question, {"namespace": database.namespace}).fetchmany(ROW_LIMIT)
            found += [Violation(promise, id, detail) for promise, id, detail in rows]
    except psycopg.Error as error:
        raise database.explained(error) from error
    finally:
        connection.close()
    return found


def prepare(connection: psycopg.Connection[TupleRow]) -> None:
    """What holds for a question's transaction.

    They read whole tables. A planner that expects few rows (of a table without statistics, or of a condition that it
    misjudges) would look through one for each row of another; where it is right, a hash or a sort costs little.
    """
    connection.execute("set transaction isolation level repeatable read, read only")
    connection.execute("set local enable_nestloop = off")
