"""Would this code go on with what is recorded? Replays open executions without effects, for the gate of a deploy.

    page of open executions ─► their histories ─► the real hub, under a lease that is over ─► what differs

No step starts under such a lease, nothing that is recorded is sent anywhere, and no lease is taken. The bodies
themselves do run, up to the first step, wait or sleep that is not recorded, and are unwound there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from hydra import codec
from hydra.body.endings import Difference
from hydra.body.executor import Executor
from hydra.body.protocol import RunningExecution
from hydra.clock import boottime_ns
from hydra.errors import ConfigError, HydraError
from hydra.execution import (
    DIVERGED,
    UNDO_BRANCH,
    Claimed,
    End,
    Ending,
    Record,
    RecordKind,
    Snapshot,
    Status,
)
from hydra.frames import Halt, Run
from hydra.payload_keys import why_closed
from hydra.stores.filter import Filter
from hydra.stores.offloading import fetched_history
from hydra.stores.store import Store
from hydra.worker.hub import Hub
from hydra.workflow import Registry

OPEN = (Status.RUNNING, Status.PENDING, Status.WAITING, Status.SLEEPING, Status.PARKED)
PAGE_SIZE = 64  # executions listed and read at a time: as many as a node's claim has in memory
LOOP_SECONDS = 30.0  # for an async body to come to rest


class Divergence(msgspec.Struct, frozen=True):
    """An execution that this code cannot go on with: what either has where they part, and the line of the code."""

    execution_id: str
    workflow: str
    code: str
    record: str
    place: str  # `file:line in `function``; "" where there is none
    reason: str  # all of it in one sentence


class ReplayCheck:
    """`run` yields what differs; the counts tell of the rest. A page is in memory, and read in two statements."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self.checked_count = 0  # executions looked at, those without records included
        self.unknown: Counter[str] = Counter()  # of workflows that this code does not have
        self._store = store
        self._registry = registry
        self._hub = CheckingHub(registry, store.now(), store.namespace)

    def run(self, progress: Callable[[int], object] = lambda count: None) -> Iterator[Divergence]:
        """Every open execution of the namespace. One that changes its state meanwhile may be missed or seen twice."""
        try:
            for status in OPEN:
                for page in self._pages(status):
                    yield from self._check(page)
                    self.checked_count += len(page)
                    progress(self.checked_count)
        finally:
            self._hub.close()

    def _pages(self, status: Status) -> Iterator[list[Snapshot]]:
        before = None
        while page := self._store.list(Filter(status, limit=PAGE_SIZE, before=before)):
            yield page
            before = page[-1].id

    def _check(self, page: list[Snapshot]) -> Iterator[Divergence]:
        known = [snapshot for snapshot in page if snapshot.workflow in self._registry.workflows]
        self.unknown.update(snapshot.workflow for snapshot in page if snapshot.workflow not in self._registry.workflows)
        histories = self._store.histories([snapshot.id for snapshot in known])
        for snapshot in known:
            if snapshot.id in histories:  # or it ended, and was purged
                history = fetched_history(self._store, *histories[snapshot.id])
                found = self._hub.replay(to_claim(snapshot, *history))
                if found is not None:
                    yield found


def differences(store: Store, registry: Registry, snapshots: Sequence[Snapshot]) -> dict[str, Divergence]:
    """Of these executions, those that this code could not go on with: what a retry or a resume would only park."""
    check = ReplayCheck(store, registry)
    try:
        pages = [list(snapshots[start : start + PAGE_SIZE]) for start in range(0, len(snapshots), PAGE_SIZE)]
        return {found.execution_id: found for page in pages for found in check._check(page)}
    finally:
        check._hub.close()


def difference_of_fork(
    store: Store, registry: Registry, source: Snapshot, input: bytes, records: list[Record]
) -> Divergence | None:
    """What would park a fork that has this input and these records."""
    if source.workflow not in registry.workflows:
        return None
    hub = CheckingHub(registry, store.now(), store.namespace)
    try:
        return hub.replay(to_claim(msgspec.structs.replace(source, status=Status.PENDING), input, records))
    finally:
        hub.close()


