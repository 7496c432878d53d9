"""What a person stops, and lets go on. Claims read it under the write lock, so none that comes later misses it."""

from __future__ import annotations

import sqlite3

from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.rows import to_pause
from hydra.stores.sqlite.statements import execute, select_shown


def read_pauses(connection: sqlite3.Connection, namespace: str) -> list[Pause]:
    return [to_pause(row) for row in select_shown(connection, "pauses", namespace=namespace)]


def pause(connection: sqlite3.Connection, namespace: str, pause: Pause) -> None:
    execute(
        connection,
        "pause",
        namespace=namespace,
        kind=pause.kind,
        name=pause.name,
        paused_at=pause.paused_at,
        paused_by=pause.paused_by,
        reason=pause.reason,
    )


def unpause(connection: sqlite3.Connection, namespace: str, kind: PauseKind, name: str) -> bool:
    return execute(connection, "unpause", namespace=namespace, kind=kind, name=name) > 0
