"""`hydra start`: one node whose workers are processes. Imports no user code; decides nothing the dispatcher could.

SIGTERM, SIGINT: drain, then exit · the second one: exit at once · SIGHUP: import again, drain the old workers
exit codes: 0 done, 1 failed, 2 usage or configuration
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import random
import resource
import selectors
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import msgspec

from hydra import _core, config
from hydra.blocks import contextmanager
from hydra.clock import boottime_ns
from hydra.dispatch.circuits import NodeCircuits
from hydra.dispatch.dispatcher import Dispatcher
from hydra.dispatch.dispatcher import NodeSettings as DispatcherSettings
from hydra.dispatch.events import DrainAsked, StopAsked
from hydra.dispatch.serving import Serving
from hydra.errors import ConfigError, HydraError
from hydra.logging import Filter, OwnProcess
from hydra.node.archive import Archive
from hydra.node.children import Children
from hydra.node.first_connection import open_when_up
from hydra.node.node import Node
from hydra.node.processes import AppSettings
from hydra.node.sweeper import Sweeper
from hydra.object_store import ObjectStore, object_store_of
from hydra.observability.logs import configure_logging
from hydra.payload_keys import NO_KEYS
from hydra.stores import open_store, without_password
from hydra.stores.encrypting import refuse_without_keys
from hydra.stores.findings import Severity
from hydra.stores.store import Store
from hydra.terminal import SHOWN
from hydra.worker.imported_app import ImportFailed, Manifest

if TYPE_CHECKING:
    from hydra.node.monitor import Monitor

LEASE_TTL_SECONDS_MINIMUM = 0.5
BASE_DESCRIPTORS = 256
BASE_DESCRIPTORS_MINIMUM = 64
WORKER_DESCRIPTORS_MINIMUM = 10  # what the supervisor holds for one worker, twice while a reload drains the old ones
WORKER_DESCRIPTORS = 2 * WORKER_DESCRIPTORS_MINIMUM  # reloads may overlap
RELOAD_LOOK_NS = 500_000_000  # between two looks at the app's files with `--reload`
SWITCH_SECONDS = 0.0005  # the store thread must not wait the interpreter's usual 5 ms for the loop to yield
COLLECT_AFTER_COUNT = 100_000  # the collector finds next to nothing here, and walks thousands of executions to know it

log = logging.getLogger("hydra.supervisor")


class SupervisorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `hydra start` was told."""

    module: str
    url: str
    namespace: str = "default"
    workers: int = 0  # 0: as many as cores
    concurrency: int = 64
    lease_ttl_seconds: float = 10.0
    drain_grace_seconds: float = 20.0
    log_format: str = "console"
    reload: bool = False
    spawn: bool = False
    http: str = ""  # HOST:PORT for metrics and health; "": none
    metric_tags: list[str] = []  # tags of executions that become labels
    metrics_token: str = ""  # that `/metrics` asks for; "": none
    page_token_file: str | None = None  # who may come to the page; None: this host, where it alone can come
    page_hosts: tuple[str, ...] = ()  # names by which a proxy asks for the page
    transaction_connections: int = 2  # of each worker, for `@hydra.transaction` steps
    only: tuple[str, ...] = ()  # workflows to run, by names or patterns; (): all
    labels: tuple[str, ...] = ()  # of this node, for workflows that ask for some
    circuits: NodeCircuits = NodeCircuits()
    worker_memory_bytes: int = 0  # what a worker may take before another takes its place; 0: any
    retention: dict[str, int | None] = {}  # as of `config.retention_of`, for workflows that say nothing
    archive: str = ""  # a folder, for what is deleted; "": none
    archive_format: str = "jsonl"


