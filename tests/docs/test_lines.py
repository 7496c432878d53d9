"""Lines of Markdown and SQL have at most 120 columns, as ruff says of Python's, and none is a mark of a conflict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_COLUMNS = 120
IGNORED = {".venv", "target", "site", "demo", "node_modules"}


def sources() -> Iterator[Path]:
    for kind in ("*.md", "*.sql"):
        for path in ROOT.rglob(kind):
            if not any(part in IGNORED or part.startswith(".") for part in path.relative_to(ROOT).parts):
                yield path


def test_no_line_of_a_document_or_statement_is_longer_than_120_columns() -> None:
    assert len(list(sources())) > 300
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
