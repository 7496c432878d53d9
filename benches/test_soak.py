"""The soak in a few seconds, and what it makes of its samples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from soak import NODE_FAULTS, SERVER_FAULTS, plan
from soak_figures import availability, slope

HERE = Path(__file__).parent


def test_a_slope_is_found_with_an_error_and_noise_is_none() -> None:
    rising = [(float(at), 100 + at / 36 + (at * 7919 % 13) / 10) for at in range(0, 3600, 2)]
    noisy = [(float(at), 100 + (at * 7919 % 13) / 10) for at in range(0, 3600, 2)]
    found, none = slope(rising, 3600), slope(noisy, 3600)
    assert found is not None and none is not None
    assert abs(found.per_hour - 100) < 3 * found.error + 1
    assert found.grows() and not none.grows()
    assert slope(noisy[:3], 3600) is None


def test_a_window_counts_where_something_due_began_and_a_submission_was_accepted() -> None:
    begun = [(1.0, 0.1), (6.0, 5.5), (11.0, 7.0), (12.0, 0.1), (16.0, 0.1)]
    accepted = [(1.0, 0.1), (7.0, 0.1), (12.0, 0.2), (16.0, 9.0)]
    found, bad = availability(20.0, begun, accepted)
    assert (found.windows, found.good, found.strict, found.windows_up, found.good_up) == (4, 2, 1, 4, 2)
    assert bad == [(5.0, 10.0), (15.0, 20.0)]
    assert found.share_of_a_month == 1 - 2 / 518_400


def test_what_waits_for_a_server_that_is_down_is_counted_apart() -> None:
    begun = [(1.0, 0.1), (6.0, 8.5), (11.0, 7.0), (16.0, 0.1), (21.0, 6.0)]
    found, _ = availability(25.0, begun, [(at, 0.0) for at, _ in begun], [(10.5, 14.0)])
    assert (found.windows, found.good) == (5, 2)
    assert (found.windows_up, found.good_up) == (3, 2), "the last is late without an outage"


def test_a_plan_is_of_its_seed_and_leaves_a_server_that_is_not_its_own_alone() -> None:
    assert plan(7, 600, 10, True) == plan(7, 600, 10, True) != plan(8, 600, 10, True)
    assert {fault.what for fault in plan(7, 6000, 10, True)} == {*NODE_FAULTS, *SERVER_FAULTS}
    assert {fault.what for fault in plan(7, 6000, 10, False)} == set(NODE_FAULTS)
    assert all(0 < fault.at < 540 for fault in plan(7, 600, 10, False))


def test_a_short_soak_loses_nothing_and_writes_its_report(tmp_path: Path) -> None:
    out = tmp_path / "soak.html"
    command = [
        *(sys.executable, str(HERE / "soak.py"), "--minutes", "0.15", "--fault-every", "2", "--rate", "4"),
        *("--sample-every", "0.5", "--purge-every", "3", "--out", str(out)),
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(HERE)}, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "<svg" in out.read_text()
