"""As whom a node writes: its registration, and what a lost reply, a reconnect or a dead worker left open about it.

    register ──► node ──► refused, or parked after a failover: nobody, until the next registration
                  └──► resync: the session is raised, what it owns is read back (R16), the connection is proven (R19)

Runs on the store thread and decides nothing: each order is answered by one event.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from hydra.breakers import ALL_KEYS, circuit_key, key_of
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
from hydra.dispatch.failover import CAUSE, MAX_PARK, REASON, REASON_PAYLOAD, has_come
from hydra.errors import ConfigError, LeaseLost, StoreUnavailable
from hydra.execution import FINAL, Ending, NodeInfo, NodeRef, Snapshot, Status
from hydra.frames import Committed, FromWorker
from hydra.limit_keys import FAIR, split_key
from hydra.node.damaged_rows import read_back
from hydra.node.outcome_log import tell_found
from hydra.node.requests import Report, Settle, SettleFailed
from hydra.stores.key_pauses import KeyPause
from hydra.stores.moved import DatabaseMoved
from hydra.stores.node_states import Advanced, NodeState
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

MAX_REGISTRATIONS = 1000
MAX_BREAKERS = 1000  # that are open at a time
CIRCUIT_US = 60_000_000  # for so long a circuit is open that nobody speaks of any more
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
        self._last = NodeRef("", 0)  # the last registration, as it was confirmed last
        self._ids: deque[str] = deque(
            maxlen=MAX_REGISTRATIONS
        )  # of this process; an older database takes them for alive
        self._sent_ns = 0  # when a registration left last
        self.node: NodeRef | None = None
        self._parked_number: int | None = None  # of the connection over which it was parked last, before registering
        self.proven_number: int | None = None  # of the connection over which the database was last proven (R19)
        self._epochs: dict[str, int] = {}  # of what it owned at the last resync
        self._unknown = ""  # the last error that hydra did not know
        self._told_circuits: set[str] = set()  # of this node's circuits, those that the database has as open
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
                if self._parked_number not in (None, self._store.connection_number):
                    self._parked_number = None
                    raise StoreUnavailable("the connection is another one than that over which it was parked")
                now = self._clock.now()
                if self._is_registered():
                    node, _ = self._store.resync(NodeRef(self.info.id, 1))
                else:
                    self._sent_ns = self._clock.boottime_ns()
                    node = self._store.register_node(self.info, now)
                self._store.register_workflows(node, self.workflows, now)
                self.proven_number = self._store.connection_number
                self._parked_number = None
        except DatabaseMoved:
            raise  # for good: the store's thread ends with it, and the node
        except Exception as error:
            self._post(RegisterFailed(self._explain(error)))
            return None
        self.node = self._last = node
        self._ids.append(node.id)
        self._post(Registered(self._sent_ns))
        return self._sent_ns

    @property
    def has_limits(self) -> bool:
        """Whether an end of one of its executions may let another begin."""
        return any(workflow.limits for workflow in self.workflows)

    @property
    def has_turns(self) -> bool:
        """Whether a claim of one of its executions may let another have its turn."""
        return any(limit.kind == FAIR for workflow in self.workflows for limit in workflow.limits)

    def register_workflows(self, workflows: list[WorkflowInfo]) -> bool:
        """Whether the database knows them; where nobody is registered, the next registration brings them."""
        self.workflows = workflows
        if self.node is None:
            return False
        try:
            self._store.register_workflows(self.node, workflows, self._clock.now())
        except LeaseLost:
            self.refuse()
        except Exception as error:
            log.warning("the database does not know the app's new signatures yet: %s", self._explain(error))
        else:
            return True
        return False

    def tell_breaker(self, name: str, until: int | None, reason: str) -> None:
        """A breaker of steps is open until then, or closed (None). A hint for other nodes and for people: where it does
        not get through, they find out themselves."""
        self._tell({key_of(name): None if until is None else (until, reason)}, f"breaker `{name}`")

    def tell_circuits(self, open: dict[str, str]) -> None:
        """Which of this node's own circuits are not closed, and why; after a beat, which must not hang on it."""
        node = self.node
        if node is None or not (open or self._told_circuits):
            return
        until = self._clock.now() + CIRCUIT_US  # it is told again with each beat
        said = {circuit_key(node.id, name): (until, reason) for name, reason in open.items()}
        closed = dict.fromkeys(self._told_circuits - said.keys())
        self._told_circuits = set(said)
        self._tell({**said, **closed}, "the node's circuits")

    def _tell(self, said: Mapping[str, tuple[int, str] | None], what: str) -> None:
        """What is open, until when and why; None: it is closed. For others: this node does not depend on it."""
        node = self.node
        if node is None:
            return
        try:
            with self._store.transaction():
                now = self._clock.now()
                self._store.commit(node, [], now)  # guard R6: what a node says of its circuits takes the fence
                for key, open in sorted(said.items()):
                    if open is None:
                        self._store.resume_key(key)
                    else:
                        self._store.pause_key(KeyPause(key, open[0], now, f"node `{node.id}`", open[1]))
        except LeaseLost:
            self.refuse()
        except Exception as error:
            log.warning("the database does not know yet how %s is: %s", what, self._explain(error))

    def open_breakers(self) -> dict[str, tuple[int, str]] | None:
        """Of those that the database has as open: until when, and why. None: it does not say."""
        try:
            found = self._store.key_pauses(*ALL_KEYS, MAX_BREAKERS)
        except Exception as error:
            log.warning("the database does not say which breakers are open: %s", self._explain(error))
            return None
        return {split_key(each.key)[1]: (each.until, each.reason) for each in found if each.until is not None}

    def is_to_encrypt(self) -> bool:
        """Whether payloads of the namespace are encrypted by now."""
        try:
            return bool(self._store.wrapped_secrets())
        except NO_ANSWER as error:
            log.warning("the database does not say whether payloads are encrypted: %s", self._explain(error))
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
                before = self._peer(node.id)
                is_behind = before is not None and before.session < node.session
                node, owned = self._store.resync(node)
                after = self._peer(node.id)
                ours = {each.id for each in owned}
                found = [self._reached(each, each.id in ours) for each in self._store.get(ids) if each is not None]
                number = self._store.connection_number
        except LeaseLost:
            self.refuse()
        except Exception as error:
            self._post(ResyncFailed(self._explain(error)))
        else:
            self.node = self._last = node
            self._epochs = {each.id: each.epoch for each in owned}
            self.proven_number = number
            self._post(Resynced(owned, after.counter if after else 0, found, is_behind))

    def park(self, park: Park) -> None:
        """Ends every registration of this process there, then parks what nobody has or a dead node has; both only where
        the database knows less. With the registrations, since an older database takes one of the past for alive."""
        parked: list[str] = []
        elsewhere: list[str] = []
        settled: list[str] = []
        gone: list[str] = []
        try:
            is_behind = park.is_refused and self._is_behind(park.beat_counter)
            # guard R19: an older database's registrations of this process are ended before what they had is parked
            self._end_registrations()
            now = self._clock.now()
            for start in range(0, len(park.advanced), MAX_PARK):
                part = park.advanced[start : start + MAX_PARK]
                parked_now = self._store.park(self._last.id, part, CAUSE, REASON_PAYLOAD, now)
                parked += parked_now
                self._tell_parked(parked_now)
                if is_behind or parked or not park.is_refused:
                    behind, unknown = self._behind(part)
                    gone += unknown
                    elsewhere += [each.id for each in behind if each.status == Status.RUNNING]
                    settled += [each.id for each in behind if each.status == Status.PARKED]
        except Exception as error:
            self._post(ParkFailed(self._explain(error)))
        else:
            self.node = None
            with suppress(*NO_ANSWER), self._store.transaction():
                self._parked_number = self._store.connection_number
            self._post(Parked(parked, elsewhere, settled, gone, is_behind or (park.is_refused and bool(parked))))

    def _tell_parked(self, ids: list[str]) -> None:
        """At once: whoever parks again after a lost reply finds them parked already."""
        try:
            tell_found(self._store, ids)
        except NO_ANSWER:
            for id in ids:
                log.error("execution `%s` is parked: %s", id, REASON)

    def recover(self, ids: list[str]) -> None:
        if self.node is None:
            return
        try:
            executions = read_back(self._store, self.node, ids, self._epochs)
        except LeaseLost:
            self.refuse()
        except Exception as error:
            self._post(ResyncFailed(self._explain(error)))
        else:
            self._post(Recovered(executions, bool(executions) and len(executions) < len(ids)))

    def settle(self, settle: Settle) -> None:
        """With the node's session raised, no transaction of the dead worker can commit any more."""
        gone = settle.gone
        if self.node is not None:
            try:
                before = self._peer(self.node.id)
                if before is not None and before.session < self.node.session:
                    raise LeaseLost("its session is an older database's")
                node, owned = self._store.resync(self.node)
                self.node = self._last = node
                self._epochs = {each.id: each.epoch for each in owned}
                frames = self._committed_since(node, settle.known)
            except LeaseLost:
                self.refuse()
            except Exception as error:
                self._explain(error)
                self._post(SettleFailed(settle))
                return
            else:
                if frames:
                    self._post(Received(gone.slot, frames))
                    gone = without_committed(gone, frames)
        self._post(gone)

    def _committed_since(self, node: NodeRef, known: Mapping[str, tuple[int, int]]) -> list[FromWorker]:
        """A part at a time, as a claim is. Of one that cannot be read nothing is known: its next commit is refused if
        the dead worker's came through (R13)."""
        frames: list[FromWorker] = []
        left = list(known)
        while left and (executions := read_back(self._store, node, left, self._epochs)):
            for execution in executions:
                token, seq = known[execution.id]
                frames += [Committed(token, record) for record in execution.records if record.seq > seq]
                if execution.unreadable:
                    log.error("execution `%s` cannot be read back: %s", execution.id, execution.unreadable)
            done = {execution.id for execution in executions}
            left = [id for id in left if id not in done]
        return frames

    def _explain(self, error: Exception) -> str:
        """What the dispatcher is told of it: it backs off, and asks again. One that hydra does not know is logged
        once, and ends no node (G7)."""
        if isinstance(error, NO_ANSWER):
            return str(error)
        sentence = f"{type(error).__name__}: {error}"
        if sentence != self._unknown:
            self._unknown = sentence
            log.error("the database failed in a way that hydra does not know; please report this", exc_info=error)
        return sentence

    def leave(self) -> None:
        """Unregister; what it still owns is given back like any dead node's."""
        if self.node is not None:
            self._store.unregister_node(self.node, self._clock.now())

    def _is_behind(self, beat_counter: int) -> bool:
        """Whether the refused registration is gone, or as it was before what was confirmed to it."""
        own = self._peer(self._last.id)
        return own is None or own.session < self._last.session or own.counter < beat_counter

    def _end_registrations(self) -> None:
        """Nobody else has these ids; whatever transaction a worker of theirs has under way is waited for (R7)."""
        alive = [node.info.id for node in self._store.nodes() if node.state == "alive" and node.info.id in self._ids]
        for id in alive:
            if not self._store.mark_dead(id, None, self._clock.now()):
                raise StoreUnavailable(f"a transaction of this node's registration `{id}` is still under way")

    def _behind(self, part: list[Advanced]) -> tuple[list[Snapshot], list[str]]:
        """Those of them that have come less far, and run on a living node or are parked; and those that are not there.
        What was purged had come to its end, and is not asked about for long."""
        known = {each.id: each for each in part}
        found = [each for each in self._store.get(list(known)) if each is not None]
        behind = [
            each
            for each in found
            if each.status in (Status.RUNNING, Status.PARKED)
            and not has_come(self._reached(each, is_ours=False), known[each.id].epoch, known[each.id].record_count)
        ]
        return behind, sorted(known.keys() - {each.id for each in found})

    def _peer(self, id: str) -> NodeState | None:
        return next((peer for peer in self._store.nodes() if peer.info.id == id), None)

    def _is_registered(self) -> bool:
        """Whether an earlier try was written although its reply was lost."""
        return any(node.info == self.info and node.state == "alive" for node in self._store.nodes())

    def _reached(self, snapshot: Snapshot, is_ours: bool) -> Reached:
        """Where records may have gone with their generation, the audit trail says so."""
        is_final = snapshot.status in FINAL
        lines = [] if is_ours else self._store.claims(snapshot.id)
        others = frozenset(line.epoch for line in lines if line.node not in self._ids)
        continued = [line.epoch for line in lines if line.ending == Ending.CONTINUED]
        return Reached(snapshot.id, snapshot.epoch, snapshot.record_count, is_final, max(continued, default=0), others)


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
