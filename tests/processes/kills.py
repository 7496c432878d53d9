"""Deterministic deaths: `HYDRA_TEST_KILL=worker:after effect` kills that process at that point, once.

`worker:after effect#3` is the third time that a process comes there. With HYDRA_TEST_KILL_TRACE, the name of a file,
nobody dies by it: each point is written down as often as it is reached.
The worker's points in hydra are reached by wrapping its socket, the supervisor's by wrapping the store.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.dispatch.events import Action, ClaimDone, SendCommit
from hydra.execution import Claimed, CommitAnswer, Ending, ExecutionCommit, NodeRef
from hydra.frames import Durable, Ended, FromWorker, Recorded, Run, ToWorker
from hydra.node import node, supervisor
from hydra.node.requests import Report
from hydra.node.store_thread import StoreThread
from hydra.schedules import ScheduleChange
from hydra.stores import open_store
from hydra.worker import worker

POINT = "HYDRA_TEST_KILL"
TRACE = "HYDRA_TEST_KILL_TRACE"
MARK = "HYDRA_TEST_KILL_MARK"  # a file that exists once the death has happened
SUPERVISOR = "HYDRA_TEST_SUPERVISOR"  # its pid
IN_ONE_TURN = "worker:continue answered"  # see `DeadBeforeTheTurn`
WAIT_SECONDS = 20.0


_reached: Counter[str] = Counter()


def reach(point: str) -> None:
    """Called in a worker."""
    kill(victims_at(point))


def victims_at(point: str) -> list[int]:
    """Who is to die here; the mark is set."""
    pids = {"worker": os.getpid, "supervisor": supervisor_pid}
    return [pid() for who, pid in pids.items() if is_there(f"{who}:{point}")]


def kill(victims: list[int]) -> None:
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
        signal.pause()


def is_there(point: str) -> bool:
    """Whether this is the point, and the time, at which somebody is to die."""
    if trace := os.environ.get(TRACE):
        with open(trace, "a") as file:
            file.write(f"{point}\n")
    wanted, _, number = os.environ.get(POINT, "").partition("#")
    if point != wanted:
        return False
    _reached[point] += 1
    return _reached[point] == int(number or 1) and is_first()


def supervisor_pid() -> int:
    """Not a worker's parent: for a moment that is the process between the zygote's two forks."""
    return int(os.environ.get(SUPERVISOR) or os.getppid())


def is_first() -> bool:
    try:
        os.close(os.open(os.environ[MARK], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def install_in_worker() -> None:
    if TRACE in os.environ or POINT in os.environ:  # a worker can take its supervisor with it
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
        if "continue" in names and os.environ.get(POINT) == IN_ONE_TURN and is_first():
            mark = Path(os.environ[MARK])
            mark.write_text(str(os.getpid()))
            super().send(frames)
            wait_until(Path(f"{mark}-claimed").exists)
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()
        for name in names:
            reach(f"before {name} sent")
        # The mark is set before: what is sent may be committed and seen before this process goes on.
        victims = [pid for name in names for pid in victims_at(f"{name} sent")]
        super().send(frames)
        kill(victims)


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
        case Ended(end=end) if end.kind == Ending.WAITING and TRACE not in os.environ:
            return "wait"
    return None


def install_in_supervisor() -> None:
    if TRACE in os.environ or os.environ.get(POINT, "").startswith("supervisor:"):
        supervisor.open_store = lambda url, namespace: make_killing(open_store(url, namespace))  # type: ignore[attr-defined]
    if os.environ.get(POINT) == IN_ONE_TURN:
        node.StoreThread = DeadBeforeTheTurn  # type: ignore[misc]


class DeadBeforeTheTurn(StoreThread):
    """Has one turn of a supervisor that is late see that the next generation is its own, and then that its worker died.

    The worker lives until the claim is answered; the loop stands still from its asking until the worker is dead.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        *others, self._report = arguments
        super().__init__(*others, self._tell, **options)
        self._is_over = False

    def _tell(self, report: Report) -> None:
        self._report(report)
        mark = Path(os.environ[MARK])
        if isinstance(report, ClaimDone) and report.executions and mark.exists():
            Path(f"{mark}-claimed").touch()

    def ask(self, actions: list[Action]) -> None:
        super().ask(actions)
        commits = [commit for action in actions if isinstance(action, SendCommit) for commit in action.commits]
        if not self._is_over and any(commit.end and commit.end.kind == Ending.CONTINUED for commit in commits):
            self._is_over = True
            stat = Path("/proc") / Path(os.environ[MARK]).read_text() / "stat"
            wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)


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

        def claim(self, node: NodeRef, workflows: Sequence[str], slots: int, now: int, **options: Any) -> list[Claimed]:
            die_as_supervisor("before claim")
            claimed: list[Claimed] = super().claim(node, workflows, slots, now, **options)
            if claimed and self._after is None:  # what a commit of the same transaction makes due is claimed in it
                self._after = "after claim"
            return claimed

        def commit(
            self, node: NodeRef, commits: Sequence[ExecutionCommit], now: int, **options: Any
        ) -> list[CommitAnswer]:
            for commit in commits:
                kind = commit.end.kind if commit.end else ""
                name = {
                    "": "record",
                    Ending.SLEEPING: "suspend",
                    Ending.COMPLETED: "finish",
                    Ending.CONTINUED: "continue",
                    Ending.WAITING: "" if TRACE in os.environ else "wait",
                }.get(kind)
                if name:
                    die_as_supervisor(f"before {name} commit")
                    if is_there(f"supervisor:inside {name} commit"):
                        super().commit(node, commits, now)
                        stop_here()
                    self._after = f"after {name} commit"
            written: list[CommitAnswer] = super().commit(node, commits, now, **options)
            return written

        def fire_schedules(self, node: NodeRef, changes: Sequence[ScheduleChange], now: int) -> list[bool]:
            die_as_supervisor("before tick")
            with self.transaction():
                written: list[bool] = super().fire_schedules(node, changes, now)
                die_as_supervisor("inside tick")
                if is_there("supervisor:stopped inside tick"):
                    stop_here()
            die_as_supervisor("after tick")
            return written

    store.__class__ = KillingStore
    return store


def die_as_supervisor(point: str) -> None:
    if is_there(f"supervisor:{point}"):
        os.kill(os.getpid(), signal.SIGKILL)


def stop_here() -> None:
    """To this thread: one that gets it by way of another would still come to its COMMIT."""
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
