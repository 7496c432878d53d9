"""Lines of Markdown and SQL have at most 120 columns, as ruff says of Python's, and none is a mark of a conflict."""

from __future__ import annotations

import functools
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_COLUMNS = 120
IGNORED = {".venv", "target", "site", "demo", "node_modules"}


@functools.cache
def sources() -> list[Path]:
    found = []
    for folder, below, files in os.walk(ROOT):
        below[:] = [name for name in below if name not in IGNORED and not name.startswith(".")]
        found += [Path(folder, name) for name in files if name.endswith((".md", ".sql")) and not name.startswith(".")]
    return found


def test_no_line_of_a_document_or_statement_is_longer_than_120_columns() -> None:
    assert len(sources()) > 300
    assert [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if len(line) > MAX_COLUMNS
    ] == []


def test_no_mark_of_a_conflict_was_left_in_a_document_or_statement() -> None:
    assert [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if line.startswith(("<<<<<<< ", ">>>>>>> "))
    ] == []
