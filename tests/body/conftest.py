from __future__ import annotations

import pytest

from tests.body.supervising import Supervisor
from tests.support.harnesses import harness, url
from tests.support.registries import own_registry

__all__ = ["harness", "own_registry", "url"]


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor()
