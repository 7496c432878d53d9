"""What the function of a `@hydra.transaction` may not do to the connection it is lent: end the transaction.

Its writes would be committed without their record, or what follows would be no part of it. Statements are known by
their first words, so this refuses before anything is sent; what a statement hides (a procedure that commits) is
noticed afterwards, when it cannot be taken back.
"""

from __future__ import annotations

import re

from hydra.errors import NonRetryable

SENTENCE = "a transaction must not end its transaction itself; leave the commit to hydra"
CLOSED = "a transaction must not close the connection it is given; hydra uses it again"
SAVEPOINT = "hydra_step"  # stands until hydra commits

_ENDS = r"commit\b|abort\b|rollback\b(?!\s+(?:work\s+|transaction\s+)?to\b)"
_FIRST = rf"{_ENDS}|end\b|begin\b|(?:start|prepare)\s+transaction\b|release\s+(?:savepoint\s+)?{SAVEPOINT}\b"
COMMENT = r"--[^\n]*|/\*(?!M?!).*?\*/"
_BEGINS = re.compile(rf"(?:\s|{COMMENT})*(?:{_FIRST})", re.IGNORECASE | re.DOTALL)
_GOES_ON = re.compile(rf";\s*(?:{_ENDS})", re.IGNORECASE)  # a script's later statement
_SILENT = re.compile(rf"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`|\$(\w*)\$.*?\$\1\$|{COMMENT}""", re.DOTALL)


def refuse_ending(statement: str, more: re.Pattern[str] | None = None) -> None:
    """Raises NonRetryable for one that would end the transaction. `more`: the beginnings of others that do."""
    if _BEGINS.match(statement) or (more is not None and more.match(statement)):
        raise NonRetryable(SENTENCE)
    if _GOES_ON.search(statement) and _GOES_ON.search(_SILENT.sub(" ", statement)):
        raise NonRetryable(SENTENCE)
