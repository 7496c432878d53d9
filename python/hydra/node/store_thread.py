"""A node's store thread: the one owner of its writer connection (R11). Does what the dispatcher asks, decides nothing.

    node ──ask(actions)──► inbox ──► one transaction: commit, claim, beat ──post(events)──► node
                                     `membership`: who writes · `chores`: what is tidied between the transactions

A refused write drops everything asked before the next registration: the dispatcher was told once, with Refused.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
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
from hydra.errors import LeaseLost, StoreUnavailable
from hydra.execution import ExecutionCommit, NodeRef
from hydra.node.chores import Chores
from hydra.node.errands import Crashed, GiveBack, Promote, RegisterWorkflows, Report, Settle
from hydra.node.heirs import going_on_elsewhere, has_diverged, with_heirs
from hydra.node.membership import NO_ANSWER, Membership, NodeClock
from hydra.node.peers import Reaper
from hydra.node.ticker import Ticker
from hydra.stores.store import Store, WorkflowInfo

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
        tick_spread_us: int = 0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._post = post
        self._reaper = reaper
        self._ticker = Ticker(store, tick_spread_us)
        self.membership = Membership(store, clock, post)
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
            self._chores.promote()
        if GiveBack in chores:
            self._give_back()

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
                self._register_workflows(workflows)
            case _:
                raise AssertionError(f"nobody does {action!r}")

    def _write(self, actions: list[Action]) -> None:
        """Commits, then a claim, then the beat: one transaction for all that was asked together."""
        node = self.membership.node
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
                if self._store.connection_number != self.membership.proven_number:
                    self._post(Reconnected())
                    return
                now = self._clock.now()
                for action in actions:
                    match action:
                        case SendCommit(batch, commits):
                            written = self._store.commit(node, heirs.get(batch, commits), now)
                            events.append(CommitDone(batch, written, elsewhere))
                        case SendClaim(slots):
                            names = [workflow.name for workflow in self.membership.workflows]
                            events.append(ClaimDone(self._store.claim(node, names, slots, now)))
                        case SendBeat(reports):
                            events.append(Beaten(sent_ns, self._store.heartbeat_node(node, now)))
                            if reports:
                                self._store.report_progress(node, reports, now)
        except LeaseLost:
            self.membership.refuse()
            return
        except NO_ANSWER as error:
            if isinstance(error, StoreUnavailable) and error.outcome == "unknown":
                events = [OutcomeUnknown(str(error), elsewhere)]
            else:
                events = [_failure(action, str(error)) for action in actions]
                self._chores.locked_out(sent_ns)
        for event in events:
            self._post(event)
        if heirs or has_timers(actions):
            self._chores.promote()
        if events and isinstance(events[-1], Beaten):
            self._after_beat(node, sent_ns)
            self._chores.see_to_schedules(node)

    def _after_beat(self, node: NodeRef, sent_ns: int) -> None:
        if self._chores.after_beat(node, sent_ns):
            self._give_back()

    def _give_back(self) -> None:
        if self._chores.give_back():
            self._inbox.put([GiveBack()])

    def _register(self) -> None:
        sent_ns = self._clock.boottime_ns()
        if not self.membership.register():
            self._chores.locked_out(sent_ns)
        elif (node := self.membership.node) is not None:
            self._after_beat(node, sent_ns)
            self._chores.register_schedules(node)

    def _register_workflows(self, workflows: list[WorkflowInfo]) -> None:
        if self.membership.register_workflows(workflows) and (node := self.membership.node) is not None:
            self._chores.register_schedules(node)


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
