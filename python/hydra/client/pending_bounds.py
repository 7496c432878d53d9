"""How many executions may be pending, and whether there is room for more: asked before anything is written.

    Engine(max_pending=…)                    of this engine's namespace
    namespace:…, workflow:…, limit:…         rows of the database, by the code or an operator; of a Fair in its own row

Depths and bounds are read now and then, and counted in between. Before one is refused both are looked at again: what
adds nothing, since its key or id is there, goes on to the store. Children and schedules do not come here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from hydra.clock import boottime_ns
from hydra.errors import QueueFull
from hydra.execution import FINAL, KeyReuse, Snapshot, Status, Submission
from hydra.limit_keys import FAIR, OF_LIMIT, OF_NAMESPACE, OF_WORKFLOW, PENDING, shown_key, split_key
from hydra.locks import RLock
from hydra.stores.limit_states import LimitState
from hydra.stores.reuse import is_reusing
from hydra.stores.store import Store

DEPTH_AGE_NS = 250_000_000  # how old a known depth may be when `max_pending` is checked
DEPTH_SHARE = 0.1  # of the time, at most, goes to reading it
BOUNDS_AGE_NS = 1_000_000_000  # how old a copy of the bounds may be then
MAX_KNOWN_DEPTHS = 10_000  # of keys, workflows …; the ones asked for last are remembered

Read = Callable[[int], int]


class QueueDepth:
    """How many executions are pending, as far as a submission must know."""

    def __init__(self) -> None:
        self._count = 0
        self._stale_at_ns = 0
        self._may_read_at_ns = 0

    def take(self, read: Read, count: int, most: int, of: str = "") -> None:
        began_ns = boottime_ns()
        is_full = self._count + count > most
        if began_ns >= (self._may_read_at_ns if is_full else self._stale_at_ns):
            self._count = read(most)
            ended_ns = boottime_ns()
            self._may_read_at_ns = ended_ns + round((ended_ns - began_ns) / DEPTH_SHARE)
            self._stale_at_ns = max(ended_ns + DEPTH_AGE_NS, self._may_read_at_ns)
        if self._count + count > most:
            asked = f"{count} more" if count > 1 else "one more"
            raise QueueFull(f"{self._count} executions{of} are pending and the limit is {most}; submit {asked} later")
        self._count += count

    def give_back(self, count: int) -> None:
        """What was taken is not submitted after all."""
        self._count -= count


class PendingBounds:
    """Of one engine. `max_pending` is its own."""

    def __init__(self, max_pending: int | None) -> None:
        self._max_pending = max_pending
        self._own = QueueDepth()
        self._depths: dict[str, QueueDepth] = {}
        self._bounds: dict[str, int] = {}  # by the names of limits and of what else is bounded
        self._stale_at_ns = 0
        self.renew_lock()

    def renew_lock(self) -> None:
        """In the child of a fork: a thread that had it is not there."""
        self._lock = RLock()  # a handler may submit, too

    def asks_nobody(self) -> bool:
        """Whether `require_room` would read no database now, and refuse nothing."""
        return self._max_pending is None and not self._bounds and boottime_ns() < self._stale_at_ns

    def forget(self) -> None:
        """They have changed: the next submission reads them again."""
        with self._lock:  # whoever reads them now may have read those from before
            self._stale_at_ns = 0
            self._depths.clear()  # counted no further than the bounds from before

    def require_room(self, store: Store, submissions: Sequence[Submission]) -> None:
        """For all of them that are new, or QueueFull."""
        if self.asks_nobody():
            return
        try:
            self._take(store, submissions)
        except QueueFull:
            new = adding(store, submissions)
            if len(new) == len(submissions):
                raise
            self._take(store, new)

    def _take(self, store: Store, submissions: Sequence[Submission]) -> None:
        with self._lock:
            if boottime_ns() >= self._stale_at_ns:
                self._bounds = read_bounds(store.limits())
                self._stale_at_ns = boottime_ns() + BOUNDS_AGE_NS
            taken: list[tuple[QueueDepth, int]] = []
            try:
                for depth, read, count, most, of in self._asked(store, submissions):
                    depth.take(read, count, most, of)
                    taken.append((depth, count))
            except QueueFull:
                for depth, count in taken:
                    depth.give_back(count)
                raise

    def _asked(
        self, store: Store, submissions: Sequence[Submission]
    ) -> Iterator[tuple[QueueDepth, Read, int, int, str]]:
        """The narrowest first: its sentence says most."""
        if self._bounds:
            keys = Counter(key for s in submissions for key in s.limit_keys or ())
            for key, count in keys.items():
                if most := self._bounds.get(OF_LIMIT + split_key(key)[1], 0):
                    yield self._depth(key), _waiting_at(store, key), count, most, f" of `{shown_key(key)}`"
            for workflow, count in Counter(s.workflow for s in submissions).items():
                if most := self._bounds.get(OF_WORKFLOW + workflow, 0):
                    of = f" of workflow `{workflow}`"
                    yield self._depth(OF_WORKFLOW + workflow), _pending_of(store, workflow), count, most, of
            if most := self._bounds.get(OF_NAMESPACE + store.namespace, 0):
                of = f" in namespace `{store.namespace}`"
                yield self._depth(OF_NAMESPACE), store.pending_count, len(submissions), most, of
        if self._max_pending is not None:
            yield self._own, store.pending_count, len(submissions), self._max_pending, ""

    def _depth(self, name: str) -> QueueDepth:
        depth = self._depths.pop(name, None) or QueueDepth()
        self._depths[name] = depth
        if len(self._depths) > MAX_KNOWN_DEPTHS:
            del self._depths[next(iter(self._depths))]
        return depth


def read_bounds(limits: Sequence[LimitState]) -> dict[str, int]:
    """How many may be pending, by the names of rows: an operator's number, or the code's; a Fair's as `limit:…`."""
    found: dict[str, int] = {}
    for each in limits:
        if each.kind == PENDING:
            found[each.name] = each.count if each.set_count is None else each.set_count
        elif each.kind == FAIR:
            found[OF_LIMIT + each.name] = each.per_us if each.set_per_us is None else each.set_per_us
    return {name: most for name, most in found.items() if most}


