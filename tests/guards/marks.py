"""Where the guards stand in the sources, and how one is taken out of its file's text.

`# guard R6: a claim takes the fence` marks the statement of its line, or of the line below when it stands alone; in SQL
`-- guard …` marks the line. A mark is known by its words and by the store whose folder it is in, not by its place.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

SOURCES = Path(__file__).parents[2] / "python" / "hydra"
KEPT = "..."
_MARK = re.compile(r"(?P<before>.*?)\s*(?:#|--) guard (?P<words>[RG]\d+: .+)")
_TRAILING = re.compile(r"[ \t]*(?:#|--) guard [RG]\d+: .*")
_COMMENT = re.compile(r"\s*(?:#|--) ")


class Mark(NamedTuple):
    store: str  # whose folder of `stores` it is in; `none` if in no store's
    words: str  # such as "R6: a claim takes the fence"


class Edit(NamedTuple):
    """What becomes of what is marked. With nothing given it goes: the statement of Python, the line of SQL."""

    words: str
    take: str = ""  # only this part of it, which stands there once
    give: str | None = None  # what to write instead; a line `...` is what stands there now
    value: str = ""  # instead of what it asks (`if`), returns or assigns
    operand: int = 0  # the one of its `and` or `or` that goes, from 1


def store_of(file: str) -> str:
    parts = file.split("/")
    return parts[1] if parts[0] == "stores" and len(parts) > 2 else "none"


@cache
def read_marks(sources: Path = SOURCES) -> dict[Mark, list[str]]:
    """The files of each mark, as they are called below `sources`; a file once for each time that it has the mark."""
    found: dict[Mark, list[str]] = {}
    for path in sorted([*sources.rglob("*.py"), *sources.rglob("*.sql")]):
        file = path.relative_to(sources).as_posix()
        for line in path.read_text("utf-8").splitlines():
            if " guard " in line and (mark := _MARK.fullmatch(line)):
                found.setdefault(Mark(store_of(file), mark["words"]), []).append(file)
    return found


def mutated(file: str, text: str, edit: Edit) -> str:
    """The file's text without the guard."""
    lines = text.splitlines(keepends=True)
    number = _marked_line(file, lines, edit.words)
    statement = _statement(text, number) if file.endswith(".py") else None
    first, last = (statement.lineno, statement.end_lineno or 0) if statement else (number, number)
    marked = _TRAILING.sub("", "".join(lines[first - 1 : last]))
    indent = marked[: len(marked) - len(marked.lstrip())]
    if edit.value or edit.operand:
        changed = _with_value(marked, statement, edit)
    elif edit.take:
        if marked.count(edit.take) != 1:
            count = marked.count(edit.take)
            raise SystemExit(f"{file}: `{edit.take}` stands {count} times at `{edit.words}`, not once")
        changed = marked.replace(edit.take, edit.give or "")
    elif edit.give is not None:
        given = (marked if line == KEPT else f"{indent}{line}\n" for line in edit.give.splitlines())
        changed = "".join(given)
    else:
        changed = f"{indent}pass\n" if statement and _is_alone(text, statement) else ""
    if changed == marked:
        raise SystemExit(f"{file}: what is marked `{edit.words}` is replaced by itself")
    return "".join([*lines[: first - 1], changed, *lines[last:]])


def _marked_line(file: str, lines: list[str], words: str) -> int:
    """From 1."""
    found = [place for place, line in enumerate(lines) if (mark := _MARK.match(line)) and mark["words"] == words]
    if len(found) != 1:
        raise SystemExit(f"{file} has the mark `{words}` {len(found)} times, not once")
    place = found[0]
    while _COMMENT.match(lines[place]):
        place += 1
    return place + 1


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def _statement(text: str, number: int) -> ast.stmt | None:
    """The one that begins in this line."""
    statements = (node for node in ast.walk(_parsed(text)) if isinstance(node, ast.stmt))
    return next((statement for statement in statements if statement.lineno == number), None)


def _is_alone(text: str, statement: ast.stmt) -> bool:
    """Whether its block has nothing else."""
    blocks = [
        block
        for node in ast.walk(_parsed(text))
        for name in ("body", "orelse", "finalbody")
        if isinstance(block := getattr(node, name, None), list) and statement in block
    ]
    return len(blocks[0]) == 1


def _with_value(marked: str, statement: ast.stmt | None, edit: Edit) -> str:
    node = getattr(statement, "test", None) or getattr(statement, "value", None)
    if statement is None or node is None:
        raise SystemExit(f"what is marked `{edit.words}` has no value")
    value = edit.value
    if edit.operand:
        node = next((inner for inner in ast.walk(node) if isinstance(inner, ast.BoolOp)), None)
        if node is None or len(node.values) < edit.operand:
            raise SystemExit(f"what is marked `{edit.words}` has no operand {edit.operand}")
        rest = [operand for place, operand in enumerate(node.values, 1) if place != edit.operand]
        value = f"({f' {_OPERATORS[type(node.op)]} '.join(f'({ast.unparse(operand)})' for operand in rest)})"
    start = _offset(marked, statement, node.lineno, node.col_offset)
    end = _offset(marked, statement, node.end_lineno, node.end_col_offset)
    return (marked.encode()[:start] + value.encode() + marked.encode()[end:]).decode()


_OPERATORS = {ast.And: "and", ast.Or: "or"}


def _offset(marked: str, statement: ast.stmt, line: int, column: int) -> int:
    """In the octets of what is marked, which begins with its statement's line."""
    return sum(len(text.encode()) for text in marked.splitlines(keepends=True)[: line - statement.lineno]) + column
