"""The pytest plugin: `hydra_harness` is a fresh Harness, closed with the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hydra.testing.harness import Harness


@pytest.fixture
def hydra_harness() -> Iterator[Harness]:
    """An engine, a worker and a fake clock in this test's own thread."""
    with Harness() as harness:
        yield harness
