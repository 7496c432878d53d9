"""The tables' version: migrations in order under a lock, so that concurrent first starts are safe (R27).

MySQL commits each DDL statement by itself, so every statement of a migration may run again after a crash half-way.
"""

from __future__ import annotations

from importlib.resources import files

from hydra.errors import SchemaError, StoreUnavailable
from hydra.stores.mysql.database import Database
from hydra.stores.mysql.session import Session
from hydra.stores.mysql.statements import STATEMENTS, strip_comments

LOCK_SECONDS = 30


def migrations() -> list[tuple[int, list[str]]]:
    """(version, its statements), in order."""
    folder = files(__package__).joinpath("migrations")
    found = sorted((file.name, file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".sql"))
    return [
        (int(name.partition("_")[0]), [part.strip() for part in strip_comments(text).split(";") if part.strip()])
        for name, text in found
    ]


def newest_version() -> int:
    return migrations()[-1][0]


def migrate(database: Database) -> tuple[int, int]:
    """(version before, version after)."""
    session = database.connect()
    try:
        with database.explained():
            return _migrate(session)
    finally:
        session.discard()


def is_current(database: Database) -> bool:
    """Whether the tables are this code's; a newer version is a SchemaError."""
    session = database.connect()
    try:
        with database.explained():
            version = read_version(session)
    finally:
        session.discard()
    _refuse_newer(session.place, version)
    return version == newest_version()


def read_version(session: Session) -> int:
    """0 for a database without hydra's tables."""
    if not session.send([STATEMENTS["schema_exists"]])[0][0][0]:
        return 0
    version: int = session.send([STATEMENTS["schema_version"]])[0][0][0]
    return version


def _migrate(session: Session) -> tuple[int, int]:
    if session.send([STATEMENTS["schema_lock"].format(seconds=LOCK_SECONDS)])[0][0][0] != 1:
        message = f"another program has been migrating the database `{session.place}` for {LOCK_SECONDS} s"
        raise StoreUnavailable(f"{message}; try again when it is done")
    try:
        before = read_version(session)
        _refuse_newer(session.place, before)
        if before == 0:
            session.send([STATEMENTS["schema_table"]])
        for version, statements in migrations():
            if version > before:
                for statement in statements:
                    session.send([statement])
                session.send([STATEMENTS["schema_applied"].format(version=version)])
        return before, newest_version()
    finally:
        if session.is_usable():
            session.send([STATEMENTS["schema_unlock"]])


def _refuse_newer(place: str, version: int) -> None:
    if version > newest_version():
        message = f"the database `{place}` has tables of version {version}, this hydra knows {newest_version()}"
        raise SchemaError(f"{message}; install the newer hydra")
