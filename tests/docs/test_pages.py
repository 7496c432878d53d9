"""What the README, the quickstart and the guides show works as it stands: every block is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.docs.run_page import LEFT_ALONE, blocks_of
from tests.support.disk import disk_path

__all__ = ["disk_path"]

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "guides").glob("*.md"))]
RUN = [page for page in PAGES if any(block.language not in LEFT_ALONE for block in blocks_of(page.read_text()))]
FAKES = str(Path(__file__).parent / "fakes")  # in place of libraries that hydra does not need
SETS_UP = ("make ", "pip install ", "git clone ", "cd ", "python3 -m venv ", ".venv/bin/")  # what `sh` is for


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_every_block_of_the_page_does_what_it_shows(page: Path, disk_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "run_page.py"), str(page), str(disk_path)],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([FAKES, *filter(None, [os.environ.get("PYTHONPATH")])])},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_not_run_is_marked_as_such(page: Path) -> None:
    for block in blocks_of(page.read_text()):
        assert block.language, f"line {block.line}: a block needs a language; what cannot be run is `text`"
        if block.language == "sh":
            assert all(line.startswith(SETS_UP) for line in block.text.splitlines() if line), f"line {block.line}"


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_no_block_of_it_is_merely_indented(page: Path) -> None:
    """Such a block has no language, so nobody could say whether it is run."""
    tokens = MarkdownIt().parse(page.read_text())
    assert [token.map for token in tokens if token.type == "code_block"] == []


def test_a_page_that_shows_what_is_not_so_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for shown in ("```python\nassert False\n```", '```python\nprint(1)\n```\n```text title="prints"\n2\n```'):
        page.write_text(shown)
        done = subprocess.run(
            [sys.executable, str(Path(__file__).parent / "run_page.py"), str(page), str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert "page.md, block in line 1" in done.stderr or "page.md, block in line 4" in done.stderr
