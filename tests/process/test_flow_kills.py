"""kill -9 in the middle of the examples' flows, on every database. `flow_kills.py` does it at each of their points."""

from __future__ import annotations

from pathlib import Path

from flow_kills import Killing
from flows.scenarios import SCENARIOS

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
