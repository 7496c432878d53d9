"""Each example's workflow with a crash at every one of its boundaries, in process: all ends alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.testing import crash_matrix
from hydra.testing.harness import Harness
from hydra.workflow import registry

from tests.support.scenarios import SCENARIOS, World, defined, hosts, hurry

# So many boundaries a flow has at least, being what it says it is.
FLOWS = {"billed": 20, "declined": 15, "rolled out": 50, "rolled back": 25, "written off": 120}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    hurry()
    monkeypatch.setattr(registry, "workflows", defined.workflows)
    monkeypatch.setattr(registry, "steps", defined.steps)
    monkeypatch.setattr(hosts, "BOOT_SECONDS", -1.0)  # the harness's clock waits for no host
    world = World(tmp_path / "world")
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    yield world
    world.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
def test_g4_a_flow_crashed_at_every_boundary_ends_alike(world: World, name: str) -> None:
    scenario = SCENARIOS[name]

    def lay(harness: Harness) -> None:
        world.clear()
        scenario.prepare(world.folder, "n1")

    def seen() -> object:
        found = scenario.world(world.folder, "n1")
        assert found == scenario.expected
        return found

    report = crash_matrix(scenario.bind("n1"), effects=seen, setup=lay, submitted=scenario.begin)
    assert report.crash_count >= FLOWS[name]
    assert report.repeated
