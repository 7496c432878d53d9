"""A supervisor behind a bad network: its executions all end, and what is recorded never runs again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.conftest import Place
from tests.processes import apps
from tests.processes.scene import Scene, until
from tests.support.bad_network import CUT, HALF_CLOSE, STALL, Weather

EXECUTIONS = 6
LEASE_SECONDS = 8.0


KINDS = [
    *((database, kind) for database in ("postgres", "mysql") for kind in ("stall mid-reply", "slow and thin")),
    ("postgres", "half close"),
    ("mysql", "cut"),
]


@pytest.mark.parametrize(("place", "kind"), KINDS, indirect=["place"])
def test_g3_g6_a_node_behind_a_bad_network_ends_what_it_has_and_does_nothing_twice(
    tmp_path: Path, place: Place, kind: str
) -> None:
    scene = Scene(tmp_path, place.url)
    network = place.network
    try:
        scene.start("apps", url=place.far_url, lease_ttl_seconds=LEASE_SECONDS)
        logs = [f"{scene.log}-{number}" for number in range(EXECUTIONS)]
        handles = [scene.engine.submit(apps.climb.bind(log, str(scene.gate))) for log in logs]
        until(lambda: all(Path(log).exists() for log in logs))
        if kind == "slow and thin":
            network.weather = Weather(delay=0.01, jitter=0.05, bytes_per_second=100_000)
        elif kind == "cut":
            network.after_request_bytes(200, CUT)
        elif kind == "half close":
            network.after_reply_bytes(20, HALF_CLOSE)
        else:
            network.after_reply_bytes(20, STALL)
        scene.gate.touch()
        Path(f"{scene.gate}-above").touch()
        if kind != "slow and thin":
            assert network.sprung.wait(30)
            for _ in range(5):  # and whatever connections it opens meanwhile
                time.sleep(0.05)
                network.cut()
            network.disarm()
            network.thaw()
        assert [handle.result(timeout=60) for handle in handles] == ["above"] * EXECUTIONS
        network.weather = Weather()
        for log in logs:
            words = [line.split("\t")[0] for line in Path(log).read_text().splitlines()]
            assert words.count("behind the gate") == 1
            assert words.count("hold") == 2
        assert scene.engine.audit() == []
    finally:
        scene.close()
