"""A database of each kind for the commands, which have no fixtures: a server of its own, gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import mysql, postgres


@contextmanager
def database(store: str, folder: Path) -> Iterator[str]:
    if store == "sqlite":
        yield f"sqlite:///{folder}/flows.db"
        return
    module: Any = {"postgres": postgres, "mysql": mysql}[store]
    server = (module.PostgresServer if store == "postgres" else module.MysqlServer)().start()
    try:
        yield module.create_database(server)
    finally:
        server.destroy()
