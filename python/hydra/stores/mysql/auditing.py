"""Looks for anything in the database that breaks a promise. Each question is a SQL file in `audits`."""

from __future__ import annotations

from hydra.stores.findings import Violation
from hydra.stores.mysql.database import Database
from hydra.stores.mysql.statements import NO_NODE, id_text, literal, read_statements
from hydra.stores.rows import shown

ROW_LIMIT = 100  # rows shown for each question
SNAPSHOT = (
    "set transaction isolation level repeatable read",
    "start transaction with consistent snapshot, read only",
)


def audit(database: Database) -> list[Violation]:
    """Each question on a snapshot of its own, since each promise holds after every commit: so that the server forgets
    meanwhile what nobody needs. Empty is the proof."""
    session = database.connect()
    found: list[Violation] = []
    try:
        with database.explained():
            session.wait_long()
            for _, question in sorted(read_statements("audits").items()):
                statement = question.format(namespace=literal(database.namespace), no_node=NO_NODE)
                session.send([*SNAPSHOT])
                rows = session.send([f"{statement} limit {ROW_LIMIT}"])[0]
                session.send(["commit"])
                for promise, id, detail in rows:
                    found.append(Violation(promise, id_text(id) if len(id) == 16 else "", shown(detail)))
    finally:
        session.discard()
    return found
