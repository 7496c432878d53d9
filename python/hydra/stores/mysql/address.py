"""Where a MySQL or MariaDB database is, read from its URL. Opens nothing.

mysql://user[:password]@host[:port]/database[?unix_socket=…&ssl_ca=…&ssl_cert=…&ssl_key=…]        (or mariadb://…)
&writer=single     the server is one of several that could all write, and a proxy sends everybody to the same one
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from hydra.errors import ConfigError
from hydra.stores.urls import refuse_ambiguous, without_password

DEFAULT_PORT = 3306
_OPTIONS = ("unix_socket", "ssl_ca", "ssl_cert", "ssl_key")


class Address(msgspec.Struct, frozen=True):
    host: str
    port: int
    user: str
    password: str
    database: str
    options: dict[str, str]
    has_one_writer: bool = False

    @property
    def place(self) -> str:
        """What two programs on one database have in common."""
        return f"{self.options.get('unix_socket') or f'{self.host}:{self.port}'}/{self.database}"

    def arguments(self) -> dict[str, Any]:
        """What PyMySQL's `connect` takes. With a CA the server must prove that it is the host meant."""
        verified = "ssl_ca" in self.options
        return {
            "ssl_disabled": "unix_socket" in self.options and not verified,
            "ssl_verify_cert": verified or None,
            "ssl_verify_identity": verified or None,
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password.encode(),  # PyMySQL would send Latin-1, and the server compares UTF-8
            "database": self.database,
            **self.options,
        }


def read_address(url: str) -> Address:
    refuse_ambiguous(url)
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError:  # its text may quote a piece of the password
        form = "mysql://user:password@host:3306/database"
        raise ConfigError(f"`{without_password(url)}` is not a MySQL URL; write `{form}`, with one host") from None
    database = unquote(parts.path.strip("/"))
    if not database or "/" in database:
        raise ConfigError(
            f"`{without_password(url)}` names no database; write `mysql://user:password@host:3306/database`"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    writer = options.pop("writer", None)
    if writer not in (None, "single"):
        raise ConfigError(f"`writer={writer}` is not known; write `writer=single` or leave it out")
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise ConfigError(
            f"`{unknown[0]}` is not an option of a MySQL URL; there are {', '.join((*_OPTIONS, 'writer'))}"
        )
    return Address(
        host=parts.hostname or "localhost",
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=database,
        options=options,
        has_one_writer=writer is not None,
    )
