"""A node's store thread: the one owner of its writer connection (R11). Does what the dispatcher asks, decides nothing.

    node ──ask(actions)──► inbox ──► one transaction: commit, claim, beat ──post(events)──► node
                                     housekeeping between them: timers, dead peers, in bounded batches

A refused write drops everything asked before the next registration: the dispatcher was told once, with Refused.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import Protocol

from hydra.clock import Clock
from hydra.dispatch.events import (
    Action,
    Beaten,
    BeatFailed,
    ClaimDone,
    ClaimFailed,
    CommitDone,
    CommitFailed,
    Event,
    OutcomeUnknown,
    Park,
    Parked,
    ParkFailed,
    Reached,
    Received,
    Reconnected,
    Recover,
    Recovered,
    Refused,
    Register,
    Registered,
    RegisterFailed,
    Resynced,
    ResyncFailed,
    SendBeat,
    SendClaim,
    SendCommit,
    SendResync,
    WorkerGone,
    WorkHint,
)
from hydra.dispatch.rewind import CAUSE, PARK_MAX, REASON_PAYLOAD
from hydra.errors import ConfigError, LeaseLost, PayloadError, StoreUnavailable
from hydra.execution import FINAL, Ending, ExecutionCommit, NodeInfo, NodeRef, Snapshot
from hydra.frames import Committed, FromWorker
from hydra.node.errands import Crashed, GiveBack, NextDue, Promote, RegisterWorkflows, Report, Settle, SettleFailed
from hydra.node.heirs import going_on_elsewhere, has_diverged, with_heirs
from hydra.node.peers import Reaper
from hydra.node.refused_values import write_or_park
from hydra.node.ticker import Ticker
from hydra.stores.store import Store, WorkflowInfo

NO_ANSWER = (StoreUnavailable, ConfigError)  # the latter: a file that was there cannot be opened or written any more
PROMOTE_LIMIT = 1000  # timers moved in one transaction

log = logging.getLogger("hydra.store")


class NodeClock(Clock, Protocol):
    """The database's time, carried forward (`clock.DatabaseClock`), or a fake one."""

    def calibrate(self, database_now: int, read_at_ns: int) -> None: ...


