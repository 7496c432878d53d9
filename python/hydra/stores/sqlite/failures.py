"""What SQLite's errors mean to a user: one sentence each. Decides nothing about retrying."""

from __future__ import annotations

import sqlite3

from hydra.errors import ConfigError, HydraError, PayloadTooLarge, SchemaError, StoreUnavailable
from hydra.stores.moved import explain_fence

_CONFIG = {
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that its directory exists and may be written",
    sqlite3.SQLITE_NOTADB: "is not a SQLite database; give another path",
    sqlite3.SQLITE_READONLY: "cannot be written; check the permissions of the file and its directory",
    sqlite3.SQLITE_PERM: "cannot be opened for lack of permission",
    sqlite3.SQLITE_AUTH: "cannot be opened for lack of permission",
}
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: "is locked by another program; end that program's transaction and try again",
    sqlite3.SQLITE_LOCKED: "is locked by another program; end that program's transaction and try again",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; make room and try again",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore it from a backup",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error",
    sqlite3.SQLITE_NOMEM: "cannot be used: out of memory",
    sqlite3.SQLITE_PROTOCOL: "is too contended to be locked; try again",
}


def is_busy(error: sqlite3.Error) -> bool:
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def primary_code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def explain(error: sqlite3.Error, path: str) -> HydraError | None:
    """The error a user sees; None where it would be a fault of hydra's own."""
    code = primary_code(error)
    if (moved := explain_fence(str(error), path)) is not None:
        return moved
    if code in _CONFIG:
        return ConfigError(f"the database `{path}` {_CONFIG[code]}")
    if code in _UNAVAILABLE:
        return StoreUnavailable(f"the database `{path}` {_UNAVAILABLE[code]}")
    if code == sqlite3.SQLITE_TOOBIG:
        return PayloadTooLarge(f"a value is larger than the database `{path}` can hold")
    if code == sqlite3.SQLITE_ERROR and str(error).startswith("no such"):
        return SchemaError(f"the database `{path}` lacks hydra's tables ({error}); run `hydra migrate`")
    return None


class explained:
    """Lets no sqlite3 error out that has a sentence."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, sqlite3.Error) and (clear := explain(error, self._path)) is not None:
            raise clear from error
