"""hydra scaled by KEDA's own scaler: `python -m tests.deploy.keda`, about four minutes when it is built.

    hydra start ─/metrics─► Prometheus ─► KEDA's prometheus scaler ─► the autoscaler's arithmetic ─► Pods

Prometheus, hydra's nodes and PostgreSQL are real. The scaler (from the triggers of hydra's manifests as they are), and
how many pods a metric wants, are KEDA's and Kubernetes's code. Nothing runs in containers, and there is no API server:
minimum, maximum, the autoscaler's window before fewer pods and KEDA's step from and to 0 are `Autoscaler` below.
It fails when a figure is wrong.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import hydra

from tests.clusters.patroni import until
from tests.deploy import keda_app, keda_build
from tests.deploy.keda_pods import CONCURRENCY, Pods, Prometheus
from tests.deploy.manifests import guide_scaled_object, scaled_object
from tests.servers.postgres import PostgresServer, create_database

LOOK_SECONDS = 1.0
WINDOW_SECONDS = 10.0  # in place of the manifests' 300, before fewer pods and before 0
MAXIMUM = 5
EXECUTIONS, LONG_EACH = 200, 16  # one of so many is long: some in each pod
SHORT_STEPS, LONG_STEPS = 4, 40


class Autoscaler:
    """Asks KEDA's scaler, and sets how many pods there are."""

    def __init__(self, program: Path, manifest: dict[str, Any], prometheus: str, pods: Pods, minimum: int) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.triggers = manifest["spec"]["triggers"]
        for trigger in self.triggers:
            trigger["metadata"]["serverAddress"] = prometheus
        self.triggers[0]["metadata"]["threshold"] = str(CONCURRENCY)
        self._pods = pods
        self._minimum = minimum
        self._wanted: list[tuple[float, int]] = []
        self._active_at = time.monotonic()
        self.said: dict[str, Any] = {}
        self.history: list[tuple[float, int]] = []

    def ask(self, pods: int) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"triggers": self.triggers, "pods": pods}) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def look(self) -> int:
        """KEDA from and to 0, the autoscaler between: the most that was wanted within the window."""
        now, pods = time.monotonic(), self._pods.count
        self.said = self.ask(pods)
        told = self.said["triggers"]
        if any(each["active"] for each in told):
            self._active_at = now
        is_idle = now > self._active_at + WINDOW_SECONDS and not any(each["error"] for each in told)
        if pods == 0:
            wanted = 1 if self._active_at == now else 0
        elif self._minimum == 0 and is_idle:
            wanted = 0
        else:
            self._wanted.append((now, self.said["pods"]))
            self._wanted = [(at, count) for at, count in self._wanted if at > now - WINDOW_SECONDS]
            steady = max(count for _, count in self._wanted)
            wanted = self.said["pods"] if self.said["pods"] > pods else min(pods, steady)
            wanted = min(MAXIMUM, max(self._minimum, 1, wanted))
        if wanted != pods:
            self.history.append((now, wanted))
            print(f"  {pods} -> {wanted} pods: {told}", flush=True)
        self._pods.scale(wanted)
        time.sleep(LOOK_SECONDS)
        return wanted

    def until(self, question: Any, seconds: float = 240) -> float:
        """Look until it is so; after how many seconds."""
        began = time.monotonic()
        while not question():
            self.look()
            assert time.monotonic() < began + seconds, f"not within {seconds:g} s: {self.said}, {self._pods.count} pods"
        return time.monotonic() - began

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def main() -> None:
    program = keda_build.build()
    server = PostgresServer().start()
    try:
        with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
            folder, url = Path(name), create_database(server)
            engine = stack.enter_context(hydra.Engine(url))
            prometheus = Prometheus(folder)
            stack.callback(prometheus.stop)
            pods = Pods("hydra", folder, url, ("--only", "work"))
            stack.callback(pods.stop)
            scale_a_deployment(program, engine, folder, prometheus, pods)
            scale_from_nothing(program, engine, folder, prometheus, url)
            unknown_is_not_idle(program, server, prometheus, pods)
    finally:
        server.destroy()


