"""What must hold in random lives of executions with limits, by what is kept by hand beside the store."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

from hydra.client.pending_bounds import PendingBounds
from hydra.errors import QueueFull
from hydra.execution import Claimed, Snapshot, Status, Submission
from hydra.limit_keys import split_key
from hydra.limits import WINDOW, LimitSpec
from hydra.stores.store import Store

from tests.stores.store_values import SECOND

RATE_COUNT, RATE_BURST = 20, 3
MOST_OF_TURNS, MOST_OF_TWO = 10, 6  # that may be pending
SHARES = {"a": 3, "b": 1}
SLACK = 5 * WINDOW  # begun beyond a value's share: windows that were let go at another cost of turns
LIMITS = [
    LimitSpec("by_turns", "fair", WINDOW, MOST_OF_TURNS),
    LimitSpec("by_turns", "shares", WINDOW, weights={value: 1000 * share for value, share in SHARES.items()}),
    LimitSpec("concurrency", "one", 1),
    LimitSpec("concurrency", "three", 3),
    LimitSpec("concurrency", "two", 2),
    LimitSpec("rate", "provider", RATE_COUNT, SECOND, RATE_BURST),
    LimitSpec("rate", "slow", 5, SECOND, 1),
]
BOUNDS = [LimitSpec("pending", "limit:two", MOST_OF_TWO)]
MIXED = [each for each in LIMITS if each.name != "shares"]
STRICT = [each for each in LIMITS if each.name == "one"]
RATES = [each for each in LIMITS if each.kind == "rate"]


class Promises:
    """`store` holds what happens, and this beside it who has been claimed and not ended."""

    def __init__(self, store: Store, seed: int, now: int, audit_each: int) -> None:
        self.store = store
        self.audit_each = audit_each  # steps: an audit asks thirty questions
        self.step_count = 0
        self.chance = random.Random(seed)
        self.now = now
        self.keys: dict[str, tuple[str, ...]] = {}
        self.order: list[str] = []  # of submission
        self.begun: set[str] = set()
        self.retried: set[str] = set()
        self.held: dict[str, Claimed] = {}  # running, by execution
        self.kept: set[str] = set()  # handed back, and still holding their places
        self.bounds = {(each.kind, each.name): each.count for each in LIMITS}
        self.most = dict(self.bounds)  # the highest of late, as long as more may hold
        self.rates = {each.name: each for each in RATES}  # as they are at the moment
        self.starts: dict[str, list[int]] = defaultdict(list)  # by a rate as it is at the moment
        self.let_go: dict[str, set[str]] = defaultdict(set)  # by a rate as it was before
        self.paused: dict[str, tuple[int, set[str]]] = {}  # until when, and who may begin all the same
        self.most_pending = {"fair": MOST_OF_TURNS, "two": MOST_OF_TWO}
        self.depths = PendingBounds(None)
        self.windows: dict[str, int] = defaultdict(lambda: WINDOW)
        self.used: Counter[str] = Counter()  # turns of a key since the last look
        self.shares: Counter[str] = Counter()  # begun of each value, while both have waited

    # when something begins

    def begins(self, id: str) -> None:
        self._check_pauses(id)
        self._check_order(id)
        for key in self.keys[id]:
            kind, name, value = split_key(key)
            if kind == "by_turns":
                self.used[key] += 1
            if id in self.kept:  # it has its tokens, and had its turn
                continue
            if kind == "rate" and id in self.let_go[key]:
                self.let_go[key].discard(id)
            elif kind == "rate":
                self.starts[key].append(self.now)
            if name == "shares":
                self.shares[value] += 1

    def has_room(self, submissions: Sequence[Submission]) -> bool:
        """As a program asks; the answer is compared with what waits."""
        waiting = Counter(each.gate for each in self._snapshots() if each.gate is not None)
        waiting.update(key for each in submissions for key in each.limit_keys or ())
        asked = {key for each in submissions for key in each.limit_keys or ()}
        fits = all(waiting[key] <= self.most_pending.get(split_key(key)[1], 1000) for key in asked)
        self.depths.forget()
        try:
            self.depths.require_room(self.store, submissions)
        except QueueFull as full:
            assert not fits, f"there was room: {full}"
            return False
        assert fits, f"more wait than may: {waiting}"
        return True

    def changes(self, rate: LimitSpec) -> None:
        """An operator sets another rate: who was let go by the one before goes on."""
        self.check_rates()
        self.rates[rate.name] = rate
        ready = {each.id for each in self._snapshots() if _is_ready(each)}
        for value in "ab":
            key = f"rate:{rate.name}:{value}"
            self.starts.pop(key, None)
            self.let_go[key] = {id for id in ready if key in self.keys[id]}

    def pauses(self, key: str, until: int) -> None:
        """Who was let go by this key before goes on."""
        pending = [each for each in self._snapshots() if each.status == Status.PENDING]
        is_rate = split_key(key)[0] == "rate"  # all of those are taken at once
        passed = [each.id for each in pending if each.gate is None or (each.gate > key and not is_rate)]
        self.paused[key] = until, set(passed)

    def has_looked(self) -> None:
        """Windows are as wide as turns were used since the look before; what was let go stays so."""
        waiting = self._let_go_by_turns()
        for key in {*self.used, *self.windows}:
            before = self.windows[key] if waiting[key] > WINDOW else WINDOW
            self.windows[key] = max(WINDOW, 2 * self.used[key], before)
            if self.now >= self.until(key):  # one that is paused was not looked at
                del self.used[key]

    # at each step

    def check(self) -> None:
        holders: dict[str, int] = defaultdict(int)
        for id in [*self.held, *self.kept]:
            for key in self.keys[id]:
                holders[key] += 1
        for key, count in holders.items():
            kind, name, _ = split_key(key)
            if kind == "concurrency":
                assert count <= self.most[kind, name], f"{count} hold `{key}`"
        for kind, name in self.bounds:  # what was let go before an operator lowered it goes on
            if self.most[kind, name] > self.bounds[kind, name]:
                uses = self.store.limit_use(kind, name, 10, 10)
                self.most[kind, name] = max(self.bounds[kind, name], *(each.held_count for each in uses), 0)
        self.step_count += 1
        if not self.step_count % self.audit_each:
            found = self.store.audit()
            assert found == [], found

    def check_turns(self) -> None:
        for key, count in self._let_go_by_turns().items():
            assert count <= self.windows[key], f"{count} of `{key}` are let go, and may be {self.windows[key]}"

    def check_shares(self) -> None:
        """While both values wait and may go, neither has begun more than its share and what a few windows hold."""
        waiting = {split_key(each.gate)[2] for each in self._snapshots() if each.gate and ":shares:" in each.gate}
        is_one_paused = any(self.now < self.until(f"by_turns:shares:{value}") for value in SHARES)
        if is_one_paused or not waiting >= SHARES.keys():
            self.shares.clear()
        for one, other in (("a", "b"), ("b", "a")):
            most = self.shares[other] * SHARES[one] / SHARES[other] + SLACK
            assert self.shares[one] <= most, f"`{one}` has begun more than its share: {self.shares}"

    def check_rates(self) -> None:
        """No span of time sees more than its share of the rate and the burst."""
        for key, starts in self.starts.items():
            spec = self.rates[split_key(key)[1]]
            interval = spec.per_us / spec.count
            for first, begin in enumerate(starts):
                for last in range(first, len(starts)):
                    share = (starts[last] - begin) / interval + spec.burst
                    assert last - first + 1 <= share + 1e-6, f"`{key}`: {last - first + 1} in {starts[last] - begin} µs"

    def until(self, key: str) -> int:
        return self.paused.get(key, (0, set()))[0]

    def forget_ended(self) -> None:
        """What was handed back may have run out of time since, or gone to wait to be undone."""
        kept = sorted(self.kept)
        for id, found in zip(kept, self.store.get(kept), strict=True):
            if found is None or found.status != Status.PENDING or found.gate is not None:
                self.kept.discard(id)

    def _snapshots(self) -> list[Snapshot]:
        return [each for each in self.store.get(self.order) if each is not None]

    def _let_go_by_turns(self) -> Counter[str]:
        """How many of a Fair's key have had their turn and have not begun."""
        found: Counter[str] = Counter()
        for each in self._snapshots():
            is_over = each.cancel_requested or (each.timeout_at or self.now) < self.now or each.id in self.kept
            for key in self.keys[each.id] if not is_over else ():
                if split_key(key)[0] == "by_turns" and (_is_ready(each) or (each.gate or "") > key):
                    found[key] += 1
        return found

    def _check_pauses(self, id: str) -> None:
        """A key that is paused lets nobody go on who had not been let go."""
        for key in self.keys[id]:
            until, allowed = self.paused.get(key, (0, set()))
            assert self.now >= until or id in allowed or id in self.kept, f"`{id}` begins while `{key}` is paused"

    def _check_order(self, id: str) -> None:
        """With one limit of 1, who has never begun begins in the order of submission."""
        if id in self.begun or id in self.retried or len(self.keys[id]) != 1:
            return
        key = self.keys[id][0]
        if split_key(key)[:2] != ("concurrency", "one") or self.most["concurrency", "one"] > 1:
            return
        for before in self.order[: self.order.index(id)]:
            if self.keys[before] == (key,) and before not in self.begun and before not in self.retried:
                (snapshot,) = self.store.get([before])
                assert snapshot is None or snapshot.status != Status.PENDING, f"`{id}` overtook `{before}`"


def _is_ready(found: Snapshot) -> bool:
    return found.status == Status.PENDING and found.gate is None and found.wake_at is None
