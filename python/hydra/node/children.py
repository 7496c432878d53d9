"""The supervisor's zygote and one worker per slot. Decides nothing; the dispatcher does.

    spawn ──► asked of the zygote ──Forked──► adopted ──Hello──► up ──socket closed, process ended, kill──► gone

A zygote imports what lies on the disk, whenever it starts. It is asked for workers once it has said which code that is,
and other code than the node's is a reload, whatever the zygote was started for. A worker is gone only when its process
group was killed, it was waited for, and its socket read to the end (R22).
"""

from __future__ import annotations

import itertools
import logging
import os
import selectors
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import msgspec

from hydra._core import Watchdog
from hydra.clock import boottime_ns
from hydra.dispatch.events import (
    BodyOverdue,
    Received,
    Reload,
    StepOverdue,
    WorkerEnding,
    WorkerGone,
    WorkerSilent,
    WorkerStalled,
    WorkerStarted,
)
from hydra.dispatch.worker_ends import NOT_FORKED, ZYGOTE_ENDED, WorkerEnd
from hydra.frames import FromWorker, Hello, ToWorker
from hydra.identity import page_path, wait_readable
from hydra.node.node import Node
from hydra.node.processes import AppSettings, Worker, Zygote
from hydra.worker.zygote import Forked, ForkRequest, ImportFailed, Manifest

STOP_SECONDS = 5.0  # for one worker to be gone after its SIGKILL
SILENT_AFTER_NS = 3_000_000_000  # a worker whose native thread does not beat is stopped or frozen
STALLED_AFTER_NS = 2_000_000_000  # a hub that is busy with one thing
STALLED_LOOK_NS = 50_000_000  # between looks whether it goes on
OVERDUE_GRACE_NS = 1_000_000_000  # past its time-out a step is the worker's own business for that long
ZYGOTE_PAUSE_NS = 1_000_000_000  # between the starts of two zygotes that replace each other
MAX_ZYGOTE_PAUSE_NS = 30_000_000_000
MAX_RELOAD_TRIES = 3  # of an import that ends without a word

log = logging.getLogger("hydra.supervisor")


