"""When code and tables of different versions may work together: a rolling upgrade by one step (R27). Reads no database.

Each migration is a numbered file. One that begins with `-- additive` only adds what code of the version before neither
reads nor has to fill: new tables, new indexes, columns with a default. That code works on beside it. Any other step is
for code that knows it, and older code refuses the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hydra.errors import SchemaError

ADDITIVE = "-- additive"


class TablesVersion(NamedTuple):
    """The last migration that was applied, and the last that code must know; zeros where there are no tables."""

    newest: int
    needed: int


NO_TABLES = TablesVersion(0, 0)


def is_additive(script: str) -> bool:
    return script.startswith(ADDITIVE)


def is_current(tables: TablesVersion, known: int) -> bool:
    """Nothing is to be migrated: the tables are of this version, or of a newer one that only added to them."""
    return tables.newest >= known


def refuse_unasked(tables: TablesVersion, pending: Iterable[str], place: str) -> None:
    """A program that merely opens the database fills an empty one and takes additive steps; older nodes go on then."""
    # guard R27: nobody takes a step unasked that older nodes cannot live with
    if tables != NO_TABLES and not all(map(is_additive, pending)):
        message = f"the database `{place}` has tables of version {tables.newest}, which older nodes may be using"
        raise SchemaError(f"{message}; stop them, then run `hydra migrate`")


def not_ours(place: str, error: Exception) -> SchemaError:
    """The table that holds the version is another program's: no migration fits beside it."""
    message = f"the database `{place}` has a table `hydra_schema` that is not hydra's ({error.args[-1]})"
    return SchemaError(f"{message}; give a database without it, or rename that table")


def refuse_newer(tables: TablesVersion, known: int, place: str) -> None:
    if tables.needed > known:  # guard R27: a newer schema is refused
        message = f"the database `{place}` has tables of version {tables.needed}, this hydra knows {known}"
        raise SchemaError(f"{message}; install the newer hydra")
