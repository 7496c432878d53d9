"""Opens a database for a move, whichever kind it is: of this version, with nothing that a move would forget."""

from __future__ import annotations

from hydra.errors import SchemaError
from hydra.move.side import Side
from hydra.move.sqlite_side import SqliteSide
from hydra.move.tables import forgotten
from hydra.stores import plain_store
from hydra.stores.moved import MOVED, SOURCE
from hydra.stores.sqlite import SqliteStore
from hydra.stores.store import Store


def namespaces_of(url: str) -> dict[str, str | None]:
    """Those of a database, each with where it was moved to; None where it lies here."""
    side = open_side(url, may_migrate=False)
    try:
        states = {name: side.state(SOURCE, name) for name in side.namespaces()}
    finally:
        side.close()
    return {name: state.other if state and state.state == MOVED else None for name, state in states.items()}


def open_side(url: str, *, may_migrate: bool) -> Side:
    """A database of this version, with no table that a move would forget."""
    store = plain_store(url)
    store.open(migrate=may_migrate)
    store.close()
    side = _side(store, url)
    unknown = forgotten(side.tables(), side.known())
    if unknown:
        side.close()
        told = ", ".join(f"`{name}`" for name in unknown)
        raise SchemaError(
            f"the database `{side.place}` has {told}, which this hydra cannot move; install the newer one"
        )
    return side


def _side(store: Store, url: str) -> Side:
    if isinstance(store, SqliteStore):
        return SqliteSide(store)
    from hydra.stores.postgres import PostgresStore  # a driver is slow to import, and every command would

    if isinstance(store, PostgresStore):
        from hydra.move.postgres_side import PostgresSide

        return PostgresSide(store, url)
    from hydra.move.mysql_side import MysqlSide  # its driver is an extra
    from hydra.stores.mysql import MysqlStore

    assert isinstance(store, MysqlStore)
    return MysqlSide(store, url)