class StoreThread:
    """`ask` from the node's loop; `post` is called from this thread. A test without it calls `perform` itself."""

    def __init__(
        self,
        store: Store,
        clock: NodeClock,
        reaper: Reaper,
        post: Callable[[Report], None],
        *,
        tick_spread_us: int = 0,
    ) -> None:
        self._store = store
        self._ticker = Ticker(store, tick_spread_us)
        self._clock = clock
        self._reaper = reaper
        self._post = post
        self._node: NodeRef | None = None
        self._node_id = ""  # of the last registration
        self._proven_number: int | None = None  # of the connection over which the database was last proven (R19)
        self._inbox: queue.SimpleQueue[list[Action] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="hydra-store", daemon=True)
        self.info: NodeInfo | None = None  # as whom the next registration registers
        self._workflows: list[WorkflowInfo] = []
        self._unregistered_schedules = False  # the database did not answer; the next beat asks again

    def start(self) -> None:
        self._thread.start()

    def ask(self, actions: list[Action]) -> None:
        self._inbox.put(actions)

    def stop(self, timeout_seconds: float) -> bool:
        """Let it finish what it was asked; True when it ended in time."""
        self._inbox.put(None)
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    @property
    def is_registered(self) -> bool:
        return self._node is not None

    def leave(self) -> None:
        """Unregister and give back what is left; only after `stop`."""
        if self._node is None:
            return
        try:
            self._store.unregister_node(self._node, self._clock.now())
            while self._reaper.give_back(self._clock.now()):
                pass
            self._node = None
        except NO_ANSWER as error:
            log.warning("the database could not be told that this node leaves; others will notice: %s", error)
        except LeaseLost:
            log.warning("this node was declared dead before it could leave")

    def _run(self) -> None:
        try:
            while (actions := self._inbox.get()) is not None:
                while not self._inbox.empty():
                    more = self._inbox.get()
                    if more is None:
                        self._inbox.put(None)
                        break
                    actions = actions + more
                self.perform(actions)
        except BaseException as error:  # a bug, or a database beyond us: the node ends with the traceback
            self._post(Crashed(error))

    def perform(self, actions: list[Action]) -> None:
        """What was asked, at once and on the calling thread."""
        joint: list[Action] = []
        chores = set()
        for action in actions:
            if isinstance(action, SendCommit | SendClaim | SendBeat):
                joint.append(action)
            elif isinstance(action, Promote | GiveBack):
                chores.add(type(action))
            else:
                self._write(joint)
                joint = []
                self._alone(action)
        self._write(joint)
        if Promote in chores:
            self._promote()
        if GiveBack in chores:
            self._give_back()

    def _alone(self, action: Action) -> None:
        match action:
            case Register():
                self._register()
            case SendResync(ids):
                self._resync(ids)
            case Park():
                self._park(action)
            case Recover(ids):
                self._recover(ids)
            case Settle():
                self._settle(action)
            case RegisterWorkflows(workflows):
                self._register_workflows(workflows)
            case _:
                raise AssertionError(f"nobody does {action!r}")

    def _write(self, actions: list[Action]) -> None:
        """Commits, then a claim, then the beat: one transaction for all that was asked together."""
        node = self._node
        if node is None or not actions:
            return
        sent_ns = self._clock.boottime_ns()
        events: list[Event] = []
        heirs: dict[int, list[ExecutionCommit]] = {}
        elsewhere: frozenset[str] = frozenset()
        actions.sort(key=_rank)
        try:
            heirs = {
                action.batch: with_heirs(self._store, node, action.commits, self._clock.now())
                for action in actions
                if isinstance(action, SendCommit) and has_diverged(action.commits)
            }
            elsewhere = going_on_elsewhere(chain.from_iterable(heirs.values()))
            with self._store.transaction():
                if self._store.connection_number != self._proven_number:
                    self._post(Reconnected())
                    return
                now = self._clock.now()
                for action in actions:
                    match action:
                        case SendCommit(batch, commits):
                            written = self._store.commit(node, heirs.get(batch, commits), now)
                            events.append(CommitDone(batch, written, elsewhere))
                        case SendClaim(slots):
                            names = [workflow.name for workflow in self._workflows]
                            events.append(ClaimDone(self._store.claim(node, names, slots, now)))
                        case SendBeat(reports):
                            events.append(Beaten(sent_ns, self._store.heartbeat_node(node, now)))
                            if reports:
                                self._store.report_progress(node, reports, now)
        except LeaseLost:
            self._refuse()
            return
        except PayloadError as error:
            events = self._without_refused(node, actions, error)
        except NO_ANSWER as error:
            if isinstance(error, StoreUnavailable) and error.outcome == "unknown":
                events = [OutcomeUnknown(str(error), elsewhere)]
            else:
                events = [_failure(action, str(error)) for action in actions]
                self._locked_out(sent_ns)
        for event in events:
            self._post(event)
        if heirs or has_timers(actions):
            self._promote()
        if events and isinstance(events[-1], Beaten):
            self._after_beat(node, sent_ns)
            if self._unregistered_schedules:
                self._register_schedules(node)
            elif self._ticker.is_serving:
                self._ticker.look_soon()
                self._promote()

    def _without_refused(self, node: NodeRef, actions: list[Action], error: PayloadError) -> list[Event]:
        """All of it again, in smaller parts; the execution left alone with the value that is refused is parked."""
        events = []
        for action in actions:
            event = _failure(action, str(error))
            if isinstance(action, SendCommit) and len(action.commits) == 1:
                with suppress(LeaseLost, *NO_ANSWER):  # the next try is told
                    if self._store.connection_number == self._proven_number:
                        event = write_or_park(self._store, node, action, self._clock.now())
            events.append(event)
        return events

    def _after_beat(self, node: NodeRef, sent_ns: int) -> None:
        try:
            self._clock.calibrate(self._store.now(), self._clock.boottime_ns())
            waiting = self._reaper.look(node.id, sent_ns, self._clock.now())
        except NO_ANSWER as error:
            log.warning("the database did not say how the other nodes are: %s", error)
            return
        if waiting:
            self._give_back()

    def _give_back(self) -> None:
        try:
            returned = self._reaper.give_back(self._clock.now())
        except NO_ANSWER as error:
            log.warning("a dead node's executions wait for the next beat: %s", error)
            return
        if returned:
            log.info("gave back %d executions of dead nodes", returned)
            self._post(WorkHint())
            self._inbox.put([GiveBack()])

    def _promote(self) -> None:
        if self._node is None:
            return  # the database's clock may not have been read yet; the node asks again
        try:
            now = self._clock.now()
            due_at = self._store.next_due_at()
            if due_at is not None and due_at <= now:
                if self._store.promote(now, PROMOTE_LIMIT):
                    self._post(WorkHint())
                due_at = self._store.next_due_at()
            tick_at = self._fire_schedules(now)
        except LeaseLost:
            self._refuse()
            return
        except NO_ANSWER as error:
            log.warning("timers wait: %s", error)
            return
        self._post(NextDue(min((at for at in (due_at, tick_at) if at is not None), default=None)))

    def _fire_schedules(self, now: int) -> int | None:
        """The next instant at which one may be due."""
        if self._node is None or not self._ticker.is_serving:
            return None
        if self._ticker.look(self._node, now):
            self._post(WorkHint())
        return self._ticker.next_at

    def _register(self) -> None:
        assert self.info is not None
        sent_ns = self._clock.boottime_ns()
        try:
            self._clock.calibrate(self._store.now(), self._clock.boottime_ns())
            with self._store.transaction():
                now = self._clock.now()
                if self._is_registered():
                    node, _ = self._store.resync(NodeRef(self.info.id, 1))
                else:
                    node = self._store.register_node(self.info, now)
                self._store.register_workflows(node, self._workflows, now)
                self._proven_number = self._store.connection_number
        except NO_ANSWER as error:
            self._locked_out(sent_ns)
            self._post(RegisterFailed(str(error)))
            return
        self._node = node
        self._node_id = node.id
        self._post(Registered(sent_ns))
        self._after_beat(node, sent_ns)
        self._register_schedules(node)

    def _is_registered(self) -> bool:
        """Whether an earlier try was written although its reply was lost."""
        return any(node.info == self.info and node.state == "alive" for node in self._store.nodes())

    def _register_workflows(self, workflows: list[WorkflowInfo]) -> None:
        self._workflows = workflows
        if self._node is None:
            return  # the next registration brings them
        try:
            self._store.register_workflows(self._node, workflows, self._clock.now())
        except LeaseLost:
            self._refuse()
        except NO_ANSWER as error:
            log.warning("the database does not know the app's new signatures yet: %s", error)
        else:
            self._register_schedules(self._node)

    def _register_schedules(self, node: NodeRef) -> None:
        try:
            self._ticker.register(node, self._workflows, self._clock.now())
        except LeaseLost:
            self._refuse()
        except NO_ANSWER as error:
            log.warning("the database does not know the app's schedules yet: %s", error)
            self._unregistered_schedules = True
        else:
            self._unregistered_schedules = False
            if self._ticker.is_serving:
                self._promote()

    def _resync(self, ids: list[str]) -> None:
        """On one connection, so that what is read back is of the database that will be written."""
        node = self._node
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
            self._refuse()
        except NO_ANSWER as error:
            self._post(ResyncFailed(str(error)))
        else:
            self._node, self._proven_number = node, number
            self._post(Resynced(owned, counter, found))

    def _reached(self, snapshot: Snapshot, is_ours: bool) -> Reached:
        """Where records may have gone with their generation, the audit trail says so."""
        is_final = snapshot.status in FINAL
        lines = [] if is_final or is_ours else self._store.claims(snapshot.id)
        continued = [line.epoch for line in lines if line.ending == Ending.CONTINUED]
        return Reached(snapshot.id, snapshot.epoch, snapshot.record_count, is_final, max(continued, default=0))

    def _park(self, park: Park) -> None:
        """The claims this node still has, then what nobody has; both only where the database knows less."""
        parked: list[str] = []
        try:
            now = self._clock.now()
            if self._node is not None and park.commits:
                with suppress(LeaseLost):
                    written = self._store.commit(self._node, park.commits, now)
                    parked += [commit.id for commit, done in zip(park.commits, written, strict=True) if done]
            for start in range(0, len(park.advanced), PARK_MAX):
                part = park.advanced[start : start + PARK_MAX]
                parked += self._store.park(self._node_id, part, CAUSE, REASON_PAYLOAD, now)
        except NO_ANSWER as error:
            self._post(ParkFailed(str(error)))
        else:
            self._node = None
            self._post(Parked(parked))

    def _recover(self, ids: list[str]) -> None:
        if self._node is None:
            return
        try:
            executions = self._store.recover(self._node, ids)
        except LeaseLost:
            self._refuse()
        except NO_ANSWER as error:
            self._post(ResyncFailed(str(error)))
        else:
            self._post(Recovered(executions))

    def _settle(self, settle: Settle) -> None:
        """With the node's session raised, no transaction of the dead worker can commit any more."""
        gone = settle.gone
        if self._node is not None:
            try:
                self._node, _ = self._store.resync(self._node)
                executions = self._store.recover(self._node, list(settle.known))
            except LeaseLost:
                self._refuse()
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

    @property
    def next_tick_at(self) -> int | None:
        """When the next tick of a schedule fires, as far as it depends on time alone."""
        return self._ticker.next_tick_at

    @property
    def session(self) -> int:
        """Of the present registration; 0 for none."""
        node = self._node
        return 0 if node is None else node.session

    def _locked_out(self, now_ns: int) -> None:
        with suppress(*NO_ANSWER):
            self._reaper.locked_out(now_ns)

    def _refuse(self) -> None:
        self._node = None
        self._post(Refused())


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


def commits_of(action: Action) -> list[ExecutionCommit]:
    return action.commits if isinstance(action, SendCommit) else []


def has_timers(actions: list[Action]) -> bool:
    return any(commit.end is not None and commit.end.wake_at for action in actions for commit in commits_of(action))


def _rank(action: Action) -> int:
    return 0 if isinstance(action, SendCommit) else 1 if isinstance(action, SendClaim) else 2


def _failure(action: Action, message: str) -> Event:
    match action:
        case SendCommit(batch):
            return CommitFailed(batch, message)
        case SendClaim():
            return ClaimFailed(message)
        case _:
            return BeatFailed(message)
