"""What a node's events say in numbers: a fold over what the dispatcher hears and asks for. Decides and reads nothing.

    events, commits asked for ─► Measuring ─► Metrics

An execution and its steps count when their commit is answered, so what is counted is durable; after a lost reply they
count with the resync, as the dispatcher has it (R16).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hydra.dispatch import events
from hydra.dispatch.owned import OwnedExecution
from hydra.dispatch.worker_ends import WorkerEndKind
from hydra.execution import DIVERGED, Claimed, End, Ending, ExecutionCommit, Record, RecordKind, as_answered
from hydra.frames import Committed
from hydra.observability.metrics import Labels, Metrics
from hydra.records.child_records import SPAWN_PREFIX
from hydra.records.placed import STEP_WORKFLOW_PREFIX

SLA_SECONDS = 5.0  # G8
STEP_STATUS = {
    RecordKind.STEP: "completed",
    RecordKind.FAILURE: "failed",
    RecordKind.TRY: "retried",
    RecordKind.CRASH: "crashed",
}
OUTCOMES = (RecordKind.STEP, RecordKind.FAILURE)


class _Watched:
    """What the numbers need of an execution this node owns."""

    __slots__ = ("epoch", "step_count", "submitted_at", "tags", "workflow")

    def __init__(self, execution: Claimed, tags: Labels) -> None:
        self.workflow = execution.workflow
        self.epoch = execution.epoch
        self.submitted_at = execution.submitted_at
        self.tags = tags
        self.step_count = _count_steps(execution.records)


class NodeMetrics:
    """`happened` before the dispatcher hears of an event, `asked` for each action of its; both on the node's loop.

    `now` gives the database's time in microseconds, `running` the executions of dispatches on a worker.
    """

    def __init__(
        self,
        metrics: Metrics,
        now: Callable[[], int],
        running: Callable[[int, list[int]], list[OwnedExecution]],
    ) -> None:
        self._metrics = metrics
        self._now = now
        self._running = running
        self._owned: dict[str, _Watched] = {}
        self._batch = 0
        self._under_way: list[ExecutionCommit] = []
        self._elsewhere: frozenset[str] = frozenset()  # of these: what differs here, and goes on where it does not
        self._is_ending = False
        metrics.heartbeats.expect(("ok", "failed", "refused"))
        metrics.worker_restarts.expect(kind.value for kind in WorkerEndKind)
        self._handlers: dict[type[events.Event], Callable[[Any], None]] = {
            events.ClaimDone: self._claimed,
            events.Recovered: self._claimed,
            events.CommitDone: self._commit_done,
            events.CommitFailed: self._commit_failed,
            events.OutcomeUnknown: self._outcome_unknown,
            events.Resynced: self._resynced,
            events.Received: self._received,
            events.Refused: self._refused,
            events.Parked: self._parked,
            events.Beaten: self._beaten,
            events.BeatFailed: self._beat_failed,
            events.WorkerGone: self._worker_gone,
            events.DrainAsked: self._ending,
            events.StopAsked: self._ending,
        }

    def happened(self, event: events.Event) -> None:
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def asked(self, action: events.Action) -> None:
        if isinstance(action, events.SendCommit):
            self._batch, self._under_way = action.batch, action.commits
        elif isinstance(action, events.Renew):
            self._metrics.store_rewound.add()
            self._lose_all()

    # executions

    def _claimed(self, event: events.ClaimDone | events.Recovered) -> None:
        metrics = self._metrics
        new = [execution for execution in event.executions if execution.id not in self._owned]
        if new:
            metrics.leases_acquired.add(amount=len(new))
        for execution in new:
            tags = metrics.labels_of(execution.tags)
            watched = self._owned[execution.id] = _Watched(execution, tags)
            workflow = watched.workflow
            metrics.nondeterminism.expect((workflow,))
            if watched.step_count:
                metrics.steps_replayed.add((workflow,), watched.step_count)
            seconds = max(0, execution.claimed_at - execution.run_at) / 1e6
            metrics.pickup.observe(seconds, (workflow, *tags))
            metrics.pickup_sla.add((workflow, "met" if seconds <= SLA_SECONDS else "missed", *tags))
            if execution.epoch == 1:
                metrics.payload_bytes.observe(len(execution.input), ("input",))

    def _commit_done(self, event: events.CommitDone) -> None:
        if event.batch != self._batch or not self._under_way:
            return
        commits, self._under_way = self._under_way, []
        self._elsewhere = event.elsewhere
        self._metrics.commit_batch_size.observe(len(commits))
        now = self._now()
        for commit, answer in zip(commits, event.written, strict=True):
            if answer:
                self._written(as_answered(commit, answer), commit.records, now)
            elif commit.id in event.held:
                continue
            elif commit.id in event.given_up:  # it is parked, by this node
                self._owned.pop(commit.id, None)
            elif self._owned.pop(commit.id, None) is not None:
                self._metrics.leases_lost.add()

    def _commit_failed(self, event: events.CommitFailed) -> None:
        if event.batch == self._batch:
            self._under_way = []

    def _outcome_unknown(self, event: events.OutcomeUnknown) -> None:
        self._elsewhere = event.elsewhere

    def _resynced(self, event: events.Resynced) -> None:
        commits, self._under_way = self._under_way, []
        rows = {item.id: item for item in event.owned}
        now = self._now()
        for commit in commits:
            item = rows.get(commit.id)
            if item is not None and item.epoch == commit.epoch:
                done = [record for record in commit.records if record.seq <= item.record_count]
                self._count_records(commit.id, done)
            elif commit.end is not None:
                self._written(commit, commit.records, now)
        lost = [id for id, owned in self._owned.items() if id not in rows or rows[id].epoch != owned.epoch]
        for id in lost:
            del self._owned[id]
        if lost:
            self._metrics.leases_lost.add(amount=len(lost))

    def _received(self, event: events.Received) -> None:
        """What transactions recorded themselves; everything else counts with its commit."""
        for frame in event.frames:
            if isinstance(frame, Committed):
                for owned in self._running(event.slot, [frame.token]):
                    if frame.record.seq == owned.seq + 1:  # not told twice, by socket and database
                        self._count_records(owned.id, [frame.record])

    def _written(self, commit: ExecutionCommit, records: list[Record], now: int) -> None:
        self._count_records(commit.id, records)
        end = commit.end
        if end is not None:
            self._ended(commit.id, end, now)

    def _count_records(self, id: str, records: list[Record]) -> None:
        watched = self._owned.get(id)
        if watched is None:
            return
        metrics, workflow = self._metrics, watched.workflow
        for record in records:
            kind = record.kind
            status = STEP_STATUS.get(kind)  # type: ignore[call-overload]
            if status is None:
                if kind == RecordKind.SPAWN and record.name.startswith(SPAWN_PREFIX):
                    metrics.executions_submitted.add((record.name.removeprefix(SPAWN_PREFIX),))
                continue
            step = record.name
            metrics.step_duration.observe(max(0, record.finished_at - record.started_at) / 1e6, (workflow, step))
            if kind in OUTCOMES and workflow.startswith(STEP_WORKFLOW_PREFIX):
                continue  # the body that called it counts it, when it has its outcome
            metrics.steps.add((workflow, step, status))
            if status == "retried":
                metrics.step_retries.add((workflow, step))
            elif status != "crashed":
                watched.step_count += 1
                if record.payload is not None:
                    metrics.payload_bytes.observe(len(record.payload), ("step",))

    def _ended(self, id: str, end: End, now: int) -> None:
        kind = end.kind
        metrics = self._metrics
        if kind == Ending.CRASHED:
            watched = self._owned.get(id)
            if watched is not None:
                watched.epoch += 1
                if watched.step_count:
                    metrics.steps_replayed.add((watched.workflow,), watched.step_count)
            return
        watched = self._owned.pop(id, None)
        if watched is None:
            return
        if kind in (Ending.COMPLETED, Ending.FAILED, Ending.CANCELLED):
            metrics.executions_finished.add((watched.workflow, kind, *watched.tags))
            seconds = max(0, now - watched.submitted_at) / 1e6
            metrics.execution_duration.observe(seconds, (watched.workflow, *watched.tags))
            if end.payload is not None:
                metrics.payload_bytes.observe(len(end.payload), ("result",))
        elif kind == Ending.PARKED and end.cause == DIVERGED and id not in self._elsewhere:
            metrics.nondeterminism.add((watched.workflow,))

    # the node and its workers

    def _beaten(self, _: events.Beaten) -> None:
        self._metrics.heartbeats.add(("ok",))

    def _beat_failed(self, _: events.BeatFailed) -> None:
        self._metrics.heartbeats.add(("failed",))

    def _refused(self, _: events.Refused) -> None:
        self._metrics.heartbeats.add(("refused",))
        self._lose_all()

    def _parked(self, event: events.Parked) -> None:
        if event.is_rewound:
            self._metrics.store_rewound.add()

    def _lose_all(self) -> None:
        if self._owned:
            self._metrics.leases_lost.add(amount=len(self._owned))
        self._owned.clear()
        self._under_way = []

    def _worker_gone(self, event: events.WorkerGone) -> None:
        if not self._is_ending:
            self._metrics.worker_restarts.add((event.reason.kind.value,))

    def _ending(self, _: events.Event) -> None:
        self._is_ending = True


def _count_steps(records: list[Record]) -> int:
    return sum(record.kind in OUTCOMES for record in records)
