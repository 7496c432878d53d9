from __future__ import annotations

from collections.abc import Iterator

import pytest
from hydra.testing import Harness
from hydra.workflow import registry


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    """Each test defines its own workflows, and sees none that other tests' modules define."""
    workflows, steps = registry.workflows, registry.steps
    registry.workflows, registry.steps = {}, {}
    yield
    registry.workflows, registry.steps = workflows, steps


@pytest.fixture
def harness(hydra_harness: Harness) -> Harness:
    """By the plugin, as users get it."""
    return hydra_harness
