"""A PostgreSQL URL: libpq's own forms, and hydra's few options taken out of its query. Opens nothing.

postgresql://user:password@host1,host2:5433/database?target_session_attrs=read-write&sslmode=verify-full
&pooler=transaction     behind PgBouncer's transaction mode: no session state, no prepared statements, no LISTEN
&listen=off             never LISTEN, only poll; `HYDRA_LISTEN_URL` names a direct address for it instead
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hydra.errors import ConfigError
from hydra.stores.urls import refuse_ambiguous, without_driver, without_password

CONNECT_SECONDS = 5
USER_TIMEOUT_MILLISECONDS = 5_000
_DEFAULTS = {
    "connect_timeout": CONNECT_SECONDS,
    "tcp_user_timeout": USER_TIMEOUT_MILLISECONDS,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}


@dataclass(frozen=True)
class Address:
    """`conninfo` is libpq's; `listen` is where to LISTEN, None for polling only; `url` has no password."""

    url: str
    conninfo: str
    is_pooled: bool
    listen: str | None


def parse_address(url: str) -> Address:
    base, _, query = url.partition("?")
    options = parse_qsl(query, keep_blank_values=True)
    own = {name: value for name, value in options if name in ("pooler", "listen")}
    rest = [(name, value) for name, value in options if name not in own]
    pooler, listen = own.get("pooler", "none"), own.get("listen", "on")
    if pooler not in ("none", "transaction"):
        raise ConfigError(f"`pooler={pooler}` is not known; write `pooler=transaction` or leave it out")
    if listen not in ("on", "off"):
        raise ConfigError(f"`listen={listen}` is not known; write `listen=off` or leave it out")
    plain = base + ("?" + urlencode(rest, quote_via=quote) if rest else "")
    conninfo = _complete(plain, url)
    direct = os.environ.get("HYDRA_LISTEN_URL")
    if listen == "off":
        target = None
    elif direct:
        target = _complete(without_driver(direct), direct)
    else:
        target = None if pooler == "transaction" else conninfo
    return Address(without_password(url), conninfo, pooler == "transaction", target)


def _complete(plain: str, url: str) -> str:
    refuse_ambiguous(url)
    try:
        given = conninfo_to_dict(plain)
    except psycopg.ProgrammingError as error:
        reason = str(error).partition('"')[0].strip(" :\n")  # what libpq quotes may be a piece of the password
        raise ConfigError(f"`{without_password(url)}` is not a PostgreSQL URL: {reason}") from None
    ours = {name: value for name, value in _DEFAULTS.items() if name not in given}
    return make_conninfo(plain, **ours, client_encoding="UTF8")  # what hydra sends is, whatever the server's defaults
