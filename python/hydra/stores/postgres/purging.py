"""Deletes what ended long ago, with everything that belongs to it; keys stay (R24, R26)."""

from __future__ import annotations

from collections.abc import Callable

from psycopg.rows import TupleRow

from hydra.stores.postgres.arrays import uuids
from hydra.stores.postgres.database import Cursor

Write = Callable[..., list[Cursor]]
Read = Callable[..., list[list[TupleRow]]]


def purge(read: Read, write: Write, namespace: str, older_than: int, limit: int) -> int:
    """How many executions went, at most `limit`. Registrations of nodes that ended before then go too."""
    values = {"namespace": namespace, "older_than": older_than}
    (rows,) = read(("purgeable", {**values, "limit": limit}))
    gone, _ = write(
        ("purge_executions", {**values, "ids": uuids(sorted(row[0] for row in rows))}), ("purge_nodes", values)
    )
    return len(gone.fetchall())
