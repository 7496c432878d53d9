"""Deterministic deaths: `HYDRA_TEST_KILL=worker:after effect` kills that process at that point, once.

The worker's points in hydra are reached by wrapping its socket, the supervisor's by wrapping the store.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra.execution import Claimed, Ending, ExecutionCommit, NodeRef
from hydra.frames import Durable, Ended, FromWorker, Recorded, Run, ToWorker
from hydra.node import supervisor
from hydra.schedules import ScheduleChange
from hydra.stores import open_store
from hydra.worker import worker

POINT = "HYDRA_TEST_KILL"
MARK = "HYDRA_TEST_KILL_MARK"  # a file that exists once the death has happened


def reach(point: str, victim: int | None = None) -> None:
    """Called in a worker."""
    who, _, where = os.environ.get(POINT, "").partition(":")
    if where == point and is_first():
        os.kill({"worker": os.getpid(), "supervisor": os.getppid()}[who], signal.SIGKILL)
        signal.pause()


def is_first() -> bool:
    try:
        os.close(os.open(os.environ[MARK], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def install_in_worker() -> None:
    if os.environ.get(POINT, "").startswith("worker:"):
        worker.SupervisorSocket = KillingSocket  # type: ignore[misc]


class KillingSocket(worker.SupervisorSocket):
    def receive(self) -> list[ToWorker] | None:
        frames = super().receive()
        for frame in frames or ():
            if isinstance(frame, Run):
                reach("run received")
            elif isinstance(frame, Durable):
                reach("record durable")
        return frames

    def send(self, frames: list[FromWorker]) -> None:
        names = {name for frame in frames if (name := name_of(frame))}
        for name in names:
            reach(f"before {name} sent")
        super().send(frames)
        for name in names:
            reach(f"{name} sent")


def name_of(frame: FromWorker) -> str | None:
    match frame:
        case Recorded():
            return "record"
        case Ended(end=end) if end.kind == Ending.SLEEPING:
            return "suspend"
        case Ended(end=end) if end.kind == Ending.COMPLETED:
            return "finish"
        case Ended(end=end) if end.kind == Ending.CONTINUED:
            return "continue"
    return None


def install_in_supervisor() -> None:
    if os.environ.get(POINT, "").startswith("supervisor:"):
        supervisor.open_store = lambda url, namespace: make_killing(open_store(url, namespace))  # type: ignore[attr-defined]


def make_killing(store: Any) -> Any:
    """The store, which dies before the write of a kind, or right after the transaction with it."""

    class KillingStore(type(store)):  # type: ignore[misc]
        _after: str | None = None

        @contextmanager
        def transaction(self) -> Iterator[None]:
            with super().transaction():
                yield
            if self._after:
                die_as_supervisor(self._after)

        def claim(self, node: NodeRef, workflows: Sequence[str], slots: int, now: int) -> list[Claimed]:
            die_as_supervisor("before claim")
            claimed: list[Claimed] = super().claim(node, workflows, slots, now)
            if claimed and self._after is None:  # what a commit of the same transaction makes due is claimed in it
                self._after = "after claim"
            return claimed

        def commit(self, node: NodeRef, commits: Sequence[ExecutionCommit], now: int) -> list[bool]:
            for commit in commits:
                kind = commit.end.kind if commit.end else ""
                name = {
                    "": "record",
                    Ending.SLEEPING: "suspend",
                    Ending.COMPLETED: "finish",
                    Ending.CONTINUED: "continue",
                }.get(kind)
                if name:
                    die_as_supervisor(f"before {name} commit")
                    if os.environ.get(POINT) == f"supervisor:inside {name} commit" and is_first():
                        super().commit(node, commits, now)
                        stop_here()
                    self._after = f"after {name} commit"
            written: list[bool] = super().commit(node, commits, now)
            return written

        def fire_schedules(self, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
            die_as_supervisor("before tick")
            with self.transaction():
                written: list[bool] = super().fire_schedules(node, changes, now)
                die_as_supervisor("inside tick")
                if os.environ.get(POINT) == "supervisor:stopped inside tick" and is_first():
                    stop_here()
            die_as_supervisor("after tick")
            return written

    store.__class__ = KillingStore
    return store


def die_as_supervisor(point: str) -> None:
    if os.environ.get(POINT) == f"supervisor:{point}" and is_first():
        os.kill(os.getpid(), signal.SIGKILL)


def stop_here() -> None:
    """To this thread: one that gets it by way of another would still come to its COMMIT."""
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
