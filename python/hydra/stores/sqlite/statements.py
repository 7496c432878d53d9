"""The SQL files beside this module, each one statement, loaded once. What several share is one of `clauses/*.sql`,
which is put where they name it. Never builds SQL otherwise.
"""

from __future__ import annotations

import functools
import json
import re
import sqlite3

import msgspec

from hydra.errors import ConfigError, PayloadError
from hydra.stores.splicing import spliced
from hydra.stores.sql_files import read_folder, with_lists_upwards

_VALUES = re.compile(r"values (\([^()]*\))")
_NAMED = re.compile(r"[^:]:\w")
_ESCAPED_NUL = "\\u0000"


@functools.cache
def statements() -> dict[str, str]:
    """Name to SQL."""
    return spliced(with_lists_upwards(read_folder(__package__, "sql")), read_folder(__package__, "clauses"))


@functools.cache
def audits() -> dict[str, str]:
    """Each selects what breaks a promise: (promise, execution id, detail)."""
    return read_folder(__package__, "audits")


@functools.cache
def migrations() -> list[tuple[int, list[str]]]:
    """(version, its statements), in order. Which of them are additive the text of the first says."""
    scripts = sorted(read_folder(__package__, "migrations").items())
    return [(int(name.split("_")[0]), _split(text)) for name, text in scripts]


class RowStatement:
    """The name of a statement over `values (?, …)`, to be written for many rows. It is made when its module is
    imported: a statement that cannot be widened never meets its second row. `width`: the values of one row."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.width = check_widens(name, statements()[name])


def check_widens(name: str, sql: str) -> int:
    """How many parameters it has; a ConfigError unless all of them stand in one `values (…)`."""
    code = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))
    found = _VALUES.findall(code)
    if len(found) != 1 or found[0].count("?") != code.count("?") or _NAMED.search(code):
        message = "its parameters are not those of one `values (…)`"
        raise ConfigError(f"the statement `{name}` cannot be written for many rows: {message}")
    return code.count("?")


@functools.cache
def widened(name: str, row_count: int) -> str:
    """The statement with its `values (…)` repeated."""
    return _VALUES.sub(lambda found: "values " + ", ".join([found[1]] * row_count), statements()[name])


def to_json(rows: object) -> str:
    """A list of ids or names for json_each."""
    text = msgspec.json.encode(rows).decode()
    if _ESCAPED_NUL in text and _holds_nul(json.loads(text)):
        raise PayloadError("a name, key or tag holds a NUL character, which SQLite would cut off there; leave it out")
    return text


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    return isinstance(value, list) and any(_holds_nul(item) for item in value)


def _split(script: str) -> list[str]:
    parts: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            parts.append(pending)
            pending = ""
    return parts
