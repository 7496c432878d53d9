"""Asks the server what the fence may lean on: proves with two connections that share locks block (R9)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from hydra.errors import ConfigError
from hydra.stores.mysql.database import Database
from hydra.stores.mysql.session import MySQLSession
from hydra.stores.mysql.statements import STATEMENTS, literal

MARIADB_MINIMUM = (10, 6)
MYSQL_MINIMUM = (8, 0, 1)


def check_version(session: MySQLSession) -> None:
    """Older servers lack SKIP LOCKED."""
    minimum = MARIADB_MINIMUM if session.is_mariadb else MYSQL_MINIMUM
    if session.version < minimum:
        name, needed = "MariaDB" if session.is_mariadb else "MySQL", ".".join(map(str, minimum))
        message = f"the database `{session.place}` runs on {name} {session.version_text}"
        raise ConfigError(f"{message}; hydra needs {needed} or newer")


def check_writers(session: MySQLSession, *, has_one_writer: bool) -> None:
    """A cluster in which several members take writes is refused: it says that it committed what it then drops."""
    if has_one_writer or not (kind := several_writers(cluster_modes(session))):
        return
    raise ConfigError(
        f"the database `{session.place}` is on {kind}, whose members can all write: a commit that it confirmed may be "
        "lost. Send everybody to one member by a proxy, and say so: `?writer=single` in the URL"
    )


def cluster_modes(session: MySQLSession) -> dict[str, str]:
    return dict(session.send([STATEMENTS["cluster_mode"]])[0])


def several_writers(modes: Mapping[str, str]) -> str:
    """In words, what lets other servers write to the same tables; "" for nothing."""
    if modes.get("wsrep_on", "OFF").upper() in ("ON", "1"):
        return "a Galera cluster (`wsrep_on`)"
    several_primaries = modes.get("group_replication_single_primary_mode", "ON").upper() in ("OFF", "0")
    if modes.get("group_replication_group_name") and several_primaries:
        return "a multi-primary group (`group_replication_single_primary_mode = OFF`)"
    return ""


def share_locks_block(database: Database) -> bool:
    """Whether the fence holds with a share lock; TiDB ignores it, a multi-primary cluster does not share it."""
    fencing, reaping = database.connect(writing=True), database.connect(writing=True)
    id = literal(uuid.uuid4().bytes)
    try:
        with database.explained():
            if several_writers(cluster_modes(fencing)):
                return False
            fencing.send([STATEMENTS["probe_add"].format(id=id)])
            fencing.send(["begin", STATEMENTS["probe_share"].format(id=id)])
            found = reaping.send(["begin", STATEMENTS["probe_exclusive"].format(id=id), "rollback"])[1]
            fencing.send(["rollback", STATEMENTS["probe_remove"].format(id=id)])
            return not found  # guard R9: opening proves that share locks block
    finally:
        fencing.discard()
        reaping.discard()
