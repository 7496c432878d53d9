from __future__ import annotations

import pytest
from hydra.testing import Harness

from tests.support.registries import own_registry

__all__ = ["own_registry"]


@pytest.fixture
def harness(hydra_harness: Harness) -> Harness:
    """By the plugin, as users get it."""
    return hydra_harness
