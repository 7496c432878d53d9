"""A real Prometheus scrapes a real node, and the alerts of `deploy/` fire when what they are for happens."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.processes import fates_app as fates
from tests.processes.scene import Scene, until
from tests.processes.test_http import ANY_PORT, address

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "hydra.rules.yml"
SCRAPES = "{global: {scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}, rule_files: [%s], " \
    "scrape_configs: [{job_name: hydra, static_configs: [{targets: [%r]}]}]}"  # fmt: skip


class Prometheus:
    def __init__(self, folder: Path, target: str) -> None:
        program = shutil.which("prometheus")
        assert program is not None, "prometheus is missing; install Debian's package prometheus"
        folder.mkdir()
        at_once = re.sub(r"^        for: .*\n", "", RULES.read_text(), flags=re.MULTILINE)
        (folder / "rules.yml").write_text(at_once)
        (folder / "prometheus.yml").write_text(SCRAPES % (folder / "rules.yml", target))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdout=log, stderr=log,
            )  # fmt: skip
        until(self.is_ready, seconds=60)

    def is_ready(self) -> bool:
        try:
            return "hydra_heartbeats_total" in self.get("query?query=hydra_heartbeats_total")
        except OSError:
            return False

    def get(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=20) as answer:
            return str(answer.read().decode())

    def firing(self) -> set[str]:
        found = json.loads(self.get("alerts"))["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in found if alert["state"] == "firing"}


@pytest.fixture
def prometheus(scene: Scene) -> Iterator[Prometheus]:
    node = scene.start("fates_app", http=ANY_PORT)
    started = Prometheus(scene.folder / "prometheus", address(node))
    yield started
    started.process.kill()
    started.process.wait()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_alerts_fire_for_what_they_are_for(scene: Scene, prometheus: Prometheus) -> None:
    submit = scene.engine.submit
    assert submit(fates.fine.bind()).result(timeout=30) == 3
    assert prometheus.firing() == set()
    turn = scene.folder / "turn"
    diverging = submit(fates.diverge.bind(scene.log, str(turn)))
    scene.first_note("announced")
    turn.touch()
    until(lambda: {"HydraParked", "HydraDiverged"} <= prometheus.firing())
    assert diverging.status() == "parked"
    for _ in range(2):
        submit(fates.fail.bind())
    until(lambda: "HydraFailures" in prometheus.firing())
    for _ in range(2):
        poison = submit(fates.poison.bind(scene.log))
    until(lambda: poison.status() == "parked")
    until(lambda: "HydraWorkersDie" in prometheus.firing())
    scene.engine.pause_workflow("fine")
    until(lambda: "HydraPausedForLong" in prometheus.firing())
    [node] = scene.nodes
    os.kill(node.pid, 9)
    until(lambda: "HydraNoNode" in prometheus.firing(), seconds=60)
