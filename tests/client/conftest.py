from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hydra
import pytest


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/user.db"


@pytest.fixture
def engine(url: str) -> Iterator[hydra.Engine]:
    with hydra.Engine(url) as engine:
        yield engine
        assert engine.audit() == []
