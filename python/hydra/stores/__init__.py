"""The databases hydra runs on. `open_store(url)` picks one by the URL's scheme."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from hydra.errors import ConfigError
from hydra.stores.sqlite import SqliteStore
from hydra.stores.store import Store
from hydra.stores.urls import without_password

__all__ = ["open_store", "without_password"]

_SQLITE_FORMS = "`sqlite:///relative.db` or `sqlite:////absolute.db`"


def open_store(url: str, namespace: str = "default") -> Store:
    """The store of a database URL; nothing is opened yet."""
    scheme = url.partition("://")[0].lower()
    if scheme == "sqlite":
        return _sqlite_store(url, namespace)
    if scheme in ("mysql", "mariadb"):
        from hydra.stores.mysql import MysqlStore  # its driver is an extra

        return MysqlStore(url, namespace)
    if scheme in ("postgresql", "postgres"):
        from hydra.stores.postgres import PostgresStore  # a program on SQLite need not load the driver

        return PostgresStore(url, namespace)
    raise ConfigError(
        f"`{without_password(url)}` is not a database URL hydra knows; use {_SQLITE_FORMS}, `postgresql://…` or `mysql://…`"
    )


def _sqlite_store(url: str, namespace: str) -> SqliteStore:
    parts = urlsplit(url)
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or not path or path == ":memory:" or "\0" in path:
        raise ConfigError(f"`{url}` names no SQLite file; use {_SQLITE_FORMS}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    synchronous = options.pop("synchronous", "full").lower()
    if synchronous not in ("full", "normal", "extra"):
        raise ConfigError(f"`synchronous={synchronous}` is not known; use `full` (the default), `extra` or `normal`")
    if options:
        raise ConfigError(f"`{next(iter(options))}` is not an option of a SQLite URL; the only one is `synchronous`")
    return SqliteStore(url, path, namespace, synchronous=synchronous)
