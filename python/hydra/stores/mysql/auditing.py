"""Looks for anything in the database that breaks a promise. Each question is a SQL file in `audits`."""

from __future__ import annotations

from typing import Any

from hydra.stores.mysql.database import Database
from hydra.stores.mysql.statements import id_text, literal, read_statements
from hydra.stores.store import Violation

ROW_LIMIT = 100  # rows shown for each question


def audit(database: Database, namespace: str) -> list[Violation]:
    """All questions on one snapshot of the database. Empty is the proof."""
    session = database.connect()
    found: list[Violation] = []
    try:
        with database.explained():
            session.send(["set transaction isolation level repeatable read"])
            session.send(["start transaction with consistent snapshot, read only"])
            for _, question in sorted(read_statements("audits").items()):
                statement = question.format(namespace=literal(namespace)) + f" limit {ROW_LIMIT}"
                found += [Violation(*map(_text, row)) for row in session.send([statement])[0]]
    finally:
        session.discard()
    return found


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return id_text(value) if len(value) == 16 else value.decode()
    return str(value)
