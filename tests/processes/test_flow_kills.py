"""kill -9 in the middle of the examples' flows, on every database. `flow_kills.py` does it at each of their points."""

from __future__ import annotations

from pathlib import Path

import hydra
from hydra.testing import Harness

from tests.processes import flow_checks
from tests.processes.flow_kills import Killing
from tests.support.scenarios import SCENARIOS

# Which flow, and where somebody dies: each kind of point once, undo, child, wait and parallel steps among them.
DEATHS = [
    ("billed", "worker:after effect#4"),  # paid, and nobody knows
    ("billed", "supervisor:inside record commit"),
    ("rolled back", "worker:before effect#11"),  # in the first undo step
    ("rolled back", "supervisor:before record commit#4"),
    ("written off slowly", "worker:record sent#6"),
    ("written off slowly", "supervisor:after suspend commit"),
]


def test_g4_flows_killed_at_points_of_every_kind_repeat_no_recorded_step(tmp_path: Path, url: str) -> None:
    killing = Killing(tmp_path, url)
    try:
        for flow, point in DEATHS:
            killing.kill(SCENARIOS[flow], point)
        recorded = killing.account()
    finally:
        killing.close()
    assert killing.wrong == []
    assert killing.unreached == []
    assert recorded >= 90


@hydra.step
def noticed_by_the_check(number: int) -> int:
    return number


@hydra.workflow
def looked_at_by_the_check() -> int:
    return noticed_by_the_check(1)


def test_the_check_knows_the_try_that_was_recorded_by_hydras_own_word(tmp_path: Path) -> None:
    """Hydra's clock is the database's, which may be further from the host's than two tries are from each other."""
    with Harness(f"sqlite:///{tmp_path}/looked_at.db") as harness:
        handle = harness.submit(looked_at_by_the_check.bind())
        harness.run_until_idle()
        (record,) = handle.records()

        def reruns(*started_at: int) -> list[str]:
            log = tmp_path / "tries"
            place = (handle.id, record.branch, record.name, str(record.ordinal), "key")
            log.write_text("".join("\t".join([*place, str(at), "start", str(at + 40_000)]) + "\n" for at in started_at))
            count, wrong = flow_checks.reruns(harness.engine.url, log)
            assert count == 1
            return wrong

        killed_at = record.started_at - 42_000
        assert reruns(killed_at, record.started_at) == []
        assert len(reruns(record.started_at, record.started_at + 1)) == 1
        assert len(reruns(killed_at)) == 1
