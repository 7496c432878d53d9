"""A new SQLite file of the test process has hydra's tables at once: to migrate one costs more than most tests do.

It is a copy of what hydra makes of an empty file, once in each test process. Other processes make their own, as users'
do, and so does a test that is marked `fresh_database`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
import threading
from pathlib import Path

from hydra.stores import open_store
from hydra.stores.sqlite.database import Database

MODE = 0o644  # as SQLite's own

_enter_wal = Database.enter_wal


class NewFiles:
    def __init__(self) -> None:
        self.have_tables = False

    def enter_wal(self, database: Database) -> None:
        """In the place of `Database.enter_wal`, the first that a store does with its file."""
        if self.have_tables and not any(os.path.exists(database.path + end) for end in ("", "-wal")):
            place(database.path, migrated())
        _enter_wal(database)


new_files = NewFiles()


def install() -> None:
    Database.enter_wal = lambda database: new_files.enter_wal(database)  # type: ignore[method-assign]


@functools.cache
def migrated() -> bytes:
    had_tables, new_files.have_tables = new_files.have_tables, False
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = open_store(f"sqlite:///{folder}/hydra.db")
            store.migrate()
            store.close()
            assert not Path(folder, "hydra.db-wal").exists(), "all is in the file itself"
            return Path(folder, "hydra.db").read_bytes()
    finally:
        new_files.have_tables = had_tables


def place(path: str, content: bytes) -> None:
    """The whole file at once, unless somebody else was quicker. Where it cannot be made, hydra itself says why."""
    made = f"{path}.{os.getpid()}.{threading.get_native_id()}"
    with contextlib.suppress(OSError):
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
            os.link(made, path)
        finally:
            os.unlink(made)