class CheckingHub(Hub):
    """A hub whose lease is over from the start: bodies replay and stand still where their records end."""

    has_hooks = False

    def __init__(self, registry: Registry, now: int, namespace: str) -> None:
        super().__init__(registry, lambda frames: None, EndedLease(now), None, 0, namespace)
        self._ended: tuple[Executor, End] | None = None
        self._token = 0

    def replay(self, claimed: Claimed) -> Divergence | None:
        refuse_encrypted(claimed)
        self._ended = None
        self._token += 1
        self.deliver([Run(self._token, claimed)])
        self._settle()
        ended = self._ended
        if ended is None:
            self.deliver([Halt(self._token, "lost")])
            self._settle()
        self._timers.clear()  # of strands that are over
        if ended is None:
            return None
        return difference_of(*ended)

    def ended(self, execution: RunningExecution, end: End) -> None:
        self._ended = (self._executions[execution.token], end)
        super().ended(execution, end)

    def _settle(self) -> None:
        while True:
            self.turn()
            if self.has_news:
                continue
            if not self.wait_quiet(LOOP_SECONDS):
                raise HydraError("the event loop does not come to rest; an async workflow blocks it")
            if not self.has_news:
                return


def refuse_encrypted(claimed: Claimed) -> None:
    """ConfigError for one whose payloads do not open here: it says nothing of the code."""
    if reason := why_closed([claimed.input, *(record.payload for record in claimed.records)]):
        raise ConfigError(f"execution `{claimed.id}` cannot be checked: {reason}")


class EndedLease:
    """Under it no step starts. Its time is the database's, and stands still."""

    def __init__(self, now: int) -> None:
        self._now = now

    def may_start(self) -> bool:
        return False

    def now(self) -> int:
        return self._now

    def boottime_ns(self) -> int:
        return boottime_ns()


def to_claim(snapshot: Snapshot, input: bytes, records: list[Record]) -> Claimed:
    """As a node would get it now, what failed once it is retried; nobody asks it to stop."""
    is_failed = snapshot.status is Status.FAILED
    records = [*records, *superseding(records, snapshot.attempt + 1)] if is_failed else records
    return Claimed(
        id=snapshot.id,
        epoch=snapshot.epoch + 1,
        workflow=snapshot.workflow,
        key=snapshot.key,
        input=input,
        attempt=snapshot.attempt + is_failed,
        priority=snapshot.priority,
        run_at=snapshot.run_at,
        claimed_at=snapshot.run_at,
        submitted_at=snapshot.submitted_at,
        timeout_at=None,
        wake_seq=0,
        cancel_requested=False,
        death_count=0,
        alone_death_count=0,
        tags=snapshot.tags,
        records=records,
    )


def superseding(records: list[Record], attempt: int) -> list[Record]:
    """What a retry forgets: the failure that left the body. The last one is taken for it, where there is any."""
    forgotten = {record.ordinal for record in records if record.kind == RecordKind.SUPERSEDE}
    failures = [
        record.seq
        for record in records
        if record.kind == RecordKind.FAILURE and record.branch != UNDO_BRANCH and record.seq not in forgotten
    ]
    if not failures:
        return []
    kind, at = str(RecordKind.SUPERSEDE), records[-1].finished_at
    return [Record(len(records) + 1, kind, "", "", failures[-1], attempt, b"", None, at, at)]


def difference_of(execution: Executor, end: End) -> Divergence | None:
    claimed = execution.claimed
    if end.cause == DIVERGED and end.payload is not None:
        difference = execution.recorded.difference or Difference("", "", "", "")
        parts = (difference.code, difference.record, difference.place)
        return Divergence(claimed.id, claimed.workflow, *parts, str(codec.decode(end.payload)))
    unfit = execution.body_call.arguments() if end.kind == Ending.FAILED else None
    if isinstance(unfit, End) and unfit.payload is not None:
        reason = codec.read_failure(unfit.payload).message
        return Divergence(claimed.id, claimed.workflow, "its parameters", "its input", "", reason)
    return None
