from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A directory with an app, and the command line in it."""
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database that nothing has opened yet."""
    return f"sqlite:///{tmp_path}/shop.db"