class Children:
    """Carries out the dispatcher's wishes for slots (`node.Workers`)."""

    def __init__(self, node: Node, settings: AppSettings, on_manifest: Callable[[Manifest], None]) -> None:
        self._node = node
        self._settings = settings
        self._on_manifest = on_manifest
        self._workers: dict[int, Worker] = {}
        self._numbers = itertools.count(1)
        self._lifeline_reader, self._lifeline_writer = os.pipe()  # the writer lives in this process alone
        self._zygote = Zygote(settings, node.id)
        self._next_zygote: Zygote | None = None
        self._zygote_pause_ns = ZYGOTE_PAUSE_NS
        self._must_reload_again = False  # asked while an import was under way
        self._reload_try_count = 0
        self._code_version = ""
        self._watchdog = Watchdog()
        self._watchdog.start()
        node.selector.register(self._watchdog.fileno(), selectors.EVENT_READ, self._noticed)

    # what the supervisor wants

    def import_app(
        self, interrupts: socket.socket, is_interrupted: Callable[[], bool]
    ) -> Manifest | ImportFailed | None:
        """Wait for the first zygote, before the node runs; None when a signal comes first."""
        while True:
            zygote = self._zygote.socket.fileno()
            ready = wait_readable([zygote, interrupts.fileno()])
            if interrupts.fileno() in ready and is_interrupted():
                return None
            if zygote in ready:
                messages = self._zygote.read()
                if messages is None:
                    break
                for message in messages:
                    self._listen(self._zygote)
                    assert isinstance(message, Manifest | ImportFailed)
                    if isinstance(message, Manifest):
                        self._code_version = message.code_version
                    return message
        code = self._zygote.process.wait()
        return ImportFailed(f"app `{self._settings.module}` ended the process that imported it with code {code}", "")

    def reload(self) -> None:
        """Import the app again; the old workers are drained once that succeeded."""
        if self._next_zygote is None:
            self._reload_try_count = 0
            self._import_next()
        else:
            self._must_reload_again = True  # what it imports may have been read before the latest change

    def sweep(self) -> None:
        """Wait for orphans that dead workers left to us; not while a fork is under way, whose pid is not known yet."""
        ours = {worker.pid for worker in self._workers.values()}
        ours |= {zygote.process.pid for zygote in (self._zygote, self._next_zygote) if zygote is not None}
        if 0 in ours:
            return
        with suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in ours:
                os.waitpid(ended.si_pid, 0)

    # what the dispatcher wants

    def spawn(self, slot: int) -> None:
        node, settings = self._node, self._settings
        is_own = settings.is_imported_per_worker
        zygote = Zygote(settings, node.id) if is_own else self._zygote
        number = next(self._numbers)
        path = None if node.lock is None else page_path(node.lock.path, number)
        worker = self._workers[slot] = Worker(slot, number, zygote, path)
        node.selector.register(worker.socket, selectors.EVENT_READ, partial(self._ready, worker))
        if is_own:
            self._listen(zygote)
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
        elif not worker.greeted_pid:
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
        """The zygote carries the node's id in its environment, where peers look for what remains of a dead node; so
        does one that imports new code at this moment: the next one does that, too."""
        if self._next_zygote is not None:
            self._drop(self._next_zygote)
            self._next_zygote, self._must_reload_again = None, False
        self._replace_zygote()

    def stop(self) -> None:
        for zygote in (self._zygote, self._next_zygote):
            if zygote is not None and not zygote.is_gone:
                zygote.close()
        self._watchdog.close()
        for worker in self._workers.values():
            if worker.pid:
                worker.kill_group()
                wait_readable([worker.pidfd], STOP_SECONDS)
            worker.close()
        self._workers.clear()

    # what happens

    def _listen(self, zygote: Zygote) -> None:
        self._node.selector.register(zygote.socket, selectors.EVENT_READ, partial(self._zygote_said, zygote))

    def _zygote_said(self, zygote: Zygote) -> None:
        messages = zygote.read()
        if messages is None:
            self._zygote_ended(zygote)
            return
        for message in messages:
            match message:
                case Forked(number, pid):
                    self._forked(number, pid)
                case Manifest():
                    self._imported(zygote, message)
                case ImportFailed(sentence, text):
                    log.error("%s\n%s", sentence, text)

    def _imported(self, zygote: Zygote, manifest: Manifest) -> None:
        is_other = manifest.code_version != self._code_version
        if zygote is self._next_zygote:
            self._drop(self._zygote)
            self._zygote, self._next_zygote = zygote, None
        elif is_other:
            log.warning(
                "the app's files were changed without SIGHUP: code %s goes on where code %s was, as after a reload",
                manifest.code_version, self._code_version,
            )  # fmt: skip
        else:
            self._zygote_pause_ns = ZYGOTE_PAUSE_NS
            for worker in list(self._workers.values()):
                if worker.zygote is zygote and not worker.is_asked:
                    self._ask_for(worker)
            return
        self._zygote_pause_ns = ZYGOTE_PAUSE_NS
        self._code_version = manifest.code_version
        self._on_manifest(manifest)
        # Workers that were not forked yet have no work, and end now; those of the new code come after it is told.
        self._node.feed(Reload([workflow.name for workflow in manifest.workflows]))
        self._reload_once_more()

    def _import_next(self) -> None:
        self._reload_try_count += 1
        self._next_zygote = Zygote(self._settings, self._node.id)
        self._listen(self._next_zygote)

    def _reload_once_more(self) -> None:
        if self._must_reload_again:
            self._must_reload_again = False
            self.reload()

    def _zygote_ended(self, zygote: Zygote) -> None:
        if self._settings.is_imported_per_worker and zygote not in (self._zygote, self._next_zygote):
            self._node.selector.unregister(zygote.socket)  # it is a worker now, or its end is about to be seen
            zygote.socket.close()
            return
        self._drop(zygote)
        if zygote is self._next_zygote:
            self._next_zygote = None
            if zygote.has_failed:
                log.error("the new code does not import; the old code stays")
                self._reload_once_more()
            elif self._reload_try_count < MAX_RELOAD_TRIES or self._must_reload_again:
                self._must_reload_again = False
                log.warning("the process that imports the new code ended with %s: starting another", zygote.ending)
                self._import_next()
            else:
                log.error("the import of the new code ends with %s; the old code stays", zygote.ending)
            return
        log.warning("the zygote (pid %d) ended with %s: starting another", zygote.process.pid, zygote.ending)
        self._node.call_at(zygote.started_at_ns + self._zygote_pause_ns, partial(self._replace_zygote, zygote))
        self._zygote_pause_ns = min(2 * self._zygote_pause_ns, MAX_ZYGOTE_PAUSE_NS)

    def _replace_zygote(self, ended: Zygote | None = None) -> None:
        if ended is None or ended is self._zygote:
            self._drop(self._zygote)
            self._zygote = Zygote(self._settings, self._node.id)
            self._listen(self._zygote)
            for worker in self._workers.values():
                if worker.zygote is ended and not worker.is_asked:  # wanted after that one had ended
                    worker.zygote = self._zygote

    def _drop(self, zygote: Zygote) -> None:
        """Answers not read yet are lost; a worker that has a pid says it itself, one that has none loses its socket."""
        if zygote.is_gone:
            return
        self._node.selector.unregister(zygote.socket)
        zygote.close()
        for worker in list(self._workers.values()):
            if worker.zygote is zygote and not worker.pid:
                self._orphaned(worker)

    def _orphaned(self, worker: Worker) -> None:
        """Its zygote is gone and did not tell its pid."""
        if worker.greeted_pid:
            self._adopt(worker, worker.greeted_pid)
        elif worker.is_cut or not worker.is_asked:
            self._gone(worker, ZYGOTE_ENDED)

    def _forked(self, number: int, pid: int) -> None:
        worker = next((worker for worker in self._workers.values() if worker.number == number), None)
        if worker is None:
            if pid:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        elif worker.pid:
            pass  # imported the app itself: its pid was known all the time
        elif pid or worker.greeted_pid:  # the process in between may have died before it told a pid
            self._adopt(worker, pid or worker.greeted_pid)
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
                worker.greeted_pid = pid
                self._watchdog.watch(worker.slot, worker.page.fd, SILENT_AFTER_NS, STALLED_AFTER_NS)
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
        self._gone(worker, worker.kill_reason or ending)
        self.sweep()

    def _gone(self, worker: Worker, reason: WorkerEnd) -> None:
        del self._workers[worker.slot]
        self._watchdog.unwatch(worker.slot)
        if not worker.is_cut:
            self._node.selector.unregister(worker.socket)
        gone = WorkerGone(worker.slot, reason, worker.crashes(reason, self._node.clock))
        self._node.remove_worker(gone, worker.tokens_in_transactions())
        worker.close()

    # what the native heartbeat saw

    def _noticed(self) -> None:
        for kind, key, token, due_ns, _ in self._watchdog.due():
            if kind == Watchdog.SILENT:
                self._node.feed(WorkerSilent(key))
            elif kind == Watchdog.STALLED:
                self._stalled(self._workers[key])
            elif kind == Watchdog.OVERDUE:
                slot, place = divmod(key, Watchdog.MAX_SLOTS_PER_WORKER)
                worker = self._workers[slot]
                self._node.call_at(due_ns + OVERDUE_GRACE_NS, partial(self._overdue, worker, place, token, due_ns))

    def _overdue(self, worker: Worker, place: int, token: int, deadline_ns: int) -> None:
        """The worker had its chance to end the step by itself."""
        if self._workers.get(worker.slot) is worker and worker.is_in_step(place, token, deadline_ns):
            self._node.feed(StepOverdue(worker.slot, token))

    def _stalled(self, worker: Worker) -> None:
        standing = worker.page.standing()
        log.warning("worker %d (pid %d) is busy with one thing for long; its stack follows", worker.slot, worker.pid)
        os.kill(worker.pid, signal.SIGUSR1)
        self._node.feed(WorkerStalled(worker.slot, True))
        self._look_again(worker, standing)

    def _look_again(self, worker: Worker, standing: tuple[int, int]) -> None:
        """It goes on once whatever stood still has changed."""
        if self._workers.get(worker.slot) is not worker:
            return
        now = worker.page.standing()
        if any(word and word == before for word, before in zip(now, standing, strict=True)):
            if token := worker.page.overdue_body():
                self._node.feed(BodyOverdue(worker.slot, token))
                return
            self._node.call_at(boottime_ns() + STALLED_LOOK_NS, partial(self._look_again, worker, standing))
        else:
            log.info("worker %d goes on", worker.slot)
            self._node.feed(WorkerStalled(worker.slot, False))
