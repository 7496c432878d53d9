"""Counts of a namespace: its executions, its nodes, and what waits for places on them."""

from __future__ import annotations

import msgspec

from hydra.stores.pauses import Pause


class Load(msgspec.Struct, frozen=True):
    """What is due and waits, and the places of the living nodes that could run it."""

    backlog: int
    oldest_due_at: int | None
    places: int
    places_taken: int


NO_LOAD = Load(0, None, 0, 0)


class Loads(msgspec.Struct, frozen=True):
    """Of all, of each workflow that waits or is served, of each label that a living node has or a workflow needs."""

    total: Load = NO_LOAD
    workflows: dict[str, Load] = {}
    labels: dict[str, Load] = {}


class Stats(msgspec.Struct, frozen=True):
    """Counts by (workflow, status) of this namespace; `unclaimed` names workflows with due work no live node serves."""

    counts: dict[str, dict[str, int]]
    oldest_due_at: int | None
    nodes_alive: int
    unclaimed: dict[str, int]
    unserved_labels: dict[str, int] = {}  # by label that no living node has: how many due executions wait for one
    pauses: list[Pause] = []
    loads: Loads = Loads()
    labels: dict[str, tuple[str, ...]] = {}  # of workflows that need some
