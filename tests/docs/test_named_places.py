"""Every module, file and test that the pages on how hydra is built name is there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "hydra"
HOMES = [ROOT, PACKAGE, ROOT / "docs", ROOT / "tests", ROOT / "rust" / "core" / "src"]
PAGES = ["docs/architecture.md", "CONTRIBUTING.md", "docs/production-readiness.md", "docs/protocol.md"]
MADE = {"site/", "store.open", "app.py", "v1.2.3"}  # what a build makes, and examples
SUFFIXES = ("py", "sql", "md", "toml", "yml", "rs")


def code_of(page: str) -> list[str]:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`]+)`", text)]


@cache
def files_of_tests() -> dict[Path, str]:
    return {path: path.read_text() for path in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benches").rglob("*.py")]}


def is_there(place: str) -> bool:
    if "*" in place:
        return any(True for home in HOMES for _ in home.glob(place))
    if any((home / place).exists() or (home / f"{place}.py").is_file() for home in HOMES):
        return True
    return "/" not in place and any(
        True for home in HOMES[:2] for _ in (home / ".").rglob(place) if ".venv" not in _.parts
    )


def is_a_place(code: str) -> bool:
    """A path, or a file's name: no command, no URL, no name of a record."""
    if code in MADE or not re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", code):
        return False
    return "/" in code or code.rsplit(".", 1)[-1] in SUFFIXES


def is_defined(dotted: str) -> bool:
    """`package.module`, or a name in one. Only where the first word is a package or module of hydra's."""
    parts = dotted.removeprefix("hydra.").split(".")
    place = PACKAGE
    for number, part in enumerate(parts):
        if (place / part).is_dir():
            place = place / part
        elif (module := place / f"{part}.py").is_file():
            text = module.read_text()
            return all(re.search(rf"\b{name}\b", text) for name in parts[number + 1 :])
        else:
            return bool(number) and re.search(rf"\b{part}\b", (place / "__init__.py").read_text()) is not None
    return True


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_is_named_exists(page: str) -> None:
    places = {code.split("::")[0] for code in code_of(page)}
    assert [place for place in sorted(places) if is_a_place(place) and not is_there(place)] == []


@pytest.mark.parametrize("page", PAGES[:2])
def test_every_module_that_is_named_exists(page: str) -> None:
    words = {code for code in code_of(page) if re.fullmatch(r"(?:hydra\.)?[a-z_]+(?:\.\w+)+", code)}
    packages = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    named = [word for word in sorted(words - MADE) if word.split(".")[0] in packages]
    assert [word for word in named if word.rsplit(".", 1)[-1] not in SUFFIXES and not is_defined(word)] == []


@pytest.mark.parametrize("page", PAGES[2:])
def test_every_test_that_is_named_exists(page: str) -> None:
    """Under its path; after an ellipsis anywhere."""
    missing = []
    for code in code_of(page):
        if found := re.fullmatch(r"(\S+)::(test_\w+)", code):
            path, name = found.groups()
            texts = files_of_tests().values() if path == "…" else [(ROOT / path).read_text()] if is_there(path) else []
            if not any(re.search(rf"def {name}\(", text) for text in texts):
                missing.append(code)
    assert missing == []
    assert not [code for code in code_of(page) if code.startswith("…") and not code.startswith("…::")]
