"""A node's schedules: registers those of its code, and fires their ticks when the time has come. Decides none of it.

    beat, tick ──► look: rows of the database ► schedules.fire ► store.fire_schedules, refused where another was first

Every node that has a schedule in its code looks; the row's revision lets one of them through (R25).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence

from hydra import schedules
from hydra.errors import ConfigError
from hydra.execution import FINAL, NodeRef
from hydra.schedules import ScheduleChange, ScheduleState
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

REGISTER_TRIES = 5  # against other nodes that register at the same moment
BLOCKED_LOOK_US = 500_000  # between two looks whether an execution that ticks wait for has ended
RETIRE_LOOK_US = 60_000_000  # between two looks whether an older node serves what this code has no more

log = logging.getLogger("hydra.schedules")


class Ticker:
    """For the thread that owns the store's writer. `spread_us`: nodes do not all look in the very moment of a tick."""

    def __init__(self, store: Store, spread_us: int = 0) -> None:
        self._store = store
        self._spread_us = spread_us
        self._app = ""
        self._names: set[str] = set()
        self._retires_at: int | None = None
        self._looks_at: int | None = None
        self._tick_at: int | None = None
        self._unknown: set[str] = set()

    @property
    def is_serving(self) -> bool:
        return bool(self._names) or self._retires_at is not None

    @property
    def next_at(self) -> int | None:
        """When the next look is due; None: not before somebody changes something."""
        return min((at for at in (self._looks_at, self._retires_at) if at is not None), default=None)

    @property
    def next_tick_at(self) -> int | None:
        """When the next tick fires, as far as it depends on time alone."""
        return self._tick_at

    def register(self, node: NodeRef, workflows: Sequence[WorkflowInfo], now: int) -> None:
        """These are in the node's code from now on."""
        specs = {workflow.name: workflow.schedule for workflow in workflows if workflow.schedule is not None}
        self._app = next((workflow.app for workflow in workflows), "")
        if not specs and not self._names and not self._app:
            return
        self._retires_at = now if self._app else None
        for _ in range(REGISTER_TRIES):
            known = {state.name: state for state in self._store.schedules()}
            changed = [known[name] for name, spec in specs.items() if name in known and known[name].spec != spec]
            changed_here = [state for state in changed if self._is_known_here(state)]
            # The old times that are due, before the new ones replace them.
            self._write(node, self._changes(changed_here, now), changed_here, now)
            if changed_here:
                known = {state.name: state for state in self._store.schedules()}
            entries = [schedules.register(name, spec, known.get(name), now) for name, spec in sorted(specs.items())]
            self._store.upsert_schedules(node, entries, now)
            written = {state.name: state.spec for state in self._store.schedules()}
            if all(written[name] == spec for name, spec in specs.items()):
                break
        self._names = set(specs)
        self._looks_at = now if specs else None
        self._tick_at = None

    def look_soon(self) -> None:
        """Somebody may have paused, resumed or changed one."""
        if self._names:
            self._looks_at = 0

    def look(self, node: NodeRef, now: int) -> int:
        """Fire what is due, if it is time to look; how many executions there are more."""
        if self._retires_at is not None and self._retires_at <= now:
            self._retire(node, now)
        if self._looks_at is None or self._looks_at > now:
            return 0
        states = self._served()
        changes = self._changes(states, now)
        fired = self._write(node, changes, states, now)
        if changes:
            states = self._served()
        ticks = [at for state in states if (at := schedules.looks_at(state)) is not None]
        looks = [at + random.randint(0, self._spread_us) for at in ticks if at > now]
        if len(looks) < len(ticks) or any(map(is_waiting, states)):  # another node was first, or something runs still
            looks.append(now + BLOCKED_LOOK_US)
        self._tick_at = min(ticks, default=None)
        self._looks_at = min(looks, default=None)
        return fired

    def _retire(self, node: NodeRef, now: int) -> None:
        """Schedules that this app's code has no more: their ticks are not missed, nobody wants them."""
        states = [state for state in self._store.schedules() if state.spec.app == self._app]
        changes = [schedules.retire(state, self._app, self._names, now) for state in states]
        self._write(node, [change for change in changes if change is not None], states, now)
        has_others = any(state.name not in self._names for state in states)  # older nodes may come back
        self._retires_at = now + RETIRE_LOOK_US if has_others else None

    def _served(self) -> list[ScheduleState]:
        return [state for state in self._store.schedules() if state.name in self._names and self._is_known_here(state)]

    def _is_known_here(self, state: ScheduleState) -> bool:
        """False for a time zone or policy that only another host or version knows; said once."""
        try:
            state.spec.cron()
            for waiting in state.progress.queue:
                waiting.cron()
        except ConfigError as error:
            if state.name not in self._unknown:
                log.error("schedule `%s` does not fire on this host: %s", state.name, error)
                self._unknown.add(state.name)
            return False
        self._unknown.discard(state.name)
        return True

    def _write(
        self, node: NodeRef, changes: Sequence[ScheduleChange], states: Sequence[ScheduleState], now: int
    ) -> int:
        if not changes:
            return 0
        fired = 0
        before = {state.name: state for state in states}
        for change, is_written in zip(changes, self._store.fire_schedules(node, changes, now), strict=True):
            if is_written:
                fired += len(change.submissions)
                report(change, before[change.name])
        return fired

    def _changes(self, states: Sequence[ScheduleState], now: int) -> list[ScheduleChange]:
        due = [state for state in states if is_due(state, now)]
        ids = [id for state in due for id in state.progress.running]
        unfinished = {one.id for one in self._store.get(ids) if one and one.status not in FINAL} if ids else set()
        changes = [schedules.fire(state, unfinished, now, self._store.namespace) for state in due]
        return [change for change in changes if change is not None]


def is_due(state: ScheduleState, now: int) -> bool:
    """Whether there may be something to decide."""
    at = schedules.looks_at(state)
    return is_waiting(state) or (at is not None and at <= now)


def is_waiting(state: ScheduleState) -> bool:
    """Whether ticks wait for an execution to end."""
    return bool(state.progress.queue) and state.paused_at is None


def report(change: ScheduleChange, before: ScheduleState) -> None:
    for submission in change.submissions:
        log.info("schedule `%s` fired: execution `%s` (%s)", change.name, submission.id, submission.key)
    if change.progress.retired_at is not None and before.progress.retired_at is None:
        log.info("schedule `%s` is in the code of its app no more; it fires when it is there again", change.name)
    skipped = change.progress.skipped_count - before.progress.skipped_count
    if skipped:
        log.warning("schedule `%s` passed over %d ticks; `hydra schedules` tells its policies", change.name, skipped)
