"""How much waits and how much room there is, by workflow and by label: what whoever adds or removes nodes goes by.

Pure: stores read, and this says what it means.

    backlog ÷ how fast executions end = the time until it is gone      places taken ÷ places = utilisation
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from hydra.execution import FINAL, Status
from hydra.stores.node_states import NodeState
from hydra.stores.pauses import Pause
from hydra.stores.stats import Load, Loads, Stats

COUNT_LIMIT = 1_000  # due executions of a workflow are counted no further; past it all that are pending stand for them


class Read(NamedTuple):
    """What a store reads: due executions of each workflow, counted up to the limit; instants at which some became due,
    the oldest of each among them."""

    counts: dict[str, dict[str, int]]
    due_counts: dict[str, int]
    due_at: list[tuple[str, int]]
    nodes: list[NodeState]
    servers: dict[str, list[str]]
    labels: dict[str, tuple[str, ...]]
    pauses: list[Pause]


def stats_of(read: Read) -> Stats:
    alive = {node.info.id: node for node in read.nodes if node.state == "alive"}
    oldest: dict[str, int] = {}
    for name, at in read.due_at:
        oldest[name] = min(at, oldest.get(name, at))
    backlogs = {
        name: count if count < COUNT_LIMIT else max(count, read.counts.get(name, {}).get(Status.PENDING, 0))
        for name, count in read.due_counts.items()
        if count
    }
    unclaimed = {name: count for name, count in backlogs.items() if name not in read.servers}
    known = {label for node in alive.values() for label in node.info.labels}
    lacking: dict[str, int] = {}
    for name, count in unclaimed.items():
        for label in read.labels.get(name, ()):
            if label not in known:
                lacking[label] = lacking.get(label, 0) + count
    workflows = {
        name: _load([name], backlogs, oldest, [alive[id] for id in read.servers.get(name, ()) if id in alive])
        for name in sorted({*backlogs, *read.servers})
    }
    labels = {
        label: _load(
            [name for name in backlogs if label in read.labels.get(name, ())],
            backlogs,
            oldest,
            [node for node in alive.values() if label in node.info.labels],
        )
        for label in sorted(known.union(*read.labels.values()))
    }
    loads = Loads(_load(list(backlogs), backlogs, oldest, list(alive.values())), workflows, labels)
    return Stats(
        read.counts, loads.total.oldest_due_at, len(alive), unclaimed, lacking, read.pauses, loads, read.labels
    )


class Demand(msgspec.Struct, frozen=True):
    """One load for people and scalers. `utilization` is None where no node says how many places it has,
    `drain_seconds` where nothing ends, or only one look was taken."""

    backlog: int
    oldest_age_seconds: float
    places: int
    places_taken: int
    utilization: float | None
    ended_per_second: float | None
    drain_seconds: float | None


class Demands(msgspec.Struct, frozen=True):
    """Of all, of each workflow and of each label."""

    total: Demand
    workflows: dict[str, Demand]
    labels: dict[str, Demand]


def demands(stats: Stats, now: int, before: Stats | None = None, seconds: float = 0.0) -> Demands:
    """With an earlier look, `seconds` ago, also how fast executions end. (A purge between the two hides some.)"""
    rates = None if before is None else ends_per_second(before, stats, seconds)
    by_label: dict[str, float] = {}
    for name, labels in stats.labels.items():
        for label in labels:
            by_label[label] = by_label.get(label, 0.0) + (rates or {}).get(name, 0.0)

    def rate(names: Mapping[str, float], name: str) -> float | None:
        return None if rates is None else names.get(name, 0.0)

    return Demands(
        _demand(stats.loads.total, now, None if rates is None else sum(rates.values())),
        {name: _demand(load, now, rate(rates or {}, name)) for name, load in stats.loads.workflows.items()},
        {label: _demand(load, now, rate(by_label, label)) for label, load in stats.loads.labels.items()},
    )


def ends_per_second(before: Stats, after: Stats, seconds: float) -> dict[str, float]:
    """By workflow."""
    earlier = {name: _ended(counts) for name, counts in before.counts.items()}
    if seconds <= 0:
        return {}
    return {name: max(0, _ended(counts) - earlier.get(name, 0)) / seconds for name, counts in after.counts.items()}


def _ended(counts: Mapping[str, int]) -> int:
    return sum(counts.get(status, 0) for status in FINAL)


def _demand(load: Load, now: int, rate: float | None) -> Demand:
    age = 0.0 if load.oldest_due_at is None else max(0, now - load.oldest_due_at) / 1e6
    drain = None if not rate else load.backlog / rate
    return Demand(
        load.backlog,
        age,
        load.places,
        load.places_taken,
        load.places_taken / load.places if load.places else None,
        rate,
        drain if load.backlog else 0.0,
    )


def _load(
    names: Sequence[str], backlogs: Mapping[str, int], oldest: Mapping[str, int], nodes: Sequence[NodeState]
) -> Load:
    return Load(
        sum(backlogs.get(name, 0) for name in names),
        min((oldest[name] for name in names if name in oldest), default=None),
        sum(node.info.places for node in nodes),
        sum(node.running_count for node in nodes),
    )
