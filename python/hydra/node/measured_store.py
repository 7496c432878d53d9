"""A node's store with a clock beside it: how long its verbs take, which fail, when the database last answered.

Changes nothing of what the verbs do. Only the node's own store is wrapped, and only where somebody observes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hydra.blocks import contextmanager
from hydra.clock import boottime_ns
from hydra.execution import Ending, NodeRef
from hydra.node.membership import NO_ANSWER
from hydra.observability.metrics import Metrics
from hydra.schedules import ScheduleChange, ScheduleState
from hydra.stores.around import StoreAround
from hydra.stores.node_states import NOBODY, Beat
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

TIMED = (
    "claim",
    "claims",
    "commit",
    "fire_schedules",
    "get",
    "mark_dead",
    "next_due_at",
    "nodes",
    "park",
    "promote",
    "record_crashes",
    "recover",
    "register_node",
    "register_workflows",
    "resync",
    "return_executions",
    "schedules",
    "stats",
    "unregister_node",
    "upsert_schedules",
)


class MeasuredStore(StoreAround):
    """Called by the store thread, like the store itself; `answered_at_ns` may be read by any thread."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        super().__init__(store)
        self._metrics = metrics
        self._due_at: int | None = None
        self._skipped_counts: dict[str, int] = {}
        self.answered_at_ns = 0
        metrics.store_errors.expect((*TIMED, "heartbeat_node", "now", "transaction"))
        for verb in TIMED:
            setattr(self, verb, self._timed(verb))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._watched("transaction"), self._store.transaction():
            yield

    def now(self) -> int:
        """The database's time, which tells how far this host's clock is from it."""
        with self._watched("now"):
            before = time.time_ns()
            now = self._store.now()
        self._read_clock(now, before)
        return now

    def heartbeat_node(
        self, node: NodeRef, now: int, *, listening: Mapping[str, int] = NOBODY, is_last: bool = False
    ) -> Beat:
        with self._watched("heartbeat_node"):
            before = time.time_ns()
            beat = self._store.heartbeat_node(node, now, listening=listening, is_last=is_last)
        self._read_clock(beat.now, before)
        return beat

    def _read_clock(self, database_now: int, before_ns: int) -> None:
        here = (before_ns + time.time_ns()) // 2
        self._metrics.clock_skew.set((database_now - here // 1000) / 1e6)

    def _timed(self, verb: str) -> Callable[..., Any]:
        call = getattr(self._store, verb)
        followers: dict[str, Callable[..., None]] = {
            "fire_schedules": self._fired,
            "next_due_at": self._heard_of_timer,
            "promote": self._promoted,
            "register_workflows": self._registered,
            "return_executions": self._returned,
            "schedules": self._heard_of_schedules,
        }
        follow = followers.get(verb)

        def timed(*arguments: Any, **options: Any) -> Any:
            with self._watched(verb):
                answer = call(*arguments, **options)
            if follow is not None:
                follow(answer, *arguments, **options)
            return answer

        return timed

    @contextmanager
    def _watched(self, operation: str) -> Iterator[None]:
        began_ns = boottime_ns()
        try:
            yield
        except NO_ANSWER:
            self._metrics.store_errors.add((operation,))
            raise
        ended_ns = self.answered_at_ns = boottime_ns()
        self._metrics.store_operations.observe((ended_ns - began_ns) / 1e9, (operation,))

    def _registered(self, _: None, __: NodeRef, workflows: Sequence[WorkflowInfo], *___: Any) -> None:
        """Show its ends from the start, so that the first of a kind is seen as growth, which alerts look for."""
        finished = self._metrics.executions_finished
        no_tags = ("",) * (len(finished.labels) - 2)
        for workflow in workflows:
            self._metrics.nondeterminism.expect((workflow.name,))
            self._metrics.executions_submitted.expect((workflow.name,))
            for status in (Ending.COMPLETED, Ending.FAILED, Ending.CANCELLED):
                finished.add((workflow.name, status, *no_tags), 0)

    def _heard_of_timer(self, due_at: int | None) -> None:
        self._due_at = due_at

    def _promoted(self, count: int, now: int, _: int, *, failed: Sequence[str] = ()) -> None:
        if count and self._due_at is not None:
            self._metrics.timer_lag.observe(max(0, now - self._due_at) / 1e6)
        for snapshot in self._store.get(failed) if failed else ():
            if snapshot is not None:
                labels = (snapshot.workflow, Ending.FAILED, *self._metrics.labels_of(snapshot.tags))
                self._metrics.executions_finished.add(labels)

    def _returned(self, count: int, *_: Any, **__: Any) -> None:
        if count:
            self._metrics.leases_taken_over.add(amount=count)

    def _heard_of_schedules(self, states: Sequence[ScheduleState]) -> None:
        for state in states:
            self._skipped_counts[state.name] = state.progress.skipped_count
            self._metrics.schedules_fired.expect((state.name,))
            self._metrics.schedules_missed.expect((state.name,))

    def _fired(self, answers: Sequence[bool], _: NodeRef, changes: Sequence[ScheduleChange], now: int) -> None:
        """Of what another node fired first, nothing counts here (R25)."""
        for change, is_written in zip(changes, answers, strict=True):
            if is_written:
                name, skipped_count = change.name, change.progress.skipped_count
                self._metrics.schedules_fired.add((name,), len(change.submissions))
                self._metrics.executions_submitted.add((name,), len(change.submissions))
                before = self._skipped_counts.get(name, skipped_count)
                self._metrics.schedules_missed.add((name,), max(0, skipped_count - before))
                self._skipped_counts[name] = skipped_count
