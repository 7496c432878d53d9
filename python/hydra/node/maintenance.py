"""What a node tidies between its writes: timers made due, ticks fired, dead peers' work given back.

Each task is a few bounded transactions on the store thread. One that gets no answer is left for the next time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from hydra.dispatch.events import WorkHint
from hydra.errors import LeaseLost
from hydra.node.membership import NO_ANSWER, Membership, NodeClock
from hydra.node.outcome_log import tell_found
from hydra.node.reaper import Reaper
from hydra.node.requests import NextDue, Report
from hydra.node.schedule_ticker import Ticker
from hydra.stores.store import Store

PROMOTE_LIMIT = 1000  # timers moved in one transaction

log = logging.getLogger("hydra.store")


class Maintenance:
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
        self._has_moved = False  # a batch of timers, since the last look at them
        self._has_failed = False  # to move them; the node asks again after a while
        self.has_new_schedules = False  # of the app's code: the database is to know them

    def look_at_peers(self) -> bool:
        """After each beat: who is dead; whether a dead node's work waits to be given back."""
        node = self._membership.node
        if node is None:
            return False
        try:
            return self._reaper.look(node.id, self._clock.boottime_ns, self._clock.now())
        except NO_ANSWER as error:
            log.warning("the database did not say how the other nodes are: %s", error)
            return False

    def see_to_schedules(self) -> bool:
        """Register them where they are new; else, after a beat, somebody may have paused, resumed or changed one.
        Whether there are any."""
        if self.has_new_schedules:
            self._register_schedules()
        else:
            self._ticker.look_soon()
        return self._ticker.is_serving

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

    def look_at_timers(self) -> bool:
        """Whether some are to be moved; if none are, or one batch was, fire ticks and say when the next is due."""
        has_moved, self._has_moved = self._has_moved, False
        has_failed, self._has_failed = self._has_failed, False
        if self._membership.node is None or has_failed:
            return False  # the database's clock may not have been read yet; the node asks again
        try:
            now = self._clock.now()
            due_at = self._store.next_due_at()
            if due_at is not None and due_at <= now and not has_moved:
                return True
            tick_at = self._fire_schedules(now)
        except LeaseLost:
            self._membership.refuse()
            return False
        except NO_ANSWER as error:
            log.warning("timers wait: %s", error)
            return False
        self._post(NextDue(min((at for at in (due_at, tick_at) if at is not None), default=None)))
        return False

    def move_timers(self) -> None:
        self._has_moved = True
        try:
            failed: list[str] = []
            if self._store.promote(self._clock.now(), PROMOTE_LIMIT, failed=failed):
                self._post(WorkHint())
            if failed:
                tell_found(self._store, failed)
        except NO_ANSWER as error:
            self._has_failed = True
            log.warning("timers wait: %s", error)

    def locked_out(self, now_ns: int) -> None:
        """The database could not be written."""
        with suppress(*NO_ANSWER):
            self._reaper.locked_out(now_ns)

    def _register_schedules(self) -> None:
        node = self._membership.node
        if node is None:
            return
        try:
            self._ticker.register(node, self._membership.workflows, self._clock.now())
        except LeaseLost:
            self._membership.refuse()
        except NO_ANSWER as error:
            log.warning("the database does not know the app's schedules yet: %s", error)
        else:
            self.has_new_schedules = False

    def _fire_schedules(self, now: int) -> int | None:
        """The next instant at which one may be due."""
        node = self._membership.node
        if node is None or not self._ticker.is_serving:
            return None
        if self._ticker.look(node, now):
            self._post(WorkHint())
        return self._ticker.next_at
