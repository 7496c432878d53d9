"""`engine.worker()`: the same node and dispatcher, with one worker that is a thread of the user's own process.

Nothing can be killed here. A worker that must go is told to stop, and is gone when its last step has ended; until then
its executions are nobody else's, and the node takes no new work.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from hydra import config
from hydra.body.transactions import Transactions
from hydra.clock import LeasePage, boottime_ns
from hydra.condition import start
from hydra.dispatch.dispatcher import Dispatcher, NodeSettings
from hydra.dispatch.events import DrainAsked, Received, StopAsked, WorkerGone, WorkerStarted
from hydra.dispatch.serving import Serving
from hydra.dispatch.worker_ends import DRAINED, NOT_NEEDED, WorkerEnd, WorkerEndKind
from hydra.errors import HydraError
from hydra.frames import Drain, FromWorker, ToWorker
from hydra.node.node import Node
from hydra.node.sweeper import Sweeper
from hydra.object_store import ObjectStore, object_store_of
from hydra.offload import Offload
from hydra.payload_keys import PayloadKeys
from hydra.stores import open_store
from hydra.stores.encrypting import refuse_without_keys
from hydra.stores.moved import DatabaseMoved
from hydra.worker.body_threads import watch_threads
from hydra.worker.body_watch import BodyWatch
from hydra.worker.hub import Hub
from hydra.worker.imported_app import describe_workflows
from hydra.workflow import Registry, registry

START_SECONDS = 30.0
TRANSACTION_CONNECTIONS = 2
STOP_MARGIN_SECONDS = 15.0  # after the drain's grace: the last commits, and leaving the database

log = logging.getLogger("hydra.local")


class LocalWorker:
    """Runs executions on threads of this process between `start` and `stop`; a context manager of both."""

    def __init__(
        self,
        url: str,
        namespace: str = "default",
        *,
        app: Registry = registry,
        concurrency: int = 8,
        lease_ttl_seconds: float = 10.0,
        drain_grace_seconds: float = 20.0,
        only: tuple[str, ...] = (),
        labels: tuple[str, ...] = (),
        payload_keys: PayloadKeys | None = None,
        offload: Offload | None = None,
    ) -> None:
        self._url = url
        self._namespace = namespace
        self._payload_keys = config.payload_keys(payload_keys)
        self._objects = object_store_of(config.offload(offload), namespace, self._payload_keys)
        self._app = app
        self._serving = Serving(only, labels)
        self._settings = NodeSettings(1, concurrency, round(lease_ttl_seconds * 1e9), round(drain_grace_seconds * 1e9))
        self._node: Node | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Open the database and begin to take work."""
        workflows = describe_workflows(self._app, "", "")
        self._serving.check([each.name for each in workflows], "this program")
        store = open_store(self._url, self._namespace, self._payload_keys)
        store.open()
        if self._payload_keys is None:
            refuse_without_keys(store)
        node = self._node = Node(
            store, self._settings.lease_ttl_ns, 1, self._settings.concurrency, serving=self._serving
        )
        node.serve(workflows, "")
        sweeper = Sweeper(self._url, self._namespace, lambda: node.id, lambda: True)
        sweeper.serve(self._serving.chosen(workflows))
        dispatcher = Dispatcher(self._settings, boottime_ns(), random.Random())
        hubs = Hubs(
            node, self._app, self._settings.concurrency, self._namespace, self._url, self._payload_keys, self._objects
        )

        def run() -> None:
            try:
                node.run(dispatcher, hubs)
            except DatabaseMoved as error:
                self._failure = error
                log.error("%s", error)
            except BaseException as error:
                self._failure = error
                log.exception("the local worker failed")
            finally:
                sweeper.close()
                node.close()
                store.close()

        self._thread = threading.Thread(target=run, name="hydra-node", daemon=True)
        start(self._thread)

    def stop(self) -> None:
        """Finish or hand back what runs, within the drain's grace."""
        if self._node is None or self._thread is None:
            return
        self._node.report(DrainAsked())
        self._thread.join(self._settings.drain_grace_ns / 1e9 + STOP_MARGIN_SECONDS)
        if self._thread.is_alive():
            self._node.report(StopAsked())
            raise HydraError("the local worker does not stop: a step is still running; end the process to end it")
        self._node = self._thread = None
        if isinstance(self._failure, DatabaseMoved):
            raise self._failure
        if self._failure is not None:
            raise HydraError("the local worker failed while it ran; its log has the traceback") from self._failure

    def __enter__(self) -> Self:
        self._or_drain(self.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self._or_drain(self.stop)

    def _or_drain(self, act: Callable[[], None]) -> None:
        """Where a signal's handler raised in between, it ends all the same, later."""
        try:
            act()
        except BaseException:
            if self._node is not None and self._thread is not None:
                self._node.report(DrainAsked())
            raise


class Hubs:
    """The one slot that is ever filled (`node.Workers`)."""

    def __init__(
        self,
        node: Node,
        app: Registry,
        concurrency: int,
        namespace: str,
        url: str,
        payload_keys: PayloadKeys | None = None,
        objects: ObjectStore | None = None,
    ) -> None:
        self._url = url
        self._payload_keys = payload_keys
        self._objects = objects
        self._node = node
        self._app = app
        self._concurrency = concurrency
        self._namespace = namespace
        self._hubs: dict[int, Hub] = {}
        self._doomed: set[int] = set()  # slots whose hub is to go, be it made already or not

    def spawn(self, slot: int) -> None:
        node = self._node
        watch_threads()
        self._hubs.pop(slot, None)
        self._doomed.discard(slot)
        arguments = (slot, node.id, node.page)  # of this registration, however late the thread begins (R1)
        threading.Thread(target=self._run, args=arguments, name="hydra-hub", daemon=True).start()

    def kill(self, slot: int, reason: WorkerEnd) -> None:
        if reason is not NOT_NEEDED:  # as one that has just begun and has no step yet
            log.warning("a step still runs and cannot be ended in this process (%s): waiting for it", reason)
        self._doomed.add(slot)
        if (hub := self._hubs.get(slot)) is not None:
            hub.deliver([Drain()])

    def send(self, slot: int, batch: list[ToWorker]) -> None:
        self._hubs[slot].deliver(batch)

    def renew(self) -> None:
        """The dispatcher waits for the old hub's end before it registers again; the next one gets the new page."""

    def stop(self) -> None:
        """The dispatcher has waited for the drain's grace; what still runs ends with the process."""
        for hub in self._hubs.values():
            hub.deliver([Drain()])

    def _run(self, slot: int, node_id: str, page: LeasePage) -> None:
        node = self._node

        def send(frames: list[FromWorker]) -> None:
            node.report(Received(slot, frames))

        transactions = Transactions(
            lambda: open_store(self._url, self._namespace, self._payload_keys),
            node_id,
            page.session,
            page.now,
            TRANSACTION_CONNECTIONS,
            may_kill=False,
        )
        hub = self._hubs[slot] = Hub(
            self._app, send, page, None, self._concurrency, self._namespace, transactions, node_id, None, self._objects
        )
        if slot in self._doomed:
            hub.deliver([Drain()])
        node.report(WorkerStarted(slot))
        watch = BodyWatch(hub, None)
        watch.start()
        try:
            hub.run()
        except BaseException as error:
            log.exception("the hub failed")
            reason = WorkerEnd(WorkerEndKind.EXIT, f"{type(error).__name__}: {error}")
        else:
            reason = DRAINED
        finally:
            watch.stop()
        node.report(WorkerGone(slot, reason, []))
