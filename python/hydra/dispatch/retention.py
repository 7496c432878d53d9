"""What a node deletes of what has ended: how long each is kept, and where it is in its walk along the ends. Pure.

    rules: by workflow and outcome, its own before the node's ──► one walk for each age, oldest ends first
    a page of ends ──► those whose age it is ──► trees ──► archive ──► deletion        (node/sweeper)

What cannot go when the walk comes past it (a part of its tree is open, somebody retries it) is met by the next walk
from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hydra.stores.sweeping import Finished
from hydra.stores.workflow_info import WorkflowInfo

WALK_AGAIN_US = 6 * 3_600_000_000  # from the first end on
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

    def next(self, ages: Ages, now: int) -> Look | None:
        """None: there is nothing to look at for now."""
        if self._began_at is None or now - self._began_at >= WALK_AGAIN_US:
            self._places, self._began_at = {}, now
        for age in sorted(set(ages.values())):
            after = self._places.get(age, (0, ""))
            if after[0] < now - age:
                return Look(age, after, now - age)
        return None

    def seen(self, look: Look, ends: Sequence[Finished]) -> None:
        """All of these have been looked at; none: there are no more."""
        last = ends[-1] if ends else None
        self._places[look.age_us] = (look.until, "") if last is None else (last.finished_at, last.id)
