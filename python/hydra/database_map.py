"""Which database a namespace lives in: a map from namespaces, or patterns of such, to URLs. Opens none of them.

# namespace    database
shop-1         postgresql://hydra@db1/billing
eu-*           postgresql://hydra@db2/billing
*              postgresql://hydra@db0/billing
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase

from hydra.config import database_url, namespace_name
from hydra.errors import ConfigError
from hydra.stores.urls import without_password

REST = "*"  # every namespace that nothing else of the map fits

Given = str | os.PathLike[str] | Mapping[str, str]


class DatabaseMap:
    """`urls` by namespace or pattern; `name` is what errors call it."""

    def __init__(self, urls: Mapping[str, str], name: str) -> None:
        self.name = name
        self._urls = dict(urls)
        if not self._urls:
            raise ConfigError(f"{name} names no namespace; give it each namespace, or a pattern, and its database")
        for place, url in self._urls.items():
            if not isinstance(place, str) or not isinstance(url, str):
                given = f"{type(url).__name__} for {type(place).__name__}"
                raise ConfigError(f"{name} must give texts for texts, a URL for a namespace, not {given}")
            _check_place(place, name)
            if not url:
                raise ConfigError(f"namespace `{place}` has no URL in {name}")

    @property
    def namespaces(self) -> list[str]:
        """Those that it names one by one."""
        return [place for place in self._urls if "*" not in place]

    @property
    def urls(self) -> list[str]:
        """Each database once."""
        return list(dict.fromkeys(self._urls.values()))

    def url_of(self, namespace: str) -> str:
        """The namespace's own entry, else the one pattern that fits it, else that of `*`.

        Raises:
            ConfigError: it has none, or two patterns fit it: which one is meant must not hang on their order.
        """
        if namespace in self._urls:
            return self._urls[namespace]
        fitting = [place for place in self._urls if place != REST and "*" in place and fnmatchcase(namespace, place)]
        if len(fitting) > 1:
            told = f"`{fitting[0]}` and `{fitting[1]}` of {self.name} both fit namespace `{namespace}`"
            raise ConfigError(f"{told}; give it an entry of its own")
        place = fitting[0] if fitting else REST
        if place not in self._urls:
            message = f"{self.name} has no database for namespace `{namespace}`"
            raise ConfigError(f"{message}; give it an entry, or an entry `{REST}` for all that have none")
        return self._urls[place]


def database_map(given: Given) -> DatabaseMap:
    """Of a mapping, or of a file's lines: a namespace or a pattern, then its URL; `#` begins a comment."""
    if isinstance(given, Mapping):
        return DatabaseMap(given, "the map of databases")
    if not isinstance(given, str | os.PathLike):
        kind = type(given).__name__
        raise ConfigError(f"`db_map` must be the path of a file, or a mapping from namespaces to URLs, not {kind}")
    path = os.fsdecode(given)
    try:
        with open(path, encoding="utf-8-sig") as file:  # an editor may have put a mark before the first line
            lines = file.read().splitlines()
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error  # its text has the path, and that may be a URL
        raise ConfigError(f"the map of databases `{without_password(path)}` cannot be read: {told}") from None
    return DatabaseMap(_entries(lines, path), f"the map of databases `{path}`")


def _entries(lines: list[str], path: str) -> dict[str, str]:
    """What stands behind a URL is shown by no error: it can be the rest of a password."""
    urls: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        place, url, behind = [*line.split(maxsplit=2), "", "", ""][:3]
        if not place or place.startswith("#"):
            continue
        where = f"line {number} of the map of databases `{path}`"
        _check_place(place, where)
        if place in urls:
            raise ConfigError(f"`{place}` has an entry already, in {where}")
        if not url or url.startswith("#"):
            raise ConfigError(f"`{place}` has no URL, in {where}")
        if behind and not behind.startswith("#"):
            told = f"`{place}` has more than a URL, in {where}"
            raise ConfigError(f"{told}; write a space in a URL as `%20`, and begin a comment with `#`")
        urls[place] = url
    return urls


def _check_place(place: str, where: str) -> None:
    """A namespace or a pattern. What may be a URL instead is not shown: its password could be cut anywhere."""
    if "://" in place or "@" in place or "=" in place:
        raise ConfigError(f"{where} has what looks like a URL where a namespace belongs; put the namespace first")
    namespace_name(place.replace("*", "x") if place else place)


def find_database(url: str | None, db_map: Given | None, namespace: str) -> str:
    """The URL given, or the one that the map given has for the namespace; else by `$HYDRA_DB` or `$HYDRA_DB_MAP`."""
    if url is None and db_map is None:
        db_map = os.environ.get("HYDRA_DB_MAP") or None
        url = os.environ.get("HYDRA_DB") or None
    if url is not None and db_map is not None:
        raise ConfigError("a database and a map of databases are given, by argument, option or variable; give one")
    if db_map is None:
        return database_url(url)
    return database_map(db_map).url_of(namespace_name(namespace))
