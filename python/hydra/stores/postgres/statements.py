"""The SQL files beside this module, each one statement, loaded once. What several share is one of `clauses/*.sql`,
which is put where they name it. Never builds SQL otherwise.
"""

from __future__ import annotations

import functools

from hydra.stores.splicing import spliced
from hydra.stores.sql_files import read_folder, with_lists_upwards


def _load(folder: str) -> dict[str, bytes]:
    return {name: text.encode() for name, text in read_folder(__package__, folder).items()}


@functools.cache
def statements() -> dict[str, bytes]:
    """Name to SQL, as it is sent."""
    texts = spliced(with_lists_upwards(read_folder(__package__, "sql")), read_folder(__package__, "clauses"))
    return {name: text.encode() for name, text in texts.items()}


@functools.cache
def audits() -> dict[str, bytes]:
    """Each selects what breaks a promise: (promise, execution id, detail)."""
    return _load("audits")


@functools.cache
def migrations() -> list[tuple[int, bytes]]:
    """(version, its script), in order."""
    return [(int(name.split("_")[0]), script) for name, script in sorted(_load("migrations").items())]
