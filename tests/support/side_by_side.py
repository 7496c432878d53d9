"""`pytest --processes 7`: all tests are collected once, and as many forks of that process run them side by side.

    collects ── fork ──► a process ── runs a test ── its reports ──► terminal, caches, exit code
        └──── number of the next test ──►┘

pytest-xdist's processes collect all tests each, a dozen seconds of a processor a time. Each fork begins with as many
tests of those that follow one another, which share what is started for them; who has none left takes half of the most
that another has. A fork that dies fails its test, and a new one takes its place. Nothing but reports and warnings comes
back from a fork, and no hook of a session's end runs in it: enough for the tests of this repository.
"""

from __future__ import annotations

import contextlib
import os
import signal
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest

from tests.support.warm import end_quickly

AHEAD = 2  # tests that a fork knows of: what the next one needs, too, is kept for it
REPORT, WARNING, DONE = "report", "warning", "done"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--processes", type=int, default=0, help="run the tests in so many forks of this process")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    count = session.config.getoption("--processes")
    if not count or session.config.option.collectonly or session.testsfailed:
        return None
    SideBySide(session, min(count, len(session.items))).run()
    return True


class Left:
    """The numbers of the tests that nobody runs yet, by the place of the fork that they are meant for."""

    def __init__(self, slow: Sequence[int], others: Sequence[int], count: int) -> None:
        """Each begins with some of what is slow, so that none is left with it when all others end."""
        cuts = [len(others) * place // count for place in range(count + 1)]
        self._shares = [deque([*slow[place::count], *others[cuts[place] : cuts[place + 1]]]) for place in range(count)]

    def take(self, place: int) -> int | None:
        share = self._shares[place]
        if not share:
            most = max(self._shares, key=len)
            share.extendleft([most.pop() for _ in range((len(most) + 1) // 2)])
        return share.popleft() if share else None

    def put_back(self, place: int, numbers: Sequence[int]) -> None:
        self._shares[place].extendleft(numbers)


class Fork:
    """One of them, as the process that collected sees it."""

    def __init__(self, place: int, pid: int, connection: Connection) -> None:
        self.place, self.pid, self.connection = place, pid, connection
        self.pidfd = os.pidfd_open(pid)
        self.given: deque[int] = deque()

    def give(self, number: int | None) -> None:
        if number is not None:
            self.given.append(number)
        with contextlib.suppress(BrokenPipeError):  # its pidfd says so
            self.connection.send(number)

    def messages(self) -> Iterator[tuple[str, Any]]:
        """Those that are there."""
        with contextlib.suppress(EOFError, ConnectionResetError):
            while self.connection.poll():
                yield self.connection.recv()


class SideBySide:
    def __init__(self, session: pytest.Session, count: int) -> None:
        self._session, self._hook = session, session.config.hook
        slow = {number for number, item in enumerate(session.items) if item.get_closest_marker("slow")}
        self._left = Left(sorted(slow), [each for each in range(len(session.items)) if each not in slow], count)
        self._count = count
        self._forks: dict[int, Fork] = {}  # by their pidfds
        self._fork_count = 0

    def run(self) -> None:
        try:
            for place in range(self._count):
                self._start(place)
            while self._forks:
                ready = wait([each for fork in self._forks.values() for each in (fork.connection, fork.pidfd)])
                for fork in list(self._forks.values()):
                    if fork.connection in ready or fork.pidfd in ready:
                        self._hear(fork, has_ended=fork.pidfd in ready)
        finally:
            for fork in self._forks.values():
                os.kill(fork.pid, signal.SIGKILL)
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)

    def _start(self, place: int) -> None:
        ours, theirs = Pipe()
        self._fork_count += 1
        pid = os.fork()
        if pid == 0:
            for each in (ours, *(fork.connection for fork in self._forks.values())):
                each.close()
            end_quickly(lambda: run_tests(self._session, theirs, self._fork_count))
        theirs.close()
        fork = Fork(place, pid, ours)
        self._forks[fork.pidfd] = fork
        for _ in range(AHEAD):
            fork.give(self._next(place))

    def _next(self, place: int) -> int | None:
        return None if self._session.shouldfail or self._session.shouldstop else self._left.take(place)

    def _hear(self, fork: Fork, *, has_ended: bool) -> None:
        for kind, content in fork.messages():
            if kind == DONE:
                fork.given.popleft()
                fork.give(self._next(fork.place))
            elif kind == WARNING:
                self._hook.pytest_warning_recorded.call_historic(kwargs=content | {"location": None})
            else:
                self._log(self._hook.pytest_report_from_serializable(config=self._session.config, data=content))
        if not has_ended:
            return
        _, status = os.waitpid(fork.pid, 0)
        del self._forks[fork.pidfd]
        os.close(fork.pidfd)
        fork.connection.close()
        if fork.given:
            item = self._session.items[fork.given.popleft()]
            message = f"the process that ran it ended with {os.waitstatus_to_exitcode(status)}"
            self._log(pytest.TestReport(item.nodeid, item.location, {}, "failed", message, "call"))
            self._left.put_back(fork.place, fork.given)
            self._start(fork.place)

    def _log(self, report: pytest.TestReport) -> None:
        self._hook.pytest_runtest_logreport(report=report)


class Reporter:
    """In a fork: what its tests report goes to the process that collected."""

    def __init__(self, config: pytest.Config, connection: Connection) -> None:
        self._config, self._connection = config, connection
        self.is_heard = False  # a new plugin is told of all warnings before the fork, too

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._connection.send((REPORT, data))

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, when: str, nodeid: str) -> None:
        if not self.is_heard:
            return
        said = warning_message
        plain = warnings.WarningMessage(str(said.message), said.category, said.filename, said.lineno)
        self._connection.send((WARNING, {"warning_message": plain, "when": when, "nodeid": nodeid}))


def run_tests(session: pytest.Session, connection: Connection, number: int) -> None:
    """The whole life of a fork."""
    become_own(session.config, number)
    reporter = Reporter(session.config, connection)
    session.config.pluginmanager.register(reporter)
    reporter.is_heard = True
    with contextlib.suppress(EOFError):  # the process that collected is gone
        current = connection.recv()
        while current is not None:
            following = connection.recv()
            next_item = None if following is None else session.items[following]
            session.config.hook.pytest_runtest_protocol(item=session.items[current], nextitem=next_item)
            connection.send((DONE, current))
            current = following


def become_own(config: pytest.Config, number: int) -> None:
    """Its folders and what it captures are its own, and it writes nothing to the terminal."""
    config.get_terminal_writer()._file = open(os.devnull, "w")  # noqa: SIM115 - for as long as it lives
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    capture.suspend_global_capture(in_=True)
    factory = config._tmp_path_factory  # type: ignore[attr-defined]
    factory._basetemp = factory.getbasetemp() / f"fork{number}"
    factory._basetemp.mkdir(mode=0o700)
