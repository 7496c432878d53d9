"""Puts the clauses that several statements share, `clauses/*.sql`, where a statement names them. Pure.

{woken}                      a line of its own: the clause `woken`, indented as that line is
{told of=hearing cause=''}   with what stands in the clause as {of} and {cause}; values with spaces in "…"
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hydra.errors import ConfigError

_VALUE = r'(\w+)=("[^"]*"|[^\s"}]+)'
_CALL = re.compile(rf"^([ \t]*)\{{(\w+)((?: {_VALUE})*)\}}", re.MULTILINE)
_GIVEN = re.compile(_VALUE)
_HOLE = re.compile(r"\{(\w+)\}")
_HEAD = re.compile(r"\A(--.*\n)+")  # what a clause is for; a database is not told


def spliced(texts: Mapping[str, str], clauses: Mapping[str, str]) -> dict[str, str]:
    """The statements as they are sent, by their names."""
    return {name: splice(name, text, clauses) for name, text in texts.items()}


def splice(name: str, text: str, clauses: Mapping[str, str]) -> str:
    """The statement as it is sent."""

    def fill(call: re.Match[str]) -> str:
        indent, clause = call[1], call[2]
        given = {key: value.strip('"') for key, value in _GIVEN.findall(call[3])}
        if clause not in clauses:
            raise ConfigError(f"the statement `{name}` asks for a clause `{clause}`, which is not there")
        body = _HEAD.sub("", clauses[clause]).rstrip("\n")
        if set(_HOLE.findall(body)) != set(given):
            raise ConfigError(f"the statement `{name}` gives the clause `{clause}` other values than it asks for")
        body = _HOLE.sub(lambda hole: given[hole[1]], body)
        return "\n".join(f"{indent}{line}" for line in body.split("\n"))

    return _CALL.sub(fill, text)
