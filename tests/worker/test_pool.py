"""The threads that run steps which may block."""

from __future__ import annotations

import threading
from typing import Any, cast

from hydra.body.step_call import StepCall
from hydra.worker.pool import Pool


class Steps:
    """Calls are gates: one ends when its gate is opened."""

    def __init__(self, size: int, idle_seconds: float) -> None:
        self.names: list[str] = []
        self.ended = threading.Semaphore(0)
        self.pool = Pool(size, self.perform, idle_seconds)

    def perform(self, call: Any) -> None:
        self.names.append(threading.current_thread().name)
        call.wait(10)
        self.ended.release()

    def submit(self) -> threading.Event:
        gate = threading.Event()
        self.pool.submit(cast(StepCall, gate))
        return gate

    def end(self, *gates: threading.Event) -> None:
        for gate in gates:
            gate.set()
        for _ in gates:
            assert self.ended.acquire(timeout=10)
            self.pool.finished_one()


def wait_for_count(pool: Pool, count: int) -> None:
    deadline = threading.Event()
    for _ in range(2000):
        if pool.thread_count == count:
            return
        deadline.wait(0.005)
    raise AssertionError(f"{pool.thread_count} threads, not {count}")


def test_threads_that_are_idle_for_long_end() -> None:
    steps = Steps(8, 0.05)
    gates = [steps.submit() for _ in range(8)]
    assert steps.pool.thread_count == 8
    steps.end(*gates)
    wait_for_count(steps.pool, 0)
    steps.end(steps.submit())
    assert steps.pool.thread_count <= 1


def test_more_calls_than_threads_wait_for_one() -> None:
    steps = Steps(2, 10.0)
    gates = [steps.submit() for _ in range(5)]
    steps.end(*gates)
    assert len(steps.names) == 5
    assert len(set(steps.names)) <= 2
    steps.pool.close()
