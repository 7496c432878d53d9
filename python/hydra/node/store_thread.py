"""A node's store thread: the one owner of its writer connection (R11). Does what the dispatcher asks, decides nothing.

    node ──ask(actions)──► inbox ──► `request_queue` ──► a transaction: commit, claim, beat ──post(events)──► node
                                     what next             `membership`: who writes · `maintenance`: what lies between

A refused write drops everything asked before the next registration: the dispatcher was told once, with Refused.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import chain

from hydra.client.signatures import KnownSignatures
from hydra.dispatch.events import (
    Action,
    Beaten,
    BeatFailed,
    BreakerClosed,
    BreakerOpened,
    BreakersSeen,
    ClaimDone,
    ClaimFailed,
    CommitDone,
    CommitFailed,
    DrainAsked,
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
    WatchBreakers,
)
from hydra.errors import LeaseLost, PayloadError, StoreUnavailable
from hydra.execution import End, ExecutionCommit, NodeRef
from hydra.node.handover import going_on_elsewhere, has_diverged, with_recipients
from hydra.node.maintenance import Maintenance
from hydra.node.membership import NO_ANSWER, Membership, NodeClock
from hydra.node.reaper import Reaper
from hydra.node.refused_values import answer_of, tell_parked, write_apart
from hydra.node.request_queue import MAINTENANCE, RequestQueue
from hydra.node.requests import (
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
from hydra.node.schedule_ticker import Ticker
from hydra.node.spawns_by_name import Completed, completed
from hydra.stores.batches import ends_of, have_cool_downs
from hydra.stores.encrypting import encrypting
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
        self._request_queue = RequestQueue(lease_ttl_ns)
        self._maintenance = Maintenance(store, clock, reaper, self._ticker, self.membership, post)
        self._signatures = KnownSignatures(store.workflows)
        self._watches_breakers = False  # the app's steps have some
        self._is_plain = encrypting(store) is None  # it has no payload keys, and knows of none in the namespace
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
            while is_open or self._request_queue.has_asked:
                has_done = self._do_next()
                is_open = self._collect(self._request_queue.wait_seconds(has_done)) and is_open
        except BaseException as error:  # a bug, or a database beyond us: the node ends with the traceback
            self._post(Crashed(error))

    def perform(self, actions: list[Action]) -> None:
        """What was asked, at once and on the calling thread."""
        self._request_queue.ask(actions)
        while self._do_next():
            pass

    def _collect(self, timeout_seconds: float | None) -> bool:
        """What was asked meanwhile, or is asked by then; False when nothing more will be."""
        with suppress(queue.Empty):
            actions = self._inbox.get(timeout=timeout_seconds)
            while actions is not None:
                self._request_queue.ask(actions)
                actions = self._inbox.get(block=False)
            return False
        return True

    def _do_next(self) -> bool:
        began_ns = self._clock.boottime_ns()
        actions = self._request_queue.next(began_ns)
        if not actions:
            return False
        if isinstance(actions[0], SendCommit | SendClaim | SendBeat):
            self._write(actions)
        elif isinstance(actions[0], MAINTENANCE):
            self._tidy(actions[0])
        else:
            self._alone(actions[0])
        self._request_queue.ended(actions, began_ns, self._clock.boottime_ns())
        return True

    def _tidy(self, task: Action) -> None:
        """Maintenance that fails is done again later, by whichever node comes to it; it ends none (G7)."""
        try:
            self._alone(task)
        except Exception:
            log.exception("`%s` failed, and hydra does not know why; please report this", type(task).__name__)

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
                    self._maintenance.has_new_schedules = True
                    self._request_queue.ask([SeeToSchedules()])
            case Promote():
                if self._maintenance.look_at_timers():
                    self._request_queue.ask([MoveTimers()])
            case MoveTimers():
                self._maintenance.move_timers()
                self._request_queue.ask([Promote()])
            case GiveBack():
                if self._maintenance.give_back():
                    self._request_queue.ask([GiveBack()])
            case LookAtPeers():
                self._look_for_keys()
                if self._maintenance.look_at_peers():
                    self._request_queue.ask([GiveBack()])
            case WatchBreakers():
                self._watches_breakers = True
            case BreakerOpened(name, until, reason):
                self.membership.tell_breaker(name, until, reason)
            case BreakerClosed(name):
                self.membership.tell_breaker(name, None, "")
            case SeeToSchedules():
                if self._maintenance.see_to_schedules():
                    self._request_queue.ask([Promote()])
            case _:
                raise AssertionError(f"nobody does {action!r}")

    def _write(self, actions: list[Action]) -> None:
        """Commits, then a claim, then the beat, in one transaction."""
        node = self.membership.node
        if node is None:
            return
        began_ns = sent_ns = self._clock.boottime_ns()
        events: list[Event] = []
        successors: dict[int, list[ExecutionCommit]] = {}
        elsewhere: frozenset[str] = frozenset()
        must_drain = False
        circuits: dict[str, str] = {}
        written_as: dict[int, Completed] = {}
        rest: list[Action] = []  # to be written once what is refused has been parked
        ends = ends_of(list(chain.from_iterable(map(commits_of, actions))))
        try:
            if has_diverged(ends):
                successors = {
                    action.batch: with_recipients(self._store, node, action.commits, self._clock.now())
                    for action in actions
                    if isinstance(action, SendCommit)
                }
                elsewhere = going_on_elsewhere(chain.from_iterable(successors.values()))
            written_as = {
                action.batch: completed(successors.get(action.batch, action.commits), self._signatures.registered)
                for action in actions
                if isinstance(action, SendCommit)
            }
            with self._store.transaction():
                # guard R19: nothing is written over a connection that has not been proven
                if self._store.connection_number != self.membership.proven_number:
                    self._request_queue.drop()
                    self._post(Reconnected())
                    return
                now = self._clock.now()
                for action in actions:
                    is_last = action is actions[-1]
                    match action:
                        case SendCommit(batch):
                            asked = written_as[batch]
                            items = list(asked.written)
                            written = []
                            if items or not asked.held_ids:
                                written = self._store.commit(node, items, now, is_last=is_last)
                            commits, parked_ids, held_ids = asked
                            events.append(answer_of(batch, commits, written, parked_ids, held_ids, elsewhere))
                        case SendClaim(slots):
                            # guard R27: a node claims only what its own code has
                            names = [each.name for each in self.membership.workflows if each.is_served]
                            claimed = self._store.claim(node, names, slots, now, is_last=is_last)
                            events.append(ClaimDone(claimed))
                        case SendBeat(reports, listening, circuits):
                            if reports:
                                self._store.report_progress(node, reports, now)
                            sent_ns = self._clock.boottime_ns()
                            beat = self._store.heartbeat_node(node, now, listening=listening, is_last=is_last)
                            self._clock.calibrate(beat.now, self._clock.boottime_ns())
                            events.append(Beaten(sent_ns, beat))
                            must_drain = beat.must_drain
        except LeaseLost:
            self.membership.refuse()
            return
        except NO_ANSWER as error:
            events = self._unanswered(error, actions, elsewhere, began_ns)
        except Exception as error:  # of one item of the batch: it ends no node (G7)
            if not isinstance(error, PayloadError):
                log.exception("the database could not be written, and hydra does not know why; please report this")
            try:
                events, rest = self._without_refused(node, actions, written_as, elsewhere, error)
            except LeaseLost:
                self.membership.refuse()
                return
            except Exception as again:
                events = self._unanswered(again, actions, elsewhere, began_ns)
        is_parked = False
        for event in events:
            self._post(event)
            if isinstance(event, CommitDone) and event.given_up:
                is_parked = True
                tell_parked(self._store, event)
        is_limit_freed = (is_parked or bool(ends)) and self.membership.has_limits
        is_turn_used = any(isinstance(event, ClaimDone) and event.executions for event in events)
        if successors or has_timers(actions, ends) or is_limit_freed or (is_turn_used and self.membership.has_turns):
            self._request_queue.ask([Promote()])
        if must_drain:
            self._post(DrainAsked())
        if events and isinstance(events[-1], Beaten):
            self._reaper.beaten(sent_ns)
            self._request_queue.ask([LookAtPeers(), SeeToSchedules()])
            self.membership.tell_circuits(circuits)
            if self._watches_breakers and (seen := self.membership.open_breakers()) is not None:
                self._post(BreakersSeen(seen, self._clock.now()))
        if rest:
            self._write(rest)

    def _look_for_keys(self) -> None:
        if self._is_plain and self.membership.is_to_encrypt():
            self._is_plain = False
            log.error("payloads are encrypted from now on, and this node has no payload keys: it drains and ends")
            self._post(DrainAsked())

    def _unanswered(
        self, error: Exception, actions: list[Action], elsewhere: frozenset[str], began_ns: int
    ) -> list[Event]:
        dropped = self._request_queue.drop()  # guard R4: a beat that waits behind a commit fails with it
        if isinstance(error, StoreUnavailable) and error.outcome == "unknown":
            return [OutcomeUnknown(str(error), elsewhere)]
        if isinstance(error, NO_ANSWER):
            self._maintenance.locked_out(began_ns)
        return [_failure(action, str(error)) for action in actions + dropped]

    def _without_refused(
        self,
        node: NodeRef,
        actions: list[Action],
        written_as: dict[int, Completed],
        elsewhere: frozenset[str],
        error: Exception,
    ) -> tuple[list[Event], list[Action]]:
        """All of it again, in smaller parts, where that is known to help; and what is still to be asked after that."""
        count = sum(len(items.written) for items in written_as.values())
        if not count or (count > 1 and not isinstance(error, PayloadError)):
            return [_failure(action, str(error)) for action in actions], []
        proven_number, now = self.membership.proven_number, self._clock.now()
        done = write_apart(self._store, node, proven_number, written_as, elsewhere, now)
        return [*done], [action for action in actions if not isinstance(action, SendCommit)]

    def _register(self) -> None:
        began_ns = self._clock.boottime_ns()
        sent_ns = self.membership.register()
        if sent_ns is None:
            self._maintenance.locked_out(began_ns)
        else:
            self._maintenance.has_new_schedules = True
            self._reaper.beaten(sent_ns)
            self._request_queue.ask([LookAtPeers(), SeeToSchedules()])


def commits_of(action: Action) -> list[ExecutionCommit]:
    return action.commits if isinstance(action, SendCommit) else []


def has_timers(actions: list[Action], ends: list[End]) -> bool:
    """A key that cools down is looked at, too, and again when that is over."""
    return any(end.wake_at for end in ends) or any(have_cool_downs(commits_of(action)) for action in actions)


def _failure(action: Action, message: str) -> Event:
    match action:
        case SendCommit(batch):
            return CommitFailed(batch, message)
        case SendClaim():
            return ClaimFailed(message)
        case _:
            return BeatFailed(message)
