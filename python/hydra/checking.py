"""Would this code go on with what is recorded? Replays open executions without effects, for the gate of a deploy.

    page of open executions ─► records ─► the real hub, under a lease that is over ─► what differs

No step starts under such a lease, nothing that is recorded is sent anywhere, and no lease is taken. The bodies
themselves do run, up to the first step, wait or sleep that is not recorded, and are unwound there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from hydra import codec
from hydra.body.endings import Difference
from hydra.body.executor import Execution
from hydra.clock import boottime_ns
from hydra.errors import HydraError, NotFound
from hydra.execution import DIVERGED, Claimed, End, Ending, Snapshot, Status
from hydra.frames import Halt, Run
from hydra.stores.store import Filter, Store
from hydra.worker.hub import Hub
from hydra.workflow import Registry

OPEN = (Status.RUNNING, Status.PENDING, Status.WAITING, Status.SLEEPING, Status.PARKED)
PAGE_SIZE = 200  # executions listed at a time
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
    """`run` yields what differs; the counts tell of the rest. One at a time is in memory."""

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
                for snapshot in self._pages(status):
                    if found := self._check(snapshot):
                        yield found
                    self.checked_count += 1
                    progress(self.checked_count)
        finally:
            self._hub.close()

    def _pages(self, status: Status) -> Iterator[Snapshot]:
        before = None
        while page := self._store.list(Filter(status, limit=PAGE_SIZE, before=before)):
            yield from page
            before = page[-1].id

    def _check(self, snapshot: Snapshot) -> Divergence | None:
        if snapshot.workflow not in self._registry.workflows:
            self.unknown[snapshot.workflow] += 1
            return None
        try:
            claimed = to_claim(snapshot, self._store)
        except NotFound:
            return None  # it ended, and was purged
        return self._hub.replay(claimed)


class CheckingHub(Hub):
    """A hub whose lease is over from the start: bodies replay and stand still where their records end."""

    def __init__(self, registry: Registry, now: int, namespace: str) -> None:
        super().__init__(registry, lambda frames: None, EndedLease(now), None, 0, namespace)
        self._ended: tuple[Execution, End] | None = None
        self._token = 0

    def replay(self, claimed: Claimed) -> Divergence | None:
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

    def ended(self, execution: Execution, end: End) -> None:
        self._ended = (execution, end)
        super().ended(execution, end)

    def _settle(self) -> None:
        while True:
            self.turn()
            if self.has_news:
                continue
            if not self.wait_quiet(LOOP_SECONDS):
                raise HydraError("the event loop does not come to rest; an async workflow blocks it.")
            if not self.has_news:
                return


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


def to_claim(snapshot: Snapshot, store: Store) -> Claimed:
    """As a node would get it now; nobody asks it to stop."""
    return Claimed(
        id=snapshot.id,
        epoch=snapshot.epoch + 1,
        workflow=snapshot.workflow,
        key=snapshot.key,
        input=store.input(snapshot.id),
        attempt=snapshot.attempt,
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
        records=store.records(snapshot.id),
    )


def difference_of(execution: Execution, end: End) -> Divergence | None:
    claimed = execution.claimed
    if end.cause == DIVERGED and end.payload is not None:
        difference = execution.difference or Difference("", "", "", "")
        parts = (difference.code, difference.record, difference.place)
        return Divergence(claimed.id, claimed.workflow, *parts, str(codec.decode(end.payload)))
    if end.kind == Ending.FAILED and isinstance(unfit := execution.arguments(), End) and unfit.payload is not None:
        reason = codec.decode_failure(unfit.payload).message
        return Divergence(claimed.id, claimed.workflow, "its parameters", "its input", "", reason)
    return None
