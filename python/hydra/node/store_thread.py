"""A node's store thread: the one owner of its writer connection (R11). Does what the dispatcher asks, decides nothing.

    node ──ask(actions)──► inbox ──► `agenda` ──► a transaction: commit, claim, beat ──post(events)──► node
                                     what next      `membership`: who writes · `chores`: what is tidied in between

A refused write drops everything asked before the next registration: the dispatcher was told once, with Refused.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import chain

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
    Reconnected,
    Recover,
    Register,
    SendBeat,
    SendClaim,
    SendCommit,
    SendResync,
)
from hydra.errors import LeaseLost, PayloadError, StoreUnavailable
from hydra.execution import ExecutionCommit, NodeRef
from hydra.node.agenda import Agenda
from hydra.node.chores import Chores
from hydra.node.errands import (
    Crashed,
    GiveBack,
    LookAtPeers,
    MoveTimers,
    Promote,
    RegisterWorkflows,
    Report,
    SeeToSchedules,
    Settle,
)
from hydra.node.heirs import going_on_elsewhere, has_diverged, with_heirs
from hydra.node.membership import NO_ANSWER, Membership, NodeClock
from hydra.node.peers import Reaper
from hydra.node.refused_values import write_or_park
from hydra.node.ticker import Ticker
from hydra.stores.store import Store

log = logging.getLogger("hydra.store")


class StoreThread:
    """`ask` from the node's loop; `post` is called from this thread. A test without it calls `perform` itself."""

    def __init__(
        self,
        store: Store,
        clock: NodeClock,
        reaper: Reaper,
        post: Callable[[Report], None],
        *,
        lease_ttl_ns: int,
        tick_spread_us: int = 0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._post = post
        self._reaper = reaper
        self._ticker = Ticker(store, tick_spread_us)
        self.membership = Membership(store, clock, post)
        self._agenda = Agenda(lease_ttl_ns)
        self._chores = Chores(store, clock, reaper, self._ticker, self.membership, post)
        self._inbox: queue.SimpleQueue[list[Action] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="hydra-store", daemon=True)

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
    def next_tick_at(self) -> int | None:
        """When the next tick of a schedule fires, as far as it depends on time alone."""
        return self._ticker.next_tick_at

    def leave(self) -> None:
        """Unregister and give back what is left; only after `stop`."""
        if self.membership.node is None:
            return
        try:
            self.membership.leave()
            while self._reaper.give_back(self._clock.now()):
                pass
            self.membership.node = None
        except NO_ANSWER as error:
            log.warning("the database could not be told that this node leaves; others will notice: %s", error)
        except LeaseLost:
            log.warning("this node was declared dead before it could leave")

    def _run(self) -> None:
        try:
            is_open = True
            while is_open or self._agenda.has_asked:
                has_done = self._do_next()
                is_open = self._collect(0 if has_done else self._patience_seconds()) and is_open
        except BaseException as error:  # a bug, or a database beyond us: the node ends with the traceback
            self._post(Crashed(error))

    def perform(self, actions: list[Action]) -> None:
        """What was asked, at once and on the calling thread."""
        self._agenda.ask(actions)
        while self._do_next():
            pass

    def _patience_seconds(self) -> float | None:
        return None if self._agenda.is_empty else self._agenda.patience_ns / 1e9

    def _collect(self, timeout_seconds: float | None) -> bool:
        """What was asked meanwhile, or is asked by then; False when nothing more will be."""
        with suppress(queue.Empty):
            actions = self._inbox.get(timeout=timeout_seconds)
            while actions is not None:
                self._agenda.ask(actions)
                actions = self._inbox.get(block=False)
            return False
        return True

    def _do_next(self) -> bool:
        began_ns = self._clock.boottime_ns()
        actions = self._agenda.next(began_ns)
        if not actions:
            return False
        if isinstance(actions[0], SendCommit | SendClaim | SendBeat):
            self._write(actions)
        else:
            self._alone(actions[0])
        self._agenda.ended(actions, began_ns, self._clock.boottime_ns())
        return True

    def _alone(self, action: Action) -> None:
        match action:
            case Register():
                self._register()
            case SendResync(ids):
                self.membership.resync(ids)
            case Park():
                self.membership.park(action)
            case Recover(ids):
                self.membership.recover(ids)
            case Settle():
                self.membership.settle(action)
            case RegisterWorkflows(workflows):
                if self.membership.register_workflows(workflows):
                    self._chores.has_new_schedules = True
                    self._agenda.ask([SeeToSchedules()])
            case Promote():
                if self._chores.look_at_timers():
                    self._agenda.ask([MoveTimers()])
            case MoveTimers():
                self._chores.move_timers()
                self._agenda.ask([Promote()])
            case GiveBack():
                if self._chores.give_back():
                    self._agenda.ask([GiveBack()])
            case LookAtPeers():
                if self._chores.look_at_peers():
                    self._agenda.ask([GiveBack()])
            case SeeToSchedules():
                if self._chores.see_to_schedules():
                    self._agenda.ask([Promote()])
            case _:
                raise AssertionError(f"nobody does {action!r}")

    def _write(self, actions: list[Action]) -> None:
        """Commits, then a claim, then the beat, in one transaction."""
        node = self.membership.node
        if node is None:
            return
        began_ns = sent_ns = self._clock.boottime_ns()
        events: list[Event] = []
        heirs: dict[int, list[ExecutionCommit]] = {}
        elsewhere: frozenset[str] = frozenset()
        try:
            heirs = {
                action.batch: with_heirs(self._store, node, action.commits, self._clock.now())
                for action in actions
                if isinstance(action, SendCommit) and has_diverged(action.commits)
            }
            elsewhere = going_on_elsewhere(chain.from_iterable(heirs.values()))
            with self._store.transaction():
                if self._store.connection_number != self.membership.proven_number:
                    self._agenda.drop()
                    self._post(Reconnected())
                    return
                now = self._clock.now()
                for action in actions:
                    is_last = action is actions[-1]
                    match action:
                        case SendCommit(batch, commits):
                            written = self._store.commit(node, heirs.get(batch, commits), now, is_last=is_last)
                            events.append(CommitDone(batch, written, elsewhere))
                        case SendClaim(slots):
                            names = [workflow.name for workflow in self.membership.workflows]
                            claimed = self._store.claim(node, names, slots, now, is_last=is_last)
                            events.append(ClaimDone(claimed))
                        case SendBeat(reports):
                            if reports:
                                self._store.report_progress(node, reports, now)
                            sent_ns = self._clock.boottime_ns()
                            beat = self._store.heartbeat_node(node, now, is_last=is_last)
                            self._clock.calibrate(beat.now, self._clock.boottime_ns())
                            events.append(Beaten(sent_ns, beat))
        except LeaseLost:
            self.membership.refuse()
            return
        except PayloadError as error:
            events = self._without_refused(node, actions, error)
        except NO_ANSWER as error:
            dropped = self._agenda.drop()
            if isinstance(error, StoreUnavailable) and error.outcome == "unknown":
                events = [OutcomeUnknown(str(error), elsewhere)]
            else:
                events = [_failure(action, str(error)) for action in actions + dropped]
                self._chores.locked_out(began_ns)
        for event in events:
            self._post(event)
        if heirs or has_timers(actions):
            self._agenda.ask([Promote()])
        if events and isinstance(events[-1], Beaten):
            self._reaper.beaten(sent_ns)
            self._agenda.ask([LookAtPeers(), SeeToSchedules()])

    def _without_refused(self, node: NodeRef, actions: list[Action], error: PayloadError) -> list[Event]:
        """All of it again, in smaller parts; the execution left alone with the value that is refused is parked."""
        events = []
        for action in actions:
            event = _failure(action, str(error))
            if isinstance(action, SendCommit) and len(action.commits) == 1:
                with suppress(LeaseLost, *NO_ANSWER):  # the next try is told
                    if self._store.connection_number == self.membership.proven_number:
                        event = write_or_park(self._store, node, action, self._clock.now())
            events.append(event)
        return events

    def _register(self) -> None:
        began_ns = self._clock.boottime_ns()
        sent_ns = self.membership.register()
        if sent_ns is None:
            self._chores.locked_out(began_ns)
        else:
            self._chores.has_new_schedules = True
            self._reaper.beaten(sent_ns)
            self._agenda.ask([LookAtPeers(), SeeToSchedules()])


def commits_of(action: Action) -> list[ExecutionCommit]:
    return action.commits if isinstance(action, SendCommit) else []


def has_timers(actions: list[Action]) -> bool:
    return any(commit.end is not None and commit.end.wake_at for action in actions for commit in commits_of(action))


def _failure(action: Action, message: str) -> Event:
    match action:
        case SendCommit(batch):
            return CommitFailed(batch, message)
        case SendClaim():
            return ClaimFailed(message)
        case _:
            return BeatFailed(message)
