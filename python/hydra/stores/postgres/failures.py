"""What PostgreSQL's errors mean to a user: one sentence each. Never retries, only names what may be."""

from __future__ import annotations

import psycopg

from hydra.errors import ConfigError, ConnectionsUsedUp, HydraError, PayloadError, SchemaError, StoreUnavailable
from hydra.stores.moved import explain_fence

RETRIED = frozenset({"40001", "40P01"})  # serialization failure, deadlock victim: the whole transaction is tried again
READ_ONLY = "25006"  # a session that began so stays so, or leads to a standby: another one may find a server to write

_UNAVAILABLE = {
    "25006": "is read-only (a standby, or set so); name the primary, or add `target_session_attrs=read-write`",
    "25P03": "ended a transaction that stood idle; try again",
    "40001": "could not serialize the transaction; try again",
    "40P01": "chose the transaction as the victim of a deadlock; try again",
    "53100": "cannot grow: its disk is full; make room and try again",
    "53200": "is out of memory; try again",
    "53300": "has no connection to spare; raise `max_connections` or run fewer programs",
    "55P03": "did not give a row's lock in time: another transaction holds it; end that one and try again",
    "57014": "cancelled the statement, which took too long; try again",
    "57P01": "is shutting down; try again",
    "57P02": "crashed and is recovering; try again",
    "57P03": "is starting up or shutting down; try again",
    "57P05": "ended a connection that stood idle; try again",
    "XX001": "is damaged; restore it from a backup",
    "XX002": "has a damaged index; `reindex` it or restore it from a backup",
}
_CLASSES = {
    "08": "does not answer",
    "53": "lacks resources",
    "57": "was interrupted by its operator",
    "58": "reports a system error",
}
# libpq keeps no code of a refused connection, only the words of a server that speaks English. In any other language it
# counts as one that does not answer.
_REFUSED_WORDS = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied for database",
    "does not support SSL",
    "certificate verify failed",
)
_SEVERAL_WORDS = "Multiple connection attempts failed"
_CROWDED = "53300"
_CROWDED_WORDS = ("too many c", "connection slots are reserved")


def explain(error: psycopg.Error, url: str, *, outcome: str | None = None) -> HydraError | None:
    """The error a user sees; None where it would be a fault of hydra's own."""
    code = error.sqlstate or ""
    if (moved := explain_fence(str(error), url)) is not None:
        return moved
    if code in ("42P01", "42703", "3F000"):
        return SchemaError(f"the database `{url}` lacks hydra's tables ({_first_line(error)}); run `hydra migrate`")
    if code == "42501":
        return ConfigError(f"the database `{url}` refuses this role: {_first_line(error)}")
    if code in ("22021", "22P05"):
        return PayloadError("a name, key or tag holds a NUL character, which PostgreSQL cannot store; leave it out")
    if code in ("54000", "22001"):
        return PayloadError(f"a value is larger than the database `{url}` can hold")
    if code == _CROWDED or (not code and any(words in str(error) for words in _CROWDED_WORDS)):
        return ConnectionsUsedUp(f"the database `{url}` {_UNAVAILABLE[_CROWDED]} ({_first_line(error)})")
    if "unsupported startup parameter" in str(error):
        return pooler_between(url)
    if not code and _is_refused(str(error)):
        return ConfigError(f"the database `{url}` cannot be entered: {_first_line(error)}")
    meaning = _UNAVAILABLE.get(code) or _CLASSES.get(code[:2])
    if meaning is None and (code or not isinstance(error, psycopg.OperationalError)):
        return None
    message = f"the database `{url}` {meaning or 'does not answer'} ({_first_line(error)})"
    return StoreUnavailable(message, outcome=outcome)


def pooler_between(url: str) -> ConfigError:
    remedy = "add `pooler=transaction` to the query of the URL, and leave PgBouncer in its transaction mode"
    return ConfigError(f"PgBouncer, or a pooler like it, stands before the database `{url}`: {remedy}")


def _is_refused(words: str) -> bool:
    """By a server that is up, so that waiting is no cure; of several servers another one may come up."""
    return _SEVERAL_WORDS not in words and any(each in words for each in _REFUSED_WORDS)


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().partition("\n")[0]
