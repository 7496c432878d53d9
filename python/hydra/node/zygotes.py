"""The processes that import the app: the one that workers are forked from, and the next, which imports newer code.

    start ──Manifest──► current        SIGHUP ──► next ──Manifest──► current, and old workers are drained
    ended ──► another, after a pause         ──► fails to import ──► the old code stays

A zygote imports what lies on the disk, whenever it starts. It is asked for workers once it has said which code that is,
and other code than the node's is a reload, whatever the zygote was started for.
"""

from __future__ import annotations

import logging
import selectors
import socket
from collections.abc import Callable
from functools import partial
from typing import Protocol

from hydra.dispatch.events import Reload
from hydra.identity import wait_readable
from hydra.node.node import Node
from hydra.node.processes import AppSettings, Zygote
from hydra.worker.imported_app import ImportFailed, Manifest
from hydra.worker.zygote import Forked

PAUSE_NS = 1_000_000_000  # between the starts of two zygotes that replace each other
MAX_PAUSE_NS = 30_000_000_000
MAX_RELOAD_TRIES = 3  # of an import that ends without a word

log = logging.getLogger("hydra.supervisor")


class ForkedWorkers(Protocol):
    """Who holds the workers that zygotes fork."""

    def forked(self, number: int, pid: int) -> None:
        """A worker has this pid; 0: it could not be forked."""
        ...

    def ask_for_workers(self, zygote: Zygote) -> None:
        """It has said which code it has, and may be asked."""
        ...

    def move_unasked(self, ended: Zygote, zygote: Zygote) -> None:
        """What the ended one was not asked for, this one is to fork."""
        ...

    def zygote_gone(self, zygote: Zygote) -> None:
        """What it has not answered yet is lost."""
        ...


class Zygotes:
    """`on_manifest` is told of each app that goes on from here."""

    def __init__(
        self,
        node: Node,
        settings: AppSettings,
        on_manifest: Callable[[Manifest], None],
        workers: ForkedWorkers,
    ) -> None:
        self._node = node
        self._settings = settings
        self._on_manifest = on_manifest
        self._workers = workers
        self.current = Zygote(settings, node.id)
        self._next: Zygote | None = None
        self._pause_ns = PAUSE_NS
        self._must_reload_again = False  # asked while an import was under way
        self._reload_try_count = 0
        self._code_version = ""

    @property
    def pids(self) -> set[int]:
        return {zygote.process.pid for zygote in (self.current, self._next) if zygote is not None}

    def import_app(
        self, interrupts: socket.socket, is_interrupted: Callable[[], bool]
    ) -> Manifest | ImportFailed | None:
        """Wait for the first zygote, before the node runs; None when a signal comes first."""
        while True:
            zygote = self.current.socket.fileno()
            ready = wait_readable([zygote, interrupts.fileno()])
            if interrupts.fileno() in ready and is_interrupted():
                return None
            if zygote in ready:
                messages = self.current.read()
                if messages is None:
                    break
                for message in messages:
                    self.listen(self.current)
                    assert isinstance(message, Manifest | ImportFailed)
                    if isinstance(message, Manifest):
                        self._code_version = message.code_version
                    return message
        code = self.current.process.wait()
        return ImportFailed(f"app `{self._settings.module}` ended the process that imported it with code {code}", "")

    def reload(self) -> None:
        """Import the app again; the old workers are drained once that succeeded."""
        if self._next is None:
            self._reload_try_count = 0
            self._import_next()
        else:
            self._must_reload_again = True  # what it imports may have been read before the latest change

    def renew(self) -> None:
        """The zygote carries the node's id in its environment, where peers look for what remains of a dead node; so
        does one that imports new code at this moment: the next one does that, too."""
        if self._next is not None:
            self._drop(self._next)
            self._next, self._must_reload_again = None, False
        self._replace()

    def close(self) -> None:
        for zygote in (self.current, self._next):
            if zygote is not None and not zygote.is_gone:
                zygote.close()

    def listen(self, zygote: Zygote) -> None:
        self._node.selector.register(zygote.socket, selectors.EVENT_READ, partial(self._said, zygote))

    # what happens

    def _said(self, zygote: Zygote) -> None:
        messages = zygote.read()
        if messages is None:
            self._ended(zygote)
            return
        for message in messages:
            match message:
                case Forked(number, pid):
                    self._workers.forked(number, pid)
                case Manifest():
                    self._imported(zygote, message)
                case ImportFailed(sentence, text):
                    log.error("%s\n%s", sentence, text)

    def _imported(self, zygote: Zygote, manifest: Manifest) -> None:
        is_other = manifest.code_version != self._code_version
        if zygote is self._next:
            self._drop(self.current)
            self.current, self._next = zygote, None
        elif is_other:
            log.warning(
                "the app's files were changed without SIGHUP: code %s goes on where code %s was, as after a reload",
                manifest.code_version, self._code_version,
            )  # fmt: skip
        else:
            self._pause_ns = PAUSE_NS
            self._workers.ask_for_workers(zygote)
            return
        self._pause_ns = PAUSE_NS
        self._code_version = manifest.code_version
        self._on_manifest(manifest)
        # Workers that were not forked yet have no work, and end now; those of the new code come after it is told.
        self._node.feed(Reload([workflow.name for workflow in manifest.workflows]))
        self._reload_once_more()

    def _import_next(self) -> None:
        self._reload_try_count += 1
        self._next = Zygote(self._settings, self._node.id)
        self.listen(self._next)

    def _reload_once_more(self) -> None:
        if self._must_reload_again:
            self._must_reload_again = False
            self.reload()

    def _ended(self, zygote: Zygote) -> None:
        if self._settings.is_imported_per_worker and zygote not in (self.current, self._next):
            self._node.selector.unregister(zygote.socket)  # it is a worker now, or its end is about to be seen
            zygote.socket.close()
            return
        self._drop(zygote)
        if zygote is self._next:
            self._next = None
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
        self._node.call_at(zygote.started_at_ns + self._pause_ns, partial(self._replace, zygote))
        self._pause_ns = min(2 * self._pause_ns, MAX_PAUSE_NS)

    def _replace(self, ended: Zygote | None = None) -> None:
        if ended is None or ended is self.current:
            self._drop(self.current)
            self.current = Zygote(self._settings, self._node.id)
            self.listen(self.current)
            if ended is not None:
                self._workers.move_unasked(ended, self.current)

    def _drop(self, zygote: Zygote) -> None:
        """Answers not read yet are lost; a worker that has a pid says it itself, one that has none loses its socket."""
        if zygote.is_gone:
            return
        self._node.selector.unregister(zygote.socket)
        zygote.close()
        self._workers.zygote_gone(zygote)
