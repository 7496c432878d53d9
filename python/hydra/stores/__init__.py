"""The databases hydra runs on. `open_store(url)` picks one by the URL's scheme."""

from __future__ import annotations

import os
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from hydra import config
from hydra.errors import ConfigError
from hydra.payload_keys import PayloadKeys
from hydra.stores.encrypting import EncryptingStore
from hydra.stores.sqlite import SqliteStore
from hydra.stores.store import Store
from hydra.stores.urls import without_driver, without_password

__all__ = ["absolute", "open_store", "plain_store", "without_password"]

_SQLITE_FORMS = "`sqlite:///relative.db` or `sqlite:////absolute.db`"


def open_store(url: str, namespace: str = "default", payload_keys: PayloadKeys | None = None) -> Store:
    """The store of a database URL, with these payload keys or those of `$HYDRA_PAYLOAD_KEYS`; nothing is opened yet."""
    store = plain_store(url, namespace)
    keys = config.payload_keys(payload_keys)
    return store if keys is None else EncryptingStore(store, keys).as_store()


def plain_store(url: str, namespace: str = "default") -> Store:
    """The store that gives payloads as the database has them."""
    url = without_driver(url)
    scheme = url.partition("://")[0]
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


def absolute(url: str) -> str:
    """The URL as it is to be kept and passed on: a relative path would mean another file in another directory."""
    url = without_driver(url)
    if not url.startswith("sqlite:"):
        return url
    parts = urlsplit(url)
    path = unquote(parts.path.removeprefix("/"))
    if not path or os.path.isabs(path):
        return url
    return f"sqlite:////{quote(os.path.abspath(path).lstrip('/'))}{'?' if parts.query else ''}{parts.query}"


def _sqlite_store(url: str, namespace: str) -> SqliteStore:
    parts = urlsplit(url)
    try:
        path = unquote(parts.path.removeprefix("/"), errors="strict")
    except UnicodeDecodeError as error:
        raise ConfigError(f"`{url}` is not readable as UTF-8; write a `%` in a path as `%25`") from error
    if parts.netloc or not path or path == ":memory:" or "\0" in path:
        raise ConfigError(f"`{url}` names no SQLite file; use {_SQLITE_FORMS}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    synchronous = options.pop("synchronous", "full").lower()
    if synchronous not in ("full", "normal", "extra"):
        raise ConfigError(f"`synchronous={synchronous}` is not known; use `full` (the default), `extra` or `normal`")
    if options:
        raise ConfigError(f"`{next(iter(options))}` is not an option of a SQLite URL; the only one is `synchronous`")
    return SqliteStore(url, path, namespace, synchronous=synchronous)
