"""Reads the .sql files and writes values into them. Never talks to a database.

Every value becomes a number, a hex literal or one of our own words, so no value can end a literal, in whatever SQL mode
or character set the connection (also a caller's own) happens to be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from hydra.errors import HydraError, PayloadError
from hydra.interruptions import let_out
from hydra.stores.sql_files import read_folder

NO_NODE = "x'00000000000000000000000000000000'"


class Word(str):
    """One of our own identifiers (a status, a kind), readable in a server's statement log; never a user's text."""


def read_statements(folder: str) -> dict[str, str]:
    """Every statement of a folder by its file's name, without its comments."""
    return {name: strip_comments(text) for name, text in read_folder(__package__, folder).items()}


def strip_comments(text: str) -> str:
    lines = (line.partition("-- ")[0].strip() for line in text.splitlines())
    return " ".join(line for line in lines if line)


def literal(value: int | str | bytes | None) -> str:
    """A value as SQL text."""
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Word):
        return f"'{value}'"
    if isinstance(value, str):
        return f"x'{_octets(value).hex()}'"
    return f"x'{value.hex()}'"


def key_hash(namespace: str, workflow: str, key: str) -> str:
    """What the table of keys is ordered by: keys of any length, each at a place of its own."""
    name = b"\0".join(map(_octets, (namespace, workflow, key)))
    return f"x'{hashlib.sha256(name).hexdigest()}'"


def _octets(text: str) -> bytes:
    """Refuses what another database would mangle, so that a text means the same on each."""
    try:
        octets = text.encode()
    except UnicodeEncodeError as error:
        raise PayloadError(f"a name, key or tag is not Unicode text ({error.reason}); leave that out") from error
    if b"\0" in octets:
        raise PayloadError("a name, key or tag holds a NUL character; leave it out")
    return octets


def row(*values: int | str | bytes | None) -> str:
    return f"({', '.join(map(literal, values))})"


def id_literal(id: str) -> str:
    """The 16 bytes of an id, to look it up; what is not a UUID is nobody's id, and no row has it."""
    try:
        octets = bytes.fromhex(id.replace("-", ""))
    except ValueError as error:
        let_out(error)
        return "x''"
    return f"x'{octets.hex()}'" if len(octets) == 16 else "x''"


def new_id_literal(id: str) -> str:
    """The 16 bytes of an id, to store it."""
    found = id_literal(id)
    if found == "x''":
        raise HydraError(f"`{id}` cannot be an id; ids are UUIDs in their usual form")
    return found


def id_text(octets: bytes) -> str:
    text = octets.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def id_list(ids: Iterable[str]) -> str:
    """Ids in ascending order, for `in (…)`: rows are locked in that order."""
    return ", ".join(sorted({id_literal(id) for id in ids}))


STATEMENTS = read_statements("sql")
