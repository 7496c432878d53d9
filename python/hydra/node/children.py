"""The supervisor's workers, one per slot, and what forks them. Decides nothing; the dispatcher does.

    spawn ──► asked of the zygote ──Forked──► adopted ──Hello──► up ──socket closed, process ended, kill──► gone

A worker is gone only when its process group was killed, it was waited for, and its socket read to the end (R22).
"""

from __future__ import annotations

import itertools
import os
import selectors
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import msgspec

from hydra.clock import boottime_ns
from hydra.dispatch.events import (
    Received,
    WorkerEnding,
    WorkerGone,
    WorkerOutgrown,
    WorkerStarted,
)
from hydra.dispatch.worker_ends import NOT_FORKED, OUTGROWN, ZYGOTE_ENDED, WorkerEnd, WorkerEndKind
from hydra.frames import FromWorker, Hello, ToWorker
from hydra.identity import page_path, wait_readable
from hydra.node.memory import check_limit, resident_bytes
from hydra.node.node import Node
from hydra.node.processes import AppSettings, Worker, Zygote
from hydra.node.worker_watch import WorkerWatch
from hydra.node.zygotes import Zygotes
from hydra.worker.imported_app import ImportFailed, Manifest
from hydra.worker.zygote import ForkRequest

MEASURE_NS = 1_000_000_000  # between two looks at how much memory workers take
STOP_SECONDS = 5.0  # for one worker to be gone after its SIGKILL


