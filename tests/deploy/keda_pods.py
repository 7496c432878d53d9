"""`hydra start` in place of pods, and a real Prometheus that scrapes them as pods come and go."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.clusters.patroni import until

ROOT = Path(__file__).resolve().parents[2]
CONCURRENCY = 8  # of a pod, with one worker
GRACE_SECONDS = 60
TARGETS = "targets"
SCRAPES = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: hydra
    honor_labels: true
    file_sd_configs: [{files: ["%s/*.json"], refresh_interval: 1s}]
"""


class Prometheus:
    """Its pods have the label `namespace: shop` of Kubernetes, which hydra's own goes before."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("prometheus")
        assert program is not None, "prometheus is missing; install Debian's package prometheus"
        (folder / TARGETS).mkdir()
        config = folder / "prometheus.yml"
        config.write_text(SCRAPES % (folder / TARGETS))
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        with (folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'metrics'}",
                 f"--web.listen-address={address}"],
                stdout=log, stderr=log,
            )  # fmt: skip
        until(lambda: answers(f"{self.url}/-/ready"))

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class Pods:
    """Of one deployment; those scaled away get SIGTERM, the youngest first."""

    def __init__(self, name: str, folder: Path, url: str, options: tuple[str, ...]) -> None:
        self._name = name
        self._folder = folder
        command = [sys.executable, "-m", "hydra.cli", "start", "tests.deploy.keda_app", "--db", url, "--workers", "1"]
        self._command = [*command, "--concurrency", str(CONCURRENCY), *options]
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []
        self._leaving: list[subprocess.Popen[bytes]] = []

    @property
    def count(self) -> int:
        return len(self._running)

    @property
    def exits(self) -> list[int | None]:
        """Of those scaled away."""
        return [each.wait(GRACE_SECONDS) for each in self._leaving]

    def scale(self, count: int) -> None:
        while len(self._running) < count:
            address = f"127.0.0.1:{free_port()}"
            with (self._folder / f"{self._name}-{address}.log").open("wb") as log:
                process = subprocess.Popen([*self._command, "--http", address], cwd=ROOT, stdout=log, stderr=log)
            self._running.append((address, process))
        while len(self._running) > count:
            _, process = self._running.pop()
            process.terminate()
            self._leaving.append(process)
        targets = [{"targets": [address for address, _ in self._running], "labels": {"namespace": "shop"}}]
        new = self._folder / TARGETS / f"{self._name}.new"
        new.write_text(json.dumps(targets))
        new.rename(new.with_suffix(".json"))

    def are_ready(self) -> bool:
        return all(answers(f"http://{address}/readyz") for address, _ in self._running)

    def stop(self) -> None:
        self.scale(0)
        for process in self._leaving:
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
