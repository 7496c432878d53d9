"""What a node tidies between its writes: timers made due, ticks fired, dead peers' work given back.

Each chore is a few bounded transactions on the store thread. One that gets no answer is left for the next time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from hydra.dispatch.events import WorkHint
from hydra.errors import LeaseLost
from hydra.execution import NodeRef
from hydra.node.errands import NextDue, Report
from hydra.node.membership import NO_ANSWER, Membership, NodeClock
from hydra.node.peers import Reaper
from hydra.node.ticker import Ticker
from hydra.stores.store import Store

PROMOTE_LIMIT = 1000  # timers moved in one transaction

log = logging.getLogger("hydra.store")


class Chores:
    def __init__(
        self,
        store: Store,
        clock: NodeClock,
        reaper: Reaper,
        ticker: Ticker,
        membership: Membership,
        post: Callable[[Report], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._reaper = reaper
        self._ticker = ticker
        self._membership = membership
        self._post = post
        self._unregistered_schedules = False  # the database did not answer; the next beat asks again

    def after_beat(self, node: NodeRef, sent_ns: int) -> bool:
        """Read the clock, look who is dead; whether a dead node's work waits to be given back."""
        try:
            self._clock.calibrate(self._store.now(), self._clock.boottime_ns())
            return self._reaper.look(node.id, sent_ns, self._clock.now())
        except NO_ANSWER as error:
            log.warning("the database did not say how the other nodes are: %s", error)
            return False

    def see_to_schedules(self, node: NodeRef) -> None:
        """After a beat: somebody may have paused, resumed or changed one."""
        if self._unregistered_schedules:
            self.register_schedules(node)
        elif self._ticker.is_serving:
            self._ticker.look_soon()
            self.promote()

    def give_back(self) -> bool:
        """One batch; whether there may be more."""
        try:
            returned = self._reaper.give_back(self._clock.now())
        except NO_ANSWER as error:
            log.warning("a dead node's executions wait for the next beat: %s", error)
            return False
        if returned:
            log.info("gave back %d executions of dead nodes", returned)
            self._post(WorkHint())
        return bool(returned)

    def promote(self) -> None:
        if self._membership.node is None:
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
            self._membership.refuse()
            return
        except NO_ANSWER as error:
            log.warning("timers wait: %s", error)
            return
        self._post(NextDue(min((at for at in (due_at, tick_at) if at is not None), default=None)))

    def register_schedules(self, node: NodeRef) -> None:
        try:
            self._ticker.register(node, self._membership.workflows, self._clock.now())
        except LeaseLost:
            self._membership.refuse()
        except NO_ANSWER as error:
            log.warning("the database does not know the app's schedules yet: %s", error)
            self._unregistered_schedules = True
        else:
            self._unregistered_schedules = False
            if self._ticker.is_serving:
                self.promote()

    def locked_out(self, now_ns: int) -> None:
        """The database could not be written."""
        with suppress(*NO_ANSWER):
            self._reaper.locked_out(now_ns)

    def _fire_schedules(self, now: int) -> int | None:
        """The next instant at which one may be due."""
        node = self._membership.node
        if node is None or not self._ticker.is_serving:
            return None
        if self._ticker.look(node, now):
            self._post(WorkHint())
        return self._ticker.next_at
