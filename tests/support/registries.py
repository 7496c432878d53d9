"""The fixture of tests that define workflows of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hydra.workflow import registry


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    """Each test defines its own workflows, and sees none that other tests' modules define."""
    workflows, steps = registry.workflows, registry.steps
    registry.workflows, registry.steps = {}, {}
    yield
    registry.workflows, registry.steps = workflows, steps
