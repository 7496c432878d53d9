"""A supervisor's children: two things that become known in one turn of its loop, handled in either order."""

from __future__ import annotations

import ctypes
import os
import select
import selectors
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hydra import _core, frames
from hydra.clock import DatabaseClock, LeasePage
from hydra.dispatch.events import Event, WorkerGone, WorkerStarted
from hydra.dispatch.worker_ends import NOT_NEEDED
from hydra.node.children import Children
from hydra.node.processes import AppSettings, Worker
from hydra.worker import zygote
from hydra.worker.imported_app import Manifest
from hydra.worker.zygote import Forked, ForkRequest

from tests.processes.scene import ROOT, WAIT_SECONDS, is_alive

PR_SET_CHILD_SUBREAPER = 36


class Loop:
    """What `Children` need of a node; a test turns it, one callback after the other."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.id = "test-children-order"
        self.page = LeasePage.create()
        self.lock = None
        self.clock = DatabaseClock()
        self.events: list[Event] = []

    def feed(self, event: Event) -> None:
        self.events.append(event)

    def remove_worker(self, gone: WorkerGone, tokens: list[int]) -> None:
        self.events.append(gone)

    def call_at(self, at_ns: int, callback: Callable[[], None]) -> None:
        raise AssertionError("nothing here waits for a time")

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def turn_until(self, is_reached: Callable[[], bool], without: tuple[Any, ...] = ()) -> None:
        """Handle what happens, but of these nothing."""
        while not is_reached():
            for key, _ in self.selector.select(WAIT_SECONDS):
                if key.fileobj not in without:
                    key.data()


@pytest.fixture
def as_supervisor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is the parent of the workers; it leaves the other children it has alone."""
    monkeypatch.setattr(Children, "sweep", lambda self: None)
    _core.set_child_subreaper()
    yield
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.selector.close()
    loop.page.close()


@pytest.fixture
def children(loop: Loop, as_supervisor: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    settings = AppSettings("tests.processes.apps", "default", 4, "console", "sqlite:///unused.db", 1, False)
    node: Any = loop
    children = Children(node, settings, lambda manifest: None)
    interrupts, other = socket.socketpair()
    with interrupts, other:
        assert isinstance(children.import_app(interrupts, lambda: False), Manifest)
    yield children
    children.stop()


def start(children: Children, slot: int) -> Worker:
    children.spawn(slot)
    return children._workers[slot]


@pytest.mark.parametrize("is_end_first", [True, False])
def test_r22_a_worker_whose_end_and_last_words_are_noticed_together(
    loop: Loop, children: Children, is_end_first: bool
) -> None:
    """Whichever is handled first tells of the end, once; the other has nothing left to do."""
    worker = start(children, 0)
    loop.turn_until(lambda: bool(worker.pid and loop.told(WorkerStarted)))
    both = {worker.pidfd, worker.socket.fileno()}
    os.kill(worker.pid, signal.SIGKILL)
    poll = select.epoll()
    for descriptor in both:
        poll.register(descriptor, select.EPOLLIN)
    while {descriptor for descriptor, _ in poll.poll(WAIT_SECONDS)} != both:
        pass
    poll.close()
    keys = [key for key, _ in loop.selector.select(0) if key.fd in both]
    assert len(keys) == 2
    for key in sorted(keys, key=lambda key: (key.fd == worker.pidfd) != is_end_first):
        key.data()
    loop.turn_until(lambda: bool(loop.told(WorkerGone)))
    assert [gone.reason.sentence for gone in loop.told(WorkerGone)] == ["signal SIGKILL"]
    assert not children._workers


def test_r22_a_worker_that_says_hello_before_its_zygote_says_that_it_could_not_be_forked(
    loop: Loop, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lives, so nobody is told that it is gone before it is dead."""
    forker = children._zygotes.current
    worker = start(children, 0)
    loop.turn_until(lambda: bool(worker.hello_pid), without=(forker.socket,))
    (key,) = [key for key in loop.selector.get_map().values() if key.fileobj is forker.socket]
    with monkeypatch.context() as patch:
        read = forker.read
        patch.setattr(forker, "read", lambda: read() and [Forked(worker.number, 0)])
        key.data()
    assert is_alive(worker.hello_pid) and not loop.told(WorkerGone)
    children.kill(0, NOT_NEEDED)
    loop.turn_until(lambda: bool(loop.told(WorkerGone)))
    assert not is_alive(worker.hello_pid)


@pytest.mark.parametrize("is_zygote_first", [True, False])
def test_r22_a_fork_that_failed_and_the_end_of_its_socket_are_noticed_together(
    loop: Loop, children: Children, monkeypatch: pytest.MonkeyPatch, is_zygote_first: bool
) -> None:
    forker = children._zygotes.current
    monkeypatch.setattr(forker, "ask", lambda fork, descriptors: None)  # its descriptors are closed with the request
    worker = start(children, 0)
    monkeypatch.setattr(forker, "read", lambda: [Forked(worker.number, 0)])
    (of_socket,) = [key for key, _ in loop.selector.select(WAIT_SECONDS) if key.fileobj is worker.socket]
    (of_zygote,) = [key for key in loop.selector.get_map().values() if key.fileobj is forker.socket]
    for key in (of_zygote, of_socket) if is_zygote_first else (of_socket, of_zygote):
        key.data()
    assert [gone.reason.sentence for gone in loop.told(WorkerGone)] == ["it could not be forked"]


def test_a_zygote_that_can_fork_no_more_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the supervisor would wait for the worker for ever."""

    def fork_worker(*arguments: Any) -> int:
        raise BlockingIOError("no process to spare")

    monkeypatch.setattr(zygote, "fork_worker", fork_worker)
    supervisor, theirs = socket.socketpair()
    with supervisor, theirs:
        request = msgspec.msgpack.encode(ForkRequest(7, 1, "default", "console", "sqlite:///unused.db", 1, False))
        supervisor.sendall(frames.pack(request))
        supervisor.shutdown(socket.SHUT_WR)
        zygote.serve(theirs)
        (answer,) = frames.Unpacker().feed(supervisor.recv(4096))
    assert zygote.decode_from_zygote(answer) == Forked(7, 0)