def scale_a_deployment(program: Path, engine: hydra.Engine, folder: Path, prometheus: Prometheus, pods: Pods) -> None:
    """`deploy/kubernetes/keda.yaml`: 1 pod, a backlog, more pods while places are taken, 1 pod; nothing twice."""
    scaler = Autoscaler(program, scaled_object(), prometheus.url, pods, minimum=1)
    try:
        pods.scale(1)
        scaler.until(lambda: scaler.said and not scaler.said["triggers"][0]["error"])
        for _ in range(5):
            assert scaler.look() == 1
        assert scaler.ask(4)["pods"] == 0, "idle pods are wanted"
        ledger = folder / "work"
        steps = {f"w{n}": SHORT_STEPS if n % LONG_EACH else LONG_STEPS for n in range(EXECUTIONS)}
        handles = engine.submit_many([keda_app.work.bind(str(ledger), name, count) for name, count in steps.items()])
        up = scaler.until(lambda: pods.count == MAXIMUM)
        scaler.until(lambda: scaler.said["triggers"][0]["value"] == 0)
        full = scaler.said
        assert [each["type"] for each in full["triggers"]] == ["AverageValue", "Value"], full
        at_zero_backlog = pods.count
        ended_then = len(ended(handles))
        fewer = scaler.until(lambda: pods.count < MAXIMUM)
        open_then = EXECUTIONS - len(ended(handles))
        down = fewer + scaler.until(lambda: pods.count == 1)
        scaler.until(lambda: len(ended(handles)) == EXECUTIONS)
        check(engine, ledger, steps, handles)
        assert all(code == 0 for code in pods.exits), pods.exits
        print(
            f"deployment: {EXECUTIONS} executions, 1 -> {MAXIMUM} pods after {up:.0f} s; {at_zero_backlog} pods when "
            f"the backlog was gone ({ended_then} ended, utilization {full['triggers'][1]['value']:.0f} %); fewer after "
            f"{fewer:.0f} s more, while {open_then} ran, and 1 pod after {down:.0f} s; each step once"
        )
        assert at_zero_backlog == MAXIMUM and open_then > 0
    finally:
        scaler.close()


def scale_from_nothing(program: Path, engine: hydra.Engine, folder: Path, prometheus: Prometheus, url: str) -> None:
    """The guide's: 0 pods while another node shows the figures, some for a backlog, 0 again."""
    pods = Pods("hydra-gpu", folder, url, ("--only", "train", "--labels", "gpu"))
    scaler = Autoscaler(program, guide_scaled_object(), prometheus.url, pods, minimum=0)
    try:
        pods.scale(1)  # so that the database knows of the label
        scaler.until(lambda: pods.are_ready() and pods.count == 1)
        idle = scaler.until(lambda: pods.count == 0)
        for _ in range(5):
            assert scaler.look() == 0
            assert not any(each["error"] for each in scaler.said["triggers"]), scaler.said
        ledger, steps = folder / "train", {f"t{n}": SHORT_STEPS for n in range(20)}
        handles = engine.submit_many([keda_app.train.bind(str(ledger), name, count) for name, count in steps.items()])
        up = scaler.until(lambda: pods.count > 0)
        scaler.until(lambda: len(ended(handles)) == len(steps))
        most = max(count for _, count in scaler.history)
        down = scaler.until(lambda: pods.count == 0)
        check(engine, ledger, steps, handles)
        assert most > 1
        print(
            f"label: 0 pods {idle:.0f} s after one was ready, from 0 in {up:.0f} s, {most} at most for {len(steps)} "
            f"executions, 0 pods {down:.0f} s after the last; each step once"
        )
    finally:
        scaler.close()
        pods.stop()


def unknown_is_not_idle(program: Path, server: PostgresServer, prometheus: Prometheus, pods: Pods) -> None:
    """While the database is down nobody shows a backlog, and pods stay."""
    scaler = Autoscaler(program, scaled_object(), prometheus.url, pods, minimum=1)
    try:
        server.kill()
        until(lambda: scaler.ask(4)["triggers"][0]["error"], 120)
        assert scaler.ask(4)["pods"] == 4
        server.start()
        until(lambda: not scaler.ask(4)["triggers"][0]["error"], 120)
        print("database down: 4 pods stay 4")
    finally:
        scaler.close()


def ended(handles: list[Any]) -> list[Any]:
    return [each for each in handles if each.status() == "completed"]


def check(engine: hydra.Engine, ledger: Path, steps: dict[str, int], handles: list[Any]) -> None:
    """The ledger has each step of each execution once, and the audit finds nothing."""
    counts = Counter(ledger.read_text().split())
    assert counts == {f"{name}/{number}": 1 for name, count in steps.items() for number in range(count)}, counts
    assert [each.result() for each in handles] == [sum(range(count)) for count in steps.values()]
    assert not engine.audit()


if __name__ == "__main__":
    main()
