"""`docs/protocol.md` against the sources: what is cited is explained there, and what proves it exists."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/protocol.md").read_text()
PARAGRAPHS = dict(re.findall(r"^### ([RG]\d+)\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL))
NUMBERS = [*(f"G{number}" for number in range(1, 11)), *(f"R{number}" for number in range(1, 30))]
CITED = re.compile(r"\b([RG]\d{1,2})\b|\btest_([rg]\d{1,2})_")
SOURCES = {"python": ("*.py", "*.sql"), "rust": ("*.rs",), "tests": ("*.py", "*.toml"), "docs": ("*.md",)}


@cache
def sources() -> dict[Path, str]:
    found = [path for folder, kinds in SOURCES.items() for kind in kinds for path in (ROOT / folder).rglob(kind)]
    return {path: path.read_text() for path in found}


def test_each_promise_and_rule_has_its_paragraph() -> None:
    assert list(PARAGRAPHS) == NUMBERS


def test_each_number_that_is_cited_is_a_promise_or_a_rule() -> None:
    cited = {
        (number or test.upper(), path.relative_to(ROOT))
        for path, text in sources().items()
        if path.name != "production-readiness.md"
        for number, test in CITED.findall(text)
    }
    assert sorted((number, str(path)) for number, path in cited if number not in PARAGRAPHS) == []


@pytest.mark.parametrize("number", NUMBERS)
def test_the_tests_a_paragraph_names_exist(number: str) -> None:
    named = re.findall(r"`(tests/\S+?)::(test_\w+)`", PARAGRAPHS[number])
    assert named, "each paragraph names a test"
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), name


def test_no_source_names_a_page_that_is_not_in_the_repository() -> None:
    strangers = [
        f"{path.relative_to(ROOT)}: {word}"
        for path, text in sources().items()
        if path != Path(__file__)
        for word in re.findall(r"(?<![.\w])(?:DESIGN|PROTOCOL|HOUSE|STYLE|CHECKLIST)(?:\.md)?\b(?! =)(?: ?§)?", text)
    ]
    assert strangers == []
