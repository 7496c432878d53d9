"""What the server's and the driver's errors mean to a user: one sentence each. Knows which a repetition cures."""

from __future__ import annotations

import pymysql

from hydra.errors import ConfigError, ConnectionsUsedUp, HydraError, PayloadTooLarge, SchemaError, StoreUnavailable
from hydra.stores.moved import explain_fence

DEADLOCK = (1213, 1205)  # lost a deadlock; waited too long for a lock
DUPLICATE = 1062
READ_ONLY = (1290, 1792, 1836)
TOO_LARGE = (1153, 1301)  # past max_allowed_packet

_UNAVAILABLE = {
    1021: "cannot grow: the disk is full; make room and try again",
    1040: "has no connection left; raise `max_connections` or run fewer programs",
    1047: "is a member of a cluster that has lost its quorum or is not synchronized; try again, or name another member",
    1114: "cannot grow: a table is full; make room and try again",
    1203: "grants this user no more connections; raise `max_user_connections`",
    1226: "grants this user no more of what it asked for; raise the limit",
    1290: "is read-only at the moment; point hydra at the primary",
    1317: "interrupted a statement; try again",
    1792: "is read-only at the moment; point hydra at the primary",
    1836: "is read-only at the moment; point hydra at the primary",
}
_CROWDED = (1040, 1203, 1226)
_CONFIG = {
    1044: "may not be used by this user; grant access to it",
    1045: "refused the user name or password",
    1049: "does not exist; create it first (`create database …`)",
    1130: "takes no connections from this host; grant them to the user",
    1142: "refused a statement to this user; grant `select, insert, update, delete` on it, and more to migrate",
    1227: "refused a statement to this user; grant more",
    1698: "refused the user name or password",
}
_MISSING = (1054, 1146)


class LockLost(StoreUnavailable):
    """The server rolled the transaction back for another's sake; the same again will pass."""


class SessionLost(StoreUnavailable):
    """The connection broke before COMMIT was sent: the server rolls back what it had begun, the same again is safe."""


def error_code(error: Exception) -> int:
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def too_large(place: str) -> PayloadTooLarge:
    return PayloadTooLarge(f"a value is larger than the database `{place}` takes; raise its `max_allowed_packet`")


def is_session_lost(error: Exception) -> bool:
    """The connection is of no more use: it broke, or leads to a server that cannot write."""
    if isinstance(error, OSError | EOFError | pymysql.InterfaceError):
        return True
    code = error_code(error)
    return isinstance(error, pymysql.MySQLError) and (
        2000 <= code < 3000 or code in (0, 1047, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, *READ_ONLY, 1927, 4031)
    )


def explain(error: Exception, place: str) -> HydraError | None:
    """The error a user sees; None where it would be a fault of hydra's own."""
    code = error_code(error)
    if (moved := explain_fence(str(error.args[-1]) if error.args else "", place)) is not None:
        return moved
    if code in DEADLOCK:
        return LockLost(f"the database `{place}` was too contended to be locked; try again")
    if code in _CROWDED:
        return ConnectionsUsedUp(f"the database `{place}` {_UNAVAILABLE[code]} ({error.args[-1]})")
    if code in _UNAVAILABLE:
        return StoreUnavailable(f"the database `{place}` {_UNAVAILABLE[code]} ({error.args[-1]})")
    if code in _CONFIG:
        return ConfigError(f"the database `{place}` {_CONFIG[code]} ({error.args[-1]})")
    if code in _MISSING:
        return SchemaError(f"the database `{place}` lacks hydra's tables ({error.args[-1]}); run `hydra migrate`")
    if code in TOO_LARGE:
        return too_large(place)
    if is_session_lost(error):
        return SessionLost(f"the database `{place}` does not answer ({error.args[-1] if error.args else error})")
    return None
