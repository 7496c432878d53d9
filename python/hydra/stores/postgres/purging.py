"""Deletes what ended long ago, with everything that belongs to it; keys stay (R24, R26)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hydra.stores.postgres.arrays import uuids
from hydra.stores.postgres.session import Result

Write = Callable[..., list[Result]]
Read = Callable[..., list[list[tuple[Any, ...]]]]


def purge(read: Read, write: Write, namespace: str, older_than: int, limit: int) -> int:
    """How many executions went, at most `limit`. Registrations of nodes that ended before then go too."""
    values = {"namespace": namespace, "older_than": older_than}
    (rows,) = read(("purgeable", {**values, "limit": limit}))
    gone, _ = write(
        ("purge_executions", {**values, "ids": uuids(sorted(row[0] for row in rows))}), ("purge_nodes", values)
    )
    return len(gone.rows)
