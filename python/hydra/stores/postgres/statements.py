"""The SQL files beside this module, each one statement, loaded once. Never builds SQL."""

from __future__ import annotations

import functools
from importlib import resources


def _load(folder: str) -> dict[str, bytes]:
    files = resources.files(__package__).joinpath(folder).iterdir()
    return {file.name.removesuffix(".sql"): file.read_bytes() for file in files if file.name.endswith(".sql")}


@functools.cache
def statements() -> dict[str, bytes]:
    """Name to SQL."""
    return _load("sql")


@functools.cache
def audits() -> dict[str, bytes]:
    """Each selects what breaks a promise: (promise, execution id, detail)."""
    return _load("audits")


@functools.cache
def migrations() -> list[tuple[int, bytes]]:
    """(version, its script), in order."""
    return [(int(name.split("_")[0]), script) for name, script in sorted(_load("migrations").items())]