class Children:
    """Carries out the dispatcher's wishes for slots (`node.Workers`)."""

    def __init__(self, node: Node, settings: AppSettings, on_manifest: Callable[[Manifest], None]) -> None:
        self._node = node
        self._settings = settings
        self._workers: dict[int, Worker] = {}
        self._numbers = itertools.count(1)
        self._lifeline_reader, self._lifeline_writer = os.pipe()  # the writer lives in this process alone
        self._zygotes = Zygotes(node, settings, on_manifest, self)
        self._watch = WorkerWatch(node)
        if settings.worker_memory_bytes:
            node.call_at(boottime_ns() + MEASURE_NS, self._measure)

    # what the supervisor wants

    def import_app(
        self, interrupts: socket.socket, is_interrupted: Callable[[], bool]
    ) -> Manifest | ImportFailed | None:
        """Wait for the first zygote, before the node runs; None when a signal comes first."""
        return self._zygotes.import_app(interrupts, is_interrupted)

    def check_memory(self) -> None:
        """Once the app is imported."""
        if self._settings.worker_memory_bytes:
            check_limit(self._settings.worker_memory_bytes, self._zygotes.current.process.pid, self._settings.module)

    def reload(self) -> None:
        """Import the app again; the old workers are drained once that succeeded."""
        self._zygotes.reload()

    def sweep(self) -> None:
        """Wait for orphans that dead workers left to us; not while a fork is under way, whose pid is not known yet."""
        ours = {worker.pid for worker in self._workers.values()} | self._zygotes.pids
        if 0 in ours:
            return
        with suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in ours:
                os.waitpid(ended.si_pid, 0)

    # what the dispatcher wants

    def spawn(self, slot: int) -> None:
        node, settings = self._node, self._settings
        is_own = settings.is_imported_per_worker
        zygote = Zygote(settings, node.id) if is_own else self._zygotes.current
        number = next(self._numbers)
        path = None if node.lock is None else page_path(node.lock.path, number)
        worker = self._workers[slot] = Worker(slot, number, zygote, path)
        node.selector.register(worker.socket, selectors.EVENT_READ, partial(self._ready, worker))
        if is_own:
            self._zygotes.listen(zygote)
            self._adopt(worker, zygote.process.pid)
        elif zygote.manifest is not None and not zygote.is_gone:
            self._ask_for(worker)

    def _ask_for(self, worker: Worker) -> None:
        node, settings = self._node, self._settings
        assert node.page is not None
        descriptors = [worker.theirs.fileno(), worker.page.fd, node.page.fd, self._lifeline_reader]
        if node.lock is not None:
            descriptors.append(node.lock.fd)
        fork = ForkRequest(
            worker.number,
            settings.concurrency,
            settings.namespace,
            settings.log_format,
            settings.url,
            settings.transaction_connections,
            settings.is_imported_per_worker,
            place=worker.slot,
        )
        worker.is_asked = True
        worker.zygote.ask(fork, descriptors)
        worker.theirs.close()

    def kill(self, slot: int, reason: WorkerEnd) -> None:
        worker = self._workers.get(slot)
        if worker is None:
            return
        worker.kill_reason = reason
        if worker.pid:
            worker.kill_group()
        elif not worker.hello_pid:
            self._gone(worker, reason)  # it has no work and no socket to get any; its pid is killed when told

    def send(self, slot: int, batch: list[ToWorker]) -> None:
        worker = self._workers.get(slot)
        if worker is None:  # it died in this very turn of the loop; the dispatcher is about to be told
            return
        worker.send(batch)
        if worker.flush() and not worker.is_cut:
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._node.selector.modify(worker.socket, both, partial(self._ready, worker))

    def renew(self) -> None:
        """After a lost lease: the node has another id, which its zygotes carry in their environment."""
        self._zygotes.renew()

    def stop(self) -> None:
        self._zygotes.close()
        self._watch.close()
        for worker in self._workers.values():
            if worker.pid:
                worker.kill_group()
                wait_readable([worker.pidfd], STOP_SECONDS)
            worker.close()
        self._workers.clear()

    # what zygotes say

    def ask_for_workers(self, zygote: Zygote) -> None:
        for worker in list(self._workers.values()):
            if worker.zygote is zygote and not worker.is_asked:
                self._ask_for(worker)

    def move_unasked(self, ended: Zygote, zygote: Zygote) -> None:
        for worker in self._workers.values():
            if worker.zygote is ended and not worker.is_asked:  # wanted after that one had ended
                worker.zygote = zygote

    def zygote_gone(self, zygote: Zygote) -> None:
        """A worker that has a pid says itself what the zygote did not; one that has none loses its socket."""
        for worker in list(self._workers.values()):
            if worker.zygote is zygote and not worker.pid:
                self._orphaned(worker)

    def _orphaned(self, worker: Worker) -> None:
        """Its zygote is gone and did not tell its pid."""
        if worker.hello_pid:
            self._adopt(worker, worker.hello_pid)
        elif worker.is_cut or not worker.is_asked:
            self._gone(worker, ZYGOTE_ENDED)

    def forked(self, number: int, pid: int) -> None:
        worker = next((worker for worker in self._workers.values() if worker.number == number), None)
        if worker is None:
            if pid:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        elif worker.pid:
            pass  # imported the app itself: its pid was known all the time
        elif pid or worker.hello_pid:  # the process in between may have died before it told a pid
            self._adopt(worker, pid or worker.hello_pid)
        else:
            self._gone(worker, NOT_FORKED)
        self.sweep()

    def _adopt(self, worker: Worker, pid: int) -> None:
        worker.pid = pid
        worker.pidfd = os.pidfd_open(pid)
        self._node.selector.register(worker.pidfd, selectors.EVENT_READ, partial(self._ended, worker))
        if worker.kill_reason or worker.is_cut:
            worker.kill_group()

    def _ready(self, worker: Worker) -> None:
        if self._workers.get(worker.slot) is not worker:  # its end was handled in this very turn of the loop
            return
        if worker.outgoing and not worker.flush():
            self._node.selector.modify(worker.socket, selectors.EVENT_READ, partial(self._ready, worker))
        try:
            received = worker.receive()
        except msgspec.DecodeError as error:
            worker.kill_reason = WorkerEnd.not_a_frame(error)
            received = None
        if received is not None:
            self._deliver(worker, received)
            return
        self._node.selector.unregister(worker.socket)
        worker.is_cut = True
        self._node.feed(WorkerEnding(worker.slot))
        if worker.pid:
            worker.kill_group()
        elif worker.zygote.is_gone:
            self._orphaned(worker)

    def _deliver(self, worker: Worker, received: list[FromWorker]) -> None:
        match received:
            case [Hello(pid), *received]:
                worker.hello_pid = pid
                self._watch.watch(worker)
                self._node.feed(WorkerStarted(worker.slot))
                if not worker.pid and worker.zygote.is_gone:
                    self._orphaned(worker)
        if received:
            self._node.feed(Received(worker.slot, received))

    def _ended(self, worker: Worker) -> None:
        """The process is dead: end its group, wait for it, read what it still sent (R22)."""
        worker.kill_group()
        self._node.feed(WorkerEnding(worker.slot))
        ending = worker.wait()
        self._node.selector.unregister(worker.pidfd)
        if not worker.is_cut:
            with suppress(msgspec.DecodeError):
                self._deliver(worker, worker.receive_rest())  # guard R22: a dead worker's socket is read to its end
        if worker.is_outgrown and ending.kind is WorkerEndKind.DRAINED:
            ending = OUTGROWN
        self._gone(worker, worker.kill_reason or ending)
        self.sweep()

    def _measure(self) -> None:
        """Each is told of once: it drains then."""
        for worker in self._workers.values():
            if worker.pid and worker.hello_pid and not worker.is_outgrown:
                taken = resident_bytes(worker.pid)
                if taken > self._settings.worker_memory_bytes:
                    worker.is_outgrown = True
                    self._node.feed(WorkerOutgrown(worker.slot, taken))
        self._node.call_at(boottime_ns() + MEASURE_NS, self._measure)

    def _gone(self, worker: Worker, reason: WorkerEnd) -> None:
        del self._workers[worker.slot]
        self._watch.unwatch(worker)
        if not worker.is_cut:
            self._node.selector.unregister(worker.socket)
        gone = WorkerGone(worker.slot, reason, worker.crashes(reason, self._node.clock))
        self._node.remove_worker(gone, worker.tokens_in_transactions())
        worker.close()
