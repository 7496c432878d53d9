from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hydra
import pytest
from scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A database, supervisors on it, and at the end: no error that nobody expected, and a clean audit."""
    scene = Scene(tmp_path)
    try:
        yield scene
    finally:
        scene.close()
    for node in scene.nodes:
        assert "database is locked" not in node.text()
    with hydra.Engine(scene.url) as engine:
        assert engine.audit() == []
