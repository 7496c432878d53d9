"""Everything that may go wrong with a database in a day, in seconds, on the real thing."""

from __future__ import annotations

import time
from pathlib import Path

from hydra.circuit_breaker import CircuitSettings
from hydra.dispatch.circuits import NodeCircuits

from tests.processes.bad_day import BadDay
from tests.processes.scene import until

SOON_SECONDS = 10  # from the recovery of the database


def test_b1_b2_a_day_on_which_the_database_is_slow_dies_and_comes_back(tmp_path: Path) -> None:
    """Clients submit all day long. Nothing is lost, doubled or hangs, and work goes on soon after each recovery."""
    quick_to_open = CircuitSettings(min_calls=2, max_calls=3)
    circuits = NodeCircuits(commit=quick_to_open, claim=quick_to_open, heartbeat=quick_to_open)
    with BadDay(tmp_path, clients=4, pause_seconds=0.02, circuits=circuits) as day:
        until(lambda: len(day.submissions) > 20)
        day.slow_down()
        until(lambda: "circuit before the database is" in day.readiness())
        assert any(day.circuits().values())
        day.speed_up()
        assert day.pick_one_up() < SOON_SECONDS
        until(lambda: day.readiness() == "ok", SOON_SECONDS)
        assert not any(day.circuits().values())
        day.kill()
        until(lambda: "circuit before the database is" in day.readiness())
        before_start = time.monotonic()
        day.start()
        assert day.pick_one_up() < SOON_SECONDS
        until(lambda: day.readiness() == "ok", SOON_SECONDS)
        day.end()
        waited = [each for each in day.submissions if each.began_at < before_start < each.accepted_at]
        assert waited, "clients met the outage"
        day.check()