def _waiting_at(store: Store, key: str) -> Read:
    return lambda limit: store.waiting_count(key, limit)


def _pending_of(store: Store, workflow: str) -> Read:
    return lambda limit: store.pending_count(limit, workflow)


def adding(store: Store, submissions: Sequence[Submission]) -> list[Submission]:
    """Those that would add an execution, as far as a look can tell."""
    pairs = {(s.workflow, s.key) for s in submissions if s.key is not None}
    holders = store.known_keys(sorted(pairs)) if pairs else {}
    asked = {s.id for s in submissions if s.key is None}
    asked |= {
        holders[s.workflow, s.key] for s in submissions if is_reusing(s) and s.key and (s.workflow, s.key) in holders
    }
    ids = sorted(asked)
    found = dict(zip(ids, store.get(ids), strict=True)) if ids else {}
    now = store.now()
    new: dict[tuple[str, ...], Submission] = {}
    for s in submissions:
        if s.key is None:
            is_new = found[s.id] is None
        elif (holder := holders.get((s.workflow, s.key))) is None:
            is_new = True
        else:
            is_new = is_reusing(s) and not _is_kept(s, found[holder], now)
        if is_new:
            new[(s.id,) if s.key is None else (s.workflow, s.key)] = s
    return list(new.values())


def _is_kept(s: Submission, holder: Snapshot | None, now: int) -> bool:
    """Whether the execution that has the key keeps it, though it may be taken over."""
    if holder is None:
        return False
    if s.debounce is not None:
        has_begun = holder.status is not Status.PENDING or holder.epoch > 0 or holder.cancel_requested
        return not has_begun and holder.limit_keys == (s.limit_keys or ())
    if s.reuse_after_us is not None:
        return holder.submitted_at > now - s.reuse_after_us
    return s.key_reuse is not KeyReuse.AFTER_END or holder.status not in FINAL
