"""What a node deletes of what has ended: how long each is kept, and where it is in its walk along the ends. Pure.

    rules: by workflow and outcome, its own before the node's ──► one walk for each age, oldest ends first
    a page of ends ──► those whose age it is ──► trees ──► archive ──► deletion        (node/sweeper)

What cannot go when the walk comes past it (a part of its tree is open, somebody holds one) waits in `Waiting`, and is
looked at again soon. What does not fit there is where the walk begins again, minutes later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hydra.stores.sweeping import Finished
from hydra.stores.workflow_info import WorkflowInfo

WALK_AGAIN_US = 6 * 3_600_000_000  # from the first end on
SETTLED_US = 10_000_000  # an end is seen by then: its transaction may commit later than an end that is newer
MAX_WAITING = 10_000  # ends that are remembered one by one
SOONEST_AGAIN_US = 5_000_000
WAITED_SHARE = 4  # looked at again once it has waited so many'ths longer
LATEST_AGAIN_US = 3_600_000_000
OVERFLOW_AGAIN_US = 600_000_000  # until the walk goes back for what was not remembered
IDLE_PER_SECOND = 1_000  # executions that one node deletes
BUSY_PER_SECOND = 200
TIME_SHARE = 0.1  # of the time, at most, goes to it

Ages = Mapping[tuple[str, str], int]


class Look(msgspec.Struct, frozen=True):
    """Which ends to look at next: those behind a place and before an instant, for one age."""

    age_us: int
    after: tuple[int, str]
    until: int


def ages_of(workflows: Iterable[WorkflowInfo], default: Mapping[str, int | None]) -> dict[tuple[str, str], int]:
    """How long what has ended is kept, by workflow and outcome, of what this node runs. What is not there is kept for
    ever. `default` is the node's, for outcomes of which a workflow says nothing."""
    found: dict[tuple[str, str], int] = {}
    for workflow in workflows:
        if not workflow.is_served:
            continue
        for outcome, age in {**default, **workflow.retention}.items():
            if age is not None:
                found[workflow.name, outcome] = age
    return found


def swept_by(node_id: str, ages: Ages, servers: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], int]:
    """Of these, what this node sweeps: of the living nodes that run a workflow the newest, so that what was deployed
    last holds."""
    return {key: age for key, age in ages.items() if max(servers.get(key[0], ()), default="") == node_id}


def due_of(ends: Iterable[Finished], age_us: int, ages: Ages) -> list[Finished]:
    """Those that have been kept for long enough, at that age."""
    return [end for end in ends if ages.get((end.workflow, end.status)) == age_us]


def pause_seconds(gone_count: int, took_seconds: float, *, is_idle: bool) -> float:
    """Until the next batch."""
    rate = IDLE_PER_SECOND if is_idle else BUSY_PER_SECOND
    return max(gone_count / rate, took_seconds * (1 / TIME_SHARE - 1))


class Walk:
    """How far it has come, for each age."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[int, str]] = {}
        self._began_at: int | None = None
        self._missed: dict[int, tuple[int, str]] = {}  # before the first that was not remembered
        self._missed_at = 0

    def next(self, ages: Ages, now: int) -> Look | None:
        """None: there is nothing to look at for now."""
        if self._began_at is None or now - self._began_at >= WALK_AGAIN_US:
            self._places, self._began_at, self._missed = {}, now, {}
        if self._missed and now - self._missed_at >= OVERFLOW_AGAIN_US:
            for age, place in self._missed.items():
                self._places[age] = min(place, self._places.get(age, place))
            self._missed = {}
        for age in sorted(set(ages.values())):
            after = self._places.get(age, (0, ""))
            if after[0] < now - age:
                return Look(age, after, now - age)
        return None

    def step_back(self, now: int) -> None:
        """A walk begins: of what ended lately, some may have come behind it."""
        place = (now - SETTLED_US, "")
        self._places = {age: min(known, place) for age, known in self._places.items()}

    def seen(self, look: Look, ends: Sequence[Finished]) -> None:
        """All of these have been looked at; none: there are no more."""
        last = ends[-1] if ends else None
        self._places[look.age_us] = (look.until, "") if last is None else (last.finished_at, last.id)

    def missed(self, look: Look, ends: Sequence[Finished], now: int) -> None:
        """These of the look had to wait, and are not remembered: in minutes it begins again with the first of them."""
        if not ends:
            return
        if not self._missed:
            self._missed_at = now
        first = min(end.finished_at for end in ends)
        place = (first - 1, "")
        self._missed[look.age_us] = min(place, self._missed.get(look.age_us, place))


class Waits(msgspec.Struct):
    """One that could not go, since when that is known, and when it is looked at again."""

    end: Finished
    age_us: int
    since: int
    again_at: int


class Waiting:
    """What was due and could not go: at most MAX_WAITING, each looked at again after seconds, and less and less often
    the longer it has waited, at last once an hour. So a tree goes soon after its last part has ended, at most a
    quarter later than that took."""

    def __init__(self) -> None:
        self._by_id: dict[str, Waits] = {}

    def put(self, ends: Iterable[Finished], age_us: int, now: int) -> list[Finished]:
        """Remember these; those for which there is no room come back."""
        missed = []
        for end in ends:
            known = self._by_id.get(end.id)
            if known is not None and known.end == end and known.age_us == age_us:
                continue
            if known is None and len(self._by_id) >= MAX_WAITING:
                missed.append(end)
                continue
            self._by_id[end.id] = Waits(end, age_us, now, now + SOONEST_AGAIN_US)
        return missed

    def take(self, ages: Ages, now: int, limit: int) -> list[Finished]:
        """Those to look at again now, the longest due first, at most so many. Those whose rule is another by now, or
        which another node sweeps, are forgotten."""
        ready = sorted((each for each in self._by_id.values() if each.again_at <= now), key=lambda each: each.again_at)
        taken: list[Finished] = []
        for each in ready:
            if len(taken) == limit:
                break
            if not due_of([each.end], each.age_us, ages):
                del self._by_id[each.end.id]
                continue
            pause = (now - each.since) // WAITED_SHARE
            each.again_at = now + min(max(pause, SOONEST_AGAIN_US), LATEST_AGAIN_US)
            taken.append(each.end)
        return taken

    def forget(self, ids: Iterable[str]) -> None:
        """They are gone, or have not ended as they had."""
        for id in ids:
            self._by_id.pop(id, None)
