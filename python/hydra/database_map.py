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

REST = "*"  # every namespace that nothing else of the map fits

Given = str | os.PathLike[str] | Mapping[str, str]


class DatabaseMap:
    """`urls` by namespace or pattern; `name` is what errors call it."""

    def __init__(self, urls: Mapping[str, str], name: str) -> None:
        self.name = name
        self._urls = dict(urls)
        for place, url in self._urls.items():
            if not isinstance(place, str) or not isinstance(url, str) or not url:
                raise ConfigError(f"{name} must give texts for texts, a URL for a namespace, not `{place!r:.80}`")
            namespace_name(place.replace("*", "x") if place else place)

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
    """Of a mapping, or of a file's lines: a namespace or a pattern, then its URL; `#` begins a comment line."""
    if isinstance(given, Mapping):
        return DatabaseMap(given, "the map of databases")
    if not isinstance(given, str | os.PathLike):
        raise ConfigError(
            f"`db_map` must be the path of a file, or a mapping from namespaces to URLs, not `{given!r:.80}`"
        )
    path = os.fspath(given)
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"the map of databases `{path}` cannot be read: {error}") from error
    urls: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        place, _, url = line.strip().replace("\t", " ").partition(" ")
        if not place or place.startswith("#"):
            continue
        if not url.strip() or place in urls:
            what = "has an entry already" if place in urls else "has no URL"
            raise ConfigError(f"`{place:.200}` {what}, in line {number} of the map of databases `{path}`")
        urls[place] = url.strip()
    return DatabaseMap(urls, f"the map of databases `{path}`")


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
