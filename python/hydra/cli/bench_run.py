"""One self-measurement of a database, in a namespace of its own that is emptied afterwards. Prints nothing.

node: pickup ─► no node: submissions (one caller, threads, bulk) ─► node: drain ─► cancel what is left, purge
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

import msgspec

from hydra.blocks import contextmanager
from hydra.client.engine import Engine
from hydra.client.handle import Handle
from hydra.client.submitting import SUBMIT_CHUNK_SIZE
from hydra.definitions import BoundWorkflow
from hydra.errors import HydraError
from hydra.stores.store import Store

PAYLOAD = "x" * 200
CALLERS = 8
MAX_BULK_COUNT = 50_000
START_SECONDS = 60.0  # for a node to run its first execution
STOP_SECONDS = 40.0  # longer than a node's drain
EMPTY_SECONDS = 60.0  # for the namespace to be empty
PAUSE_SECONDS = (0.005, 0.03)  # between two executions of the idle system
LOOK_SECONDS = 0.05
CANCEL_CHUNK_SIZE = 1_000
ENDED = ("completed", "failed", "cancelled")
OPEN = ("pending", "running", "sleeping", "waiting", "parked")


class Figure(msgspec.Struct, frozen=True):
    what: str
    figure: float
    unit: str


class BenchRun:
    """`figures` measures, `clean` takes away what that left; both say through `tell` what they are about."""

    PHASES = 6

    def __init__(self, url: str, seconds: float, tell: Callable[[str], object]) -> None:
        self.namespace = f"hydra-bench-{uuid.uuid4().hex[:12]}"
        self.engine = Engine(url, namespace=self.namespace)
        self._url = url
        self._seconds = seconds
        self._tell = tell
        self._ids: list[str] = []

    def figures(self) -> Iterator[Figure]:
        from hydra.cli import bench_app  # its workflows belong to nobody else's program

        one_step: BoundWorkflow[int] = bench_app.bench_one_step.bind(PAYLOAD)
        with self._node():
            self._tell("pickup")
            self._keep(self.engine.submit(bench_app.bench_started_at.bind())).result(timeout=START_SECONDS)
            yield from self._pickup(bench_app.bench_started_at.bind())
        for callers in (1, CALLERS):
            what = "one caller" if callers == 1 else f"{callers} threads"
            self._tell(f"submit, {what}")
            yield Figure(f"submit, {what}", self._submit(one_step, callers), "per second")
        self._tell("submit_many")
        yield Figure("submit_many", self._submit_many(one_step), "per second")
        self._tell("drain")
        with self._node():
            yield Figure("drain one-step executions", self._drain(), "per second")

    def clean(self) -> list[str]:
        """End and purge everything; what stays nevertheless, in words."""
        self._tell("cleaning up")
        engine = self.engine
        for start in range(0, len(self._ids), CANCEL_CHUNK_SIZE):
            engine.write(partial(_cancel, self._ids[start : start + CANCEL_CHUNK_SIZE]))
        deadline = time.monotonic() + EMPTY_SECONDS
        while True:
            for status in OPEN:  # an interrupt may have come before a submission's id was kept
                left = engine.executions(status=status, limit=CANCEL_CHUNK_SIZE)
                engine.write(partial(_cancel, [each.id for each in left]))
            engine.purge(0)
            count = sum(sum(counts.values()) for counts in engine.stats().counts.values())
            if not count:
                break
            if time.monotonic() > deadline:
                return [f"{count} executions in namespace `{self.namespace}`"]
            time.sleep(LOOK_SECONDS)
        entries = {"nodes": len(engine.nodes()), "workflows": len(engine.workflows())}
        told = " and ".join(f"{count} {what}" for what, count in entries.items() if count)
        return [f"the entries of {told} in namespace `{self.namespace}`, which nobody uses again"] if told else []

    # measurements

    def _pickup(self, bound: BoundWorkflow[float]) -> Iterator[Figure]:
        """From before `submit` to the first instruction of the body: one host, one clock."""
        latencies: list[float] = []
        deadline = time.monotonic() + self._seconds
        while not latencies or time.monotonic() < deadline:
            time.sleep(random.uniform(*PAUSE_SECONDS))
            began = time.time()
            latencies.append(1000 * (self._keep(self.engine.submit(bound)).result(timeout=START_SECONDS) - began))
        latencies.sort()
        for share in (50, 99):
            yield Figure(f"pickup when idle, p{share}", latencies[len(latencies) * share // 100], "ms")

    def _submit(self, bound: BoundWorkflow[int], callers: int) -> float:
        ids: list[list[str]] = [[] for _ in range(callers)]
        failures: list[BaseException] = []
        self.engine.stats()  # opens what is opened once
        began = time.perf_counter()

        def call(own: list[str]) -> None:
            try:
                while time.perf_counter() - began < self._seconds:
                    own.append(self.engine.submit(bound).id)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=call, args=(own,), daemon=True) for own in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        for own in ids:
            self._ids += own
        if failures:
            raise failures[0]
        return sum(len(own) for own in ids) / seconds

    def _submit_many(self, bound: BoundWorkflow[int]) -> float:
        count = 0
        began = time.perf_counter()
        while time.perf_counter() - began < self._seconds and count < MAX_BULK_COUNT:
            handles = self.engine.submit_many([bound] * SUBMIT_CHUNK_SIZE)
            count += len(handles)
            self._ids += [handle.id for handle in handles]
        return count / (time.perf_counter() - began)

    def _drain(self) -> float:
        """Of what the submissions left: until all is done, or for as long as the others were measured."""
        total = len(self._ids)
        before = self._done_count()
        began = time.perf_counter()
        count = first = self._until_more_than(before)
        if count == total:  # all was done at the first look
            return (count - before) / (time.perf_counter() - began)
        began = time.perf_counter()
        count = self._until_more_than(first)  # however slow it is, its rate is not 0
        while count < total and time.perf_counter() - began < self._seconds:
            time.sleep(LOOK_SECONDS)
            count = self._done_count()
        return (count - first) / (time.perf_counter() - began)

    def _until_more_than(self, count: int) -> int:
        deadline = time.monotonic() + START_SECONDS
        while (found := self._done_count()) <= count:
            if time.monotonic() > deadline:
                raise HydraError("nothing was drained within a minute; `hydra doctor` may tell why")
            time.sleep(0.001)
        return found

    def _done_count(self) -> int:
        counts = self.engine.stats().counts.values()
        return sum(by_status.get(status, 0) for by_status in counts for status in ENDED)

    def _keep(self, handle: Handle[float]) -> Handle[float]:
        self._ids.append(handle.id)
        return handle

    @contextmanager
    def _node(self) -> Iterator[None]:
        """`hydra start` with as many workers as cores, as a user would."""
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "hydra.cli", "start", "hydra.cli.bench_app"],
                env={**os.environ, "HYDRA_DB": self._url, "HYDRA_NAMESPACE": self.namespace},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # a terminal's Ctrl-C is for this process, which stops the node
            )
            try:
                yield
            except HydraError as error:
                if process.poll() is None:
                    raise
                raise HydraError(f"the node ended: {_last_line(log)}") from error
            finally:
                _stop(process)


def _cancel(ids: list[str], store: Store, now: int) -> None:
    store.request_cancel(ids, now)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it said nothing").removeprefix("error: ")
