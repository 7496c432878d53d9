"""As whom a node writes: its registration, and what a lost reply, a reconnect or a dead worker left open about it.

    register ──► node ──► refused, or parked after a rewind: nobody, until the next registration
                  └──► resync: the session is raised, what it owns is read back (R16), the connection is proven (R19)

Runs on the store thread and decides nothing: each order is answered by one event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from hydra.clock import Clock
from hydra.dispatch.events import (
    Park,
    Parked,
    ParkFailed,
    Reached,
    Received,
    Recovered,
    Refused,
    Registered,
    RegisterFailed,
    Resynced,
    ResyncFailed,
    WorkerGone,
)
from hydra.dispatch.rewind import CAUSE, PARK_MAX, REASON_PAYLOAD
from hydra.errors import ConfigError, LeaseLost, StoreUnavailable
from hydra.execution import FINAL, Ending, NodeInfo, NodeRef, Snapshot
from hydra.frames import Committed, FromWorker
from hydra.node.errands import Report, Settle, SettleFailed
from hydra.stores.store import Store, WorkflowInfo

NO_ANSWER = (StoreUnavailable, ConfigError)  # the latter: a file that was there cannot be opened or written any more

log = logging.getLogger("hydra.store")


class NodeClock(Clock, Protocol):
    """The database's time, carried forward (`clock.DatabaseClock`), or a fake one."""

    def calibrate(self, database_now: int, read_at_ns: int) -> None: ...


class Membership:
    def __init__(self, store: Store, clock: NodeClock, post: Callable[[Report], None]) -> None:
        self._store = store
        self._clock = clock
        self._post = post
        self._id = ""  # of the last registration
        self._sent_ns = 0  # when a registration left last
        self.node: NodeRef | None = None
        self.proven_number: int | None = None  # of the connection over which the database was last proven (R19)
        self.info: NodeInfo | None = None  # as whom the next registration registers
        self.workflows: list[WorkflowInfo] = []

    @property
    def session(self) -> int:
        """Of the present registration; 0 for none."""
        node = self.node
        return 0 if node is None else node.session

    def register(self) -> int | None:
        """When it was sent; None where it may not have been written. An earlier try may have been, whose reply was
        lost: then others have counted since that one (R5)."""
        assert self.info is not None
        try:
            self._clock.calibrate(self._store.now(), self._clock.boottime_ns())
            with self._store.transaction():
                now = self._clock.now()
                if self._is_registered():
                    node, _ = self._store.resync(NodeRef(self.info.id, 1))
                else:
                    self._sent_ns = self._clock.boottime_ns()
                    node = self._store.register_node(self.info, now)
                self._store.register_workflows(node, self.workflows, now)
                self.proven_number = self._store.connection_number
        except NO_ANSWER as error:
            self._post(RegisterFailed(str(error)))
            return None
        self.node = node
        self._id = node.id
        self._post(Registered(self._sent_ns))
        return self._sent_ns

    def register_workflows(self, workflows: list[WorkflowInfo]) -> bool:
        """Whether the database knows them; where nobody is registered, the next registration brings them."""
        self.workflows = workflows
        if self.node is None:
            return False
        try:
            self._store.register_workflows(self.node, workflows, self._clock.now())
        except LeaseLost:
            self.refuse()
        except NO_ANSWER as error:
            log.warning("the database does not know the app's new signatures yet: %s", error)
        else:
            return True
        return False

    def refuse(self) -> None:
        self.node = None
        self._post(Refused())

    def resync(self, ids: list[str]) -> None:
        """On one connection, so that what is read back is of the database that will be written."""
        node = self.node
        if node is None:
            return
        try:
            with self._store.transaction():
                node, owned = self._store.resync(node)
                counter = next((peer.counter for peer in self._store.nodes() if peer.info.id == node.id), 0)
                ours = {each.id for each in owned}
                found = [self._reached(each, each.id in ours) for each in self._store.get(ids) if each is not None]
                number = self._store.connection_number
        except LeaseLost:
            self.refuse()
        except NO_ANSWER as error:
            self._post(ResyncFailed(str(error)))
        else:
            self.node, self.proven_number = node, number
            self._post(Resynced(owned, counter, found))

    def park(self, park: Park) -> None:
        """The claims this node still has, then what nobody has; both only where the database knows less."""
        parked: list[str] = []
        try:
            now = self._clock.now()
            if self.node is not None and park.commits:
                with suppress(LeaseLost):
                    written = self._store.commit(self.node, park.commits, now)
                    parked += [commit.id for commit, done in zip(park.commits, written, strict=True) if done]
            for start in range(0, len(park.advanced), PARK_MAX):
                part = park.advanced[start : start + PARK_MAX]
                parked += self._store.park(self._id, part, CAUSE, REASON_PAYLOAD, now)
        except NO_ANSWER as error:
            self._post(ParkFailed(str(error)))
        else:
            self.node = None
            self._post(Parked(parked))

    def recover(self, ids: list[str]) -> None:
        if self.node is None:
            return
        try:
            executions = self._store.recover(self.node, ids)
        except LeaseLost:
            self.refuse()
        except NO_ANSWER as error:
            self._post(ResyncFailed(str(error)))
        else:
            self._post(Recovered(executions))

    def settle(self, settle: Settle) -> None:
        """With the node's session raised, no transaction of the dead worker can commit any more."""
        gone = settle.gone
        if self.node is not None:
            try:
                self.node, _ = self._store.resync(self.node)
                executions = self._store.recover(self.node, list(settle.known))
            except LeaseLost:
                self.refuse()
            except NO_ANSWER:
                self._post(SettleFailed(settle))
                return
            else:
                frames: list[FromWorker] = []
                for execution in executions:
                    token, seq = settle.known[execution.id]
                    frames += [Committed(token, record) for record in execution.records if record.seq > seq]
                if frames:
                    self._post(Received(gone.slot, frames))
                    gone = without_committed(gone, frames)
        self._post(gone)

    def leave(self) -> None:
        """Unregister; what it still owns is given back like any dead node's."""
        if self.node is not None:
            self._store.unregister_node(self.node, self._clock.now())

    def _is_registered(self) -> bool:
        """Whether an earlier try was written although its reply was lost."""
        return any(node.info == self.info and node.state == "alive" for node in self._store.nodes())

    def _reached(self, snapshot: Snapshot, is_ours: bool) -> Reached:
        """Where records may have gone with their generation, the audit trail says so."""
        is_final = snapshot.status in FINAL
        lines = [] if is_final or is_ours else self._store.claims(snapshot.id)
        continued = [line.epoch for line in lines if line.ending == Ending.CONTINUED]
        return Reached(snapshot.id, snapshot.epoch, snapshot.record_count, is_final, max(continued, default=0))


def without_committed(gone: WorkerGone, frames: list[FromWorker]) -> WorkerGone:
    """A transaction that committed did not crash. The page's names may be cut short."""
    running = [
        (token, crash)
        for token, crash in gone.running
        if not any(
            isinstance(frame, Committed)
            and frame.token == token
            and frame.record.ordinal == crash.ordinal
            and frame.record.name.startswith(crash.name)
            and frame.record.branch.startswith(crash.branch)
            for frame in frames
        )
    ]
    return WorkerGone(gone.slot, gone.reason, running)
