"""What `hydra doctor` asks of a PostgreSQL server. Reads only; the judging is pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from hydra.blocks import contextmanager
from hydra.stores import engines
from hydra.stores.findings import Finding, Severity
from hydra.stores.postgres.database import DURABLE, Database
from hydra.stores.postgres.statements import statements

MAX_OPEN_SECONDS = 300
MAX_CONNECTIONS_SHARE = 0.8
WEAK_COMMITS = frozenset({"off", "false"})
COMMIT = "synchronous_commit"
CALLERS_COMMIT = "synchronous_commit of callers"  # of sessions that are not hydra's own


class ServerState(NamedTuple):
    replica_count: int
    synchronous_replica_count: int
    hidden_replica_count: int
    connection_count: int
    oldest_transaction_seconds: int
    prepared_count: int
    is_replica: bool


def examine(database: Database) -> list[Finding]:
    with _looking(database) as connection:
        engine = _engine(connection)
        if engines.cannot_carry(engine):
            return [engine]
        [state] = connection.execute(statements()["server_state"])
        return [engine, *judge(_settings(connection), ServerState(*state), is_pooled=database.address.is_pooled)]


def durability(database: Database) -> Finding:
    with _looking(database) as connection:
        return _judge_durability(_settings(connection))


@contextmanager
def _looking(database: Database) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection without settings of hydra's own, which would hide the server's."""
    connection = database.connect({})
    try:
        yield connection
    except psycopg.Error as error:
        raise database.explained(error) from error
    finally:
        connection.close()


def _engine(connection: psycopg.Connection[TupleRow]) -> Finding:
    [row] = connection.execute(statements()["engine"])
    signs = engines.PostgresSigns(*row)
    if not signs.has_citus:
        return engines.judge_postgres(signs)
    [[count]] = connection.execute(statements()["spread_tables"])
    return engines.judge_postgres(signs, count)


def _settings(connection: psycopg.Connection[TupleRow]) -> dict[str, str]:
    """The server's, and what hydra's own sessions make of them: only the URL overrules those."""
    rows = connection.execute(statements()["settings"]).fetchall()
    settings = {str(name): str(value) for name, value, _ in rows}
    settings[CALLERS_COMMIT] = settings[COMMIT]
    if (COMMIT, "client") not in ((name, source) for name, _, source in rows):
        settings |= DURABLE
    return settings


def judge(settings: Mapping[str, str], state: ServerState, *, is_pooled: bool = False) -> list[Finding]:
    return [
        Finding(Severity.OK, "server", f"PostgreSQL {settings['server_version']}"),
        _judge_durability(settings),
        _judge_replication(settings, state),
        _judge_role(settings, state),
        _judge_connections(int(settings["max_connections"]), state.connection_count),
        _judge_open_transactions(state),
        *([_judge_isolation(settings)] if is_pooled else []),
    ]


def _judge_durability(settings: Mapping[str, str]) -> Finding:
    weak = [name for name in ("fsync", "full_page_writes") if settings[name] != "on"]
    if settings[COMMIT] in WEAK_COMMITS:
        weak.append(COMMIT)
    if not weak and settings[CALLERS_COMMIT] in WEAK_COMMITS:
        sentence = (
            f"hydra's own sessions set `{COMMIT} = on`, but the server or role has `{settings[CALLERS_COMMIT]}`: a "
            "crash of the server may take a transaction that `submit(connection=…)` joined (G1); set it to `on`"
        )
        return Finding(Severity.WARNING, "durability", sentence)
    if not weak:
        return Finding(Severity.OK, "durability", "what is accepted survives a power cut of the server")
    told = ", ".join(f"`{name} = {settings[name]}`" for name in weak)
    sentence = f"{told}: a crash of the server loses what was accepted or recorded (G1, G3, G5); set to `on`"
    return Finding(Severity.DANGER, "durability", sentence)


def _judge_replication(settings: Mapping[str, str], state: ServerState) -> Finding:
    subject = "replication"
    if state.synchronous_replica_count:
        if settings[COMMIT] in ("local", *WEAK_COMMITS):
            sentence = f"`{COMMIT} = {settings[COMMIT]}` does not wait for the synchronous replica"
            return Finding(Severity.WARNING, subject, f"{sentence}: a failover may lose what was recorded")
        return Finding(Severity.OK, subject, f"{state.synchronous_replica_count} synchronous: a failover loses nothing")
    if state.hidden_replica_count:
        sentence = f"{state.hidden_replica_count} replicas, and this role may not see whether commits wait for them"
        return Finding(Severity.WARNING, subject, f"{sentence} (G1, G3, G5); `grant pg_monitor` to it to know")
    if state.replica_count:
        sentence = (
            f"{state.replica_count} replicas, none synchronous: a failover may lose what was accepted or recorded"
        )
        return Finding(Severity.WARNING, subject, f"{sentence} (G1, G3, G5); set `synchronous_standby_names`")
    return Finding(Severity.OK, subject, "no replica is connected")


def _judge_role(settings: Mapping[str, str], state: ServerState) -> Finding:
    if state.is_replica:
        sentence = (
            "the server is a replica and takes no writes; add `target_session_attrs=read-write` to a URL with all hosts"
        )
        return Finding(Severity.DANGER, "role", sentence)
    if settings["default_transaction_read_only"] == "on":
        return Finding(
            Severity.DANGER, "role", "`default_transaction_read_only = on`: nothing can be written; set it to `off`"
        )
    return Finding(Severity.OK, "role", "takes writes")


def _judge_isolation(settings: Mapping[str, str]) -> Finding:
    """Sessions of hydra's own set theirs; a pooler's are what the role makes them (R28)."""
    level = settings["default_transaction_isolation"]
    if level != "read committed":
        sentence = (
            f"`{level}` behind a pooler: beats and commits lose to each other and are repeated; set the role's to"
        )
        return Finding(Severity.WARNING, "isolation", f"{sentence} `read committed`")
    return Finding(Severity.OK, "isolation", f"`{level}`")


def _judge_connections(maximum: int, count: int) -> Finding:
    told = f"{count} of {maximum} connections are in use"
    if count > maximum * MAX_CONNECTIONS_SHARE:
        return Finding(Severity.WARNING, "connections", f"{told}; a node needs five, raise `max_connections`")
    return Finding(Severity.OK, "connections", told)


def _judge_open_transactions(state: ServerState) -> Finding:
    subject = "open transactions"
    if state.prepared_count:
        sentence = f"{state.prepared_count} prepared transactions keep dead rows alive; commit them or roll them back"
        return Finding(Severity.WARNING, subject, sentence)
    if state.oldest_transaction_seconds > MAX_OPEN_SECONDS:
        sentence = f"one has been open for {state.oldest_transaction_seconds} s and keeps dead rows alive; end it"
        return Finding(Severity.WARNING, subject, sentence)
    return Finding(Severity.OK, subject, "none is old")
