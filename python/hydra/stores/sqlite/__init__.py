"""hydra on SQLite: the standard library's sqlite3, one file, many processes."""

from hydra.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
