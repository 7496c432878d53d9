"""The fixture of tests that look at the file system: `tmp_path` may be in memory, which `hydra doctor` warns of."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

TARGET = Path(__file__).resolve().parents[2] / "target"


@pytest.fixture
def disk_path() -> Iterator[Path]:
    """A folder beside the sources."""
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TARGET) as folder:
        yield Path(folder)
