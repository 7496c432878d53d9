"""Database URLs as they may be shown: no password, however the URL was written. Opens nothing."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode

from hydra.errors import ConfigError

_PASSWORD = re.compile(r"password\s*=.*", re.IGNORECASE | re.DOTALL)


def without_driver(url: str) -> str:
    """Without the driver that SQLAlchemy's URLs name behind the scheme (`postgresql+psycopg://`): hydra has its own."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.partition('+')[0].lower()}{separator}{rest}" if separator else url


def without_password(url: str) -> str:
    """A password with unescaped characters reaches to the last `@` at most, so that is where it is taken to end."""
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite":
        return url
    if not separator:
        credentials, at, place = _PASSWORD.sub("password=…", url).rpartition("@")
        return f"{credentials.partition(':')[0]}{at}{place}"
    credentials, at, place = rest.rpartition("@")
    base, mark, query = place.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if "password" not in name.lower()]
    shown = urlencode(kept, quote_via=quote)
    return f"{scheme}{separator}{credentials.partition(':')[0]}{at}{base}{mark if kept else ''}{shown}"


def refuse_ambiguous(url: str) -> None:
    """A stray `@` would make a piece of the password a host or a database, whose names are shown."""
    place = url.partition("://")[2].partition("?")[0]
    authority, _, path = place.partition("/")
    if authority.count("@") > 1 or "@" in path:
        raise ConfigError(
            f"`{without_password(url)}` has an `@` too many; write special characters of a user name or password "
            "percent-encoded, `@` as `%40`, `/` as `%2F`"
        )
