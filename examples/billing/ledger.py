"""The ledger: a SQLite file of its own, one entry per idempotency key. A repeated post changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

WRITE_LOCK_TIMEOUT_SECONDS = 30.0
CREATE_ENTRY = """
create table if not exists entry(
  key text primary key,
  invoice text not null,
  copy integer not null,
  amount text not null,
  payment_id text not null
) strict
"""


@dataclass(frozen=True)
class Entry:
    invoice: str
    copy: int
    amount: Decimal  # negative for a refund
    payment_id: str


class Ledger:
    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        with self._connection() as connection:
            connection.execute("pragma journal_mode=wal")
            connection.execute(CREATE_ENTRY)

    def post(self, key: str, entry: Entry) -> None:
        with self._connection() as connection:
            connection.execute(
                "insert into entry values (?, ?, ?, ?, ?) on conflict (key) do nothing",
                (key, entry.invoice, entry.copy, str(entry.amount), entry.payment_id),
            )

    def entries(self) -> list[Entry]:
        with self._connection() as connection:
            rows = connection.execute("select invoice, copy, amount, payment_id from entry")
            return [Entry(invoice, copy, Decimal(amount), payment_id) for invoice, copy, amount, payment_id in rows]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection in autocommit mode: each statement is durable when it returns."""
        connection = sqlite3.connect(self.path, timeout=WRITE_LOCK_TIMEOUT_SECONDS, isolation_level=None)
        try:
            connection.execute("pragma synchronous=full")
            yield connection
        finally:
            connection.close()