class Supervisor:
    """`run` once, on the main thread."""

    def __init__(self, settings: SupervisorSettings) -> None:
        self._settings = settings
        self._worker_count = settings.workers or len(os.sched_getaffinity(0))
        self._node: Node
        self._children: Children
        self._sweeper: Sweeper
        self._signals, self._signals_in = socket.socketpair()
        self._serving = Serving(settings.only, settings.labels)
        self._is_draining = False
        self._dispatcher: Dispatcher | None = None
        self._files: dict[str, int] = {}

    def run(self) -> int:
        """Until drained or stopped; the exit code."""
        configure_logging(self._settings.log_format, Filter())
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER_COUNT)
        try:
            return self._run()
        except HydraError as error:
            print(f"error: {error}".translate(SHOWN), file=sys.stderr)
            return 2 if isinstance(error, ConfigError) else 1

    def _run(self) -> int:
        settings = self._settings
        _core.set_child_subreaper()
        allow_descriptors(self._worker_count)
        ttl_ns = round(settings.lease_ttl_seconds * 1e9)
        objects = object_store_of(
            config.offload(None), settings.namespace, NO_KEYS
        )  # what lies there, as it lies there
        store = open_store(settings.url, settings.namespace)
        monitor = self._monitor(store, ttl_ns)
        if monitor is not None:
            store = monitor.store
        with self._handled_signals(), contextlib.ExitStack() as stack:
            if monitor is not None:
                stack.callback(monitor.close)
                monitor.start()
            hindered = _unheard if monitor is None else monitor.hindered
            if not open_when_up(store, self._signals, self._is_asked_to_end, hindered):
                return 0
            stack.callback(store.close)
            hindered("")
            if config.payload_keys(None) is None:
                refuse_without_keys(store)
            _warn_of_weakness(store)
            node = self._node = Node(store, ttl_ns, self._worker_count, settings.concurrency, self._serving)
            OwnProcess.find_node = lambda: node.id
            self._sweeper = Sweeper(
                settings.url,
                settings.namespace,
                lambda: node.id,
                lambda: self._is_idle(),
                default=settings.retention,
                archive=self._archive(objects),
                metrics=None if monitor is None else monitor.metrics,
            )
            stack.callback(self._sweeper.close)
            app = AppSettings(
                settings.module,
                settings.namespace,
                settings.concurrency,
                settings.log_format,
                settings.url,
                settings.transaction_connections,
                settings.spawn,
                settings.worker_memory_bytes,
            )
            children = self._children = Children(node, app, self._reloaded)
            try:
                manifest = children.import_app(self._signals, self._is_asked_to_end)
                if manifest is None:
                    return 0
                if isinstance(manifest, ImportFailed):
                    said = f"{manifest.traceback_text}error: {manifest.message}"
                    print(said.translate(SHOWN), file=sys.stderr)
                    return 2
                self._serving.check([each.name for each in manifest.workflows], f"app `{settings.module}`")
                children.check_memory()
                self._serve(manifest)
                dispatcher = Dispatcher(
                    DispatcherSettings(
                        self._worker_count,
                        settings.concurrency,
                        ttl_ns,
                        round(settings.drain_grace_seconds * 1e9),
                        circuits=settings.circuits,
                    ),
                    boottime_ns(),
                    random.Random(),
                )
                self._dispatcher = dispatcher
                if monitor is not None:
                    monitor.watch(node, dispatcher)
                node.selector.register(self._signals, selectors.EVENT_READ, self._signalled)
                return node.run(dispatcher, children)
            finally:
                children.stop()
                node.close()

    def _is_idle(self) -> bool:
        """Fewer than half of its places are taken."""
        if self._dispatcher is None:
            return True
        return 2 * self._dispatcher.standing().running_count < self._worker_count * self._settings.concurrency

    def _archive(self, objects: ObjectStore | None) -> Archive | None:
        settings = self._settings
        if not settings.archive:
            return None
        archive = Archive(settings.archive, settings.namespace, objects, settings.archive_format)
        archive.check()
        return archive

    def _monitor(self, store: Store, ttl_ns: int) -> Monitor | None:
        """It listens before anything else begins, so that a bad address is the first thing said."""
        settings = self._settings
        if not settings.http:
            return None
        from hydra.node.monitor import Monitor  # what is not asked for is not imported

        return Monitor(
            settings.http,
            store,
            settings.url,
            ttl_ns=ttl_ns,
            concurrency=settings.concurrency,
            tags=settings.metric_tags,
            token=settings.metrics_token,
            page_token_file=settings.page_token_file,
            page_hosts=settings.page_hosts,
        )

    def _reloaded(self, manifest: Manifest) -> None:
        """Code that lacks what this node is for ends no node: what it has of it goes on."""
        try:
            self._serving.check([each.name for each in manifest.workflows], f"app `{self._settings.module}`")
        except ConfigError as error:
            log.error("%s", error)
        self._serve(manifest)

    def _serve(self, manifest: Manifest) -> None:
        """Claim what this app defines and this node is for."""
        app = self._settings.module
        chosen = self._serving.chosen(manifest.workflows)
        if not chosen:
            log.warning("app `%s` defines no workflow, so nothing will run; decorate one with `@hydra.workflow`", app)
        elif not any(workflow.is_served for workflow in chosen):
            log.warning("app `%s` has no workflow that fits `--only` and `--labels`, so nothing will run", app)
        if manifest.threads and not self._settings.spawn:
            log.warning(
                "the app starts threads while it is imported (%s), which a fork does not copy; start them in "
                "`@hydra.on_worker_start`, or use `--spawn`",
                ", ".join(f"`{name}`" for name in manifest.threads),
            )
        if manifest.sockets and not self._settings.spawn:
            log.warning(
                "the app opens connections while it is imported (%s), which all workers would share and read each "
                "other's answers from; open them in `@hydra.on_worker_start`, or use `--spawn`",
                ", ".join(f"`{place}`" for place in manifest.sockets),
            )
        self._node.serve(manifest.workflows, manifest.code_version)
        self._sweeper.serve(chosen)
        log.info(
            "node `%s` (pid %d): app `%s`, code %s, %d workflows, %d workers of %d, database `%s`",
            self._node.id, os.getpid(), app, manifest.code_version, sum(workflow.is_served for workflow in chosen),
            self._worker_count, self._settings.concurrency, without_password(self._settings.url),
        )  # fmt: skip
        if self._settings.reload:
            self._files = modified_times(manifest.files)
            self._node.call_at(boottime_ns() + RELOAD_LOOK_NS, self._look_at_files)

    @contextmanager
    def _handled_signals(self) -> Iterator[None]:
        """Each arrives as a byte on a socket the loop reads."""
        for end in (self._signals, self._signals_in):
            end.setblocking(False)
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        before = {number: signal.signal(number, _nothing) for number in numbers}
        fd = signal.set_wakeup_fd(self._signals_in.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _is_asked_to_end(self) -> bool:
        return not {signal.SIGTERM, signal.SIGINT}.isdisjoint(self._signals.recv(4096))

    def _signalled(self) -> None:
        for number in set(self._signals.recv(4096)):
            match number:
                case signal.SIGCHLD:
                    self._children.sweep()
                case signal.SIGHUP:
                    log.info("importing the app again")
                    self._children.reload()
                case signal.SIGTERM | signal.SIGINT if self._is_draining:
                    log.warning("stopping at once")
                    self._node.feed(StopAsked())
                case signal.SIGTERM | signal.SIGINT:
                    self._is_draining = True
                    seconds = self._settings.drain_grace_seconds
                    log.info("draining for up to %g s; a second signal stops at once", seconds)
                    self._node.feed(DrainAsked())

    def _look_at_files(self) -> None:
        now = modified_times(list(self._files))
        if now != self._files:
            self._files = now
            log.info("the app's files changed: importing it again")
            self._children.reload()
        self._node.call_at(boottime_ns() + RELOAD_LOOK_NS, self._look_at_files)


def allow_descriptors(worker_count: int) -> None:
    """Raise the soft limit where it is too low; programs that use select() want it no higher than needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    minimum = BASE_DESCRIPTORS_MINIMUM + worker_count * WORKER_DESCRIPTORS_MINIMUM
    if hard < minimum:
        raise ConfigError(
            f"this process may open {hard} files, and {worker_count} workers need {minimum}; raise its hard limit "
            "(`ulimit -Hn`, `LimitNOFILE=`) or start fewer workers"
        )
    count = BASE_DESCRIPTORS + worker_count * WORKER_DESCRIPTORS
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def modified_times(files: list[str]) -> dict[str, int]:
    times = {}
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            times[file] = Path(file).stat().st_mtime_ns
    return times


def _unheard(sentence: str) -> None:
    """Without `--http` nobody asks why the node is not ready; the log says it."""


def _nothing(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor has the news already."""


def _warn_of_weakness(store: Store) -> None:
    """Nobody shall take a database for durable that is not."""
    with contextlib.suppress(HydraError):  # what does not answer now is waited for later
        found = store.durability()
        if found.severity == Severity.DANGER:
            log.warning("%s", found.sentence)
