"""The tables' version: migrations in order under a lock, so that concurrent first starts are safe (R27).

MySQL commits each DDL statement by itself, so every statement of a migration may run again after a crash half-way.
"""

from __future__ import annotations

from importlib.resources import files

import pymysql

from hydra.errors import StoreUnavailable
from hydra.stores import upgrades
from hydra.stores.mysql.database import Database
from hydra.stores.mysql.failures import error_code
from hydra.stores.mysql.session import MySQLSession
from hydra.stores.mysql.statements import STATEMENTS, strip_comments
from hydra.stores.upgrades import NO_TABLES, TablesVersion, not_ours, refuse_newer, refuse_unasked

_ADDED_BEFORE = (1060, 1061)  # that column or key, by a migration that died half-way

_NO_COLUMN = 1054

LOCK_SECONDS = 30


def migrations() -> list[tuple[int, list[str]]]:
    """(version, its statements), in order."""
    return [
        (version, [part.strip() for part in strip_comments(script).split(";") if part.strip()])
        for version, script in scripts().items()
    ]


def scripts() -> dict[int, str]:
    """The migrations' texts by version, in order."""
    folder = files(__package__).joinpath("migrations")
    found = sorted((file.name, file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".sql"))
    return {int(name.partition("_")[0]): text for name, text in found}


def newest_version() -> int:
    return migrations()[-1][0]


def migrate(database: Database, *, is_asked: bool = True) -> tuple[int, int]:
    """(version before, version after). Where nobody asked for it, only what older nodes can live with."""
    session = database.connect()
    try:
        with database.explained():
            session.wait_long()
            return _migrate(session, is_asked)
    finally:
        session.discard()


def is_current(database: Database) -> bool:
    """Whether this code can work with the tables; those of a newer version that it must know are a SchemaError."""
    session = database.connect()
    try:
        with database.explained():
            tables = read_version(session)
    finally:
        session.discard()
    refuse_newer(tables, newest_version(), session.place)
    return upgrades.is_current(tables, newest_version())


def read_version(session: MySQLSession) -> TablesVersion:
    if not session.send([STATEMENTS["schema_exists"]])[0][0][0]:
        return NO_TABLES
    try:
        return TablesVersion(*map(int, session.send([STATEMENTS["schema_version"]])[0][0]))
    except pymysql.MySQLError as error:
        if error_code(error) == _NO_COLUMN:
            raise not_ours(session.place, error) from error
        raise


def _migrate(session: MySQLSession, is_asked: bool) -> tuple[int, int]:
    if session.send([STATEMENTS["schema_lock"].format(seconds=LOCK_SECONDS)])[0][0][0] != 1:
        message = f"another program has been migrating the database `{session.place}` for {LOCK_SECONDS} s"
        raise StoreUnavailable(f"{message}; try again when it is done")
    try:
        before = read_version(session)
        refuse_newer(before, newest_version(), session.place)
        if not is_asked:
            pending = [script for version, script in scripts().items() if version > before.newest]
            refuse_unasked(before, pending, session.place)
        if before == NO_TABLES:
            session.send([STATEMENTS["schema_table"]])
        for version, statements in migrations():
            if version > before.newest:
                for statement in statements:
                    _apply(session, statement)
                additive = int(upgrades.is_additive(scripts()[version]))
                session.send([STATEMENTS["schema_applied"].format(version=version, is_additive=additive)])
        return before.newest, max(before.newest, newest_version())
    finally:
        if session.is_usable():
            session.send([STATEMENTS["schema_unlock"]])


def _apply(session: MySQLSession, statement: str) -> None:
    """DDL cannot be rolled back, so each statement may run again."""
    try:
        session.send([statement])
    except pymysql.MySQLError as error:
        if error_code(error) not in _ADDED_BEFORE:
            raise
