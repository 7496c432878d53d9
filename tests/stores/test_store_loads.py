"""Backlogs and places: what stores count, and what whoever adds or removes nodes is told."""

from __future__ import annotations

import os
import uuid

from hydra.execution import Ending, NodeInfo
from hydra.stores import loads
from hydra.stores.loads import Demand, demands
from hydra.stores.stats import Load, Loads, Stats
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, end, submit

TRAIN = WorkflowInfo("train", b"{}", None, "code", labels=("gpu",))


def test_backlogs_and_places_are_counted_by_workflow_and_label(store: Store) -> None:
    plain = store.register_node(NodeInfo(str(uuid.uuid4()), "h", "b", os.getpid(), 1, "code", 2, places=10), NOW)
    gpu_info = NodeInfo(str(uuid.uuid4()), "h", "b", os.getpid(), 1, "code", 2, labels=("gpu",), places=4)
    gpu = store.register_node(gpu_info, NOW)
    bill = WorkflowInfo(WORKFLOW, b"{}", None, "code")
    store.register_workflows(plain, [bill], NOW)
    store.register_workflows(gpu, [bill, TRAIN], NOW)
    submit(store, 5, now=NOW)
    submit(store, 2, workflow="train", now=NOW + SECOND)
    submit(store, workflow="train", priority=3, now=NOW + 2 * SECOND)
    submit(store, workflow="train", run_at=NOW + 900 * SECOND)
    submit(store, workflow="lost")
    taken = claim(store, plain, 3)
    found = store.stats(NOW + 2 * SECOND)
    assert found.loads == Loads(
        Load(6, NOW, 14, 3),
        {
            WORKFLOW: Load(2, NOW, 14, 3),
            "lost": Load(1, NOW, 0, 0),
            "train": Load(3, NOW + SECOND, 4, 0),
        },
        {"gpu": Load(3, NOW + SECOND, 4, 0)},
    )
    assert (found.unclaimed, found.labels, found.oldest_due_at) == ({"lost": 1}, {"train": ("gpu",)}, NOW)
    for one in taken:
        assert end(store, plain, one, Ending.COMPLETED, now=NOW + 3 * SECOND)
    later = demands(store.stats(NOW + 4 * SECOND), NOW + 4 * SECOND, found, 2.0)
    assert later.workflows[WORKFLOW] == Demand(2, 4.0, 14, 0, 0.0, 1.5, 2 / 1.5)
    assert later.labels["gpu"] == Demand(3, 3.0, 4, 0, 0.0, 0.0, None)
    assert later.workflows["lost"] == Demand(1, 4.0, 0, 0, None, 0.0, None)
    assert later.total.ended_per_second == 1.5


def test_one_look_says_nothing_of_speed_and_an_empty_queue_is_gone() -> None:
    stats = Stats({}, None, 1, {}, loads=Loads(Load(0, None, 4, 1), {"bill": Load(7, NOW, 0, 0)}))
    found = demands(stats, NOW + SECOND)
    assert found.total == Demand(0, 0.0, 4, 1, 0.25, None, 0.0)
    assert found.workflows["bill"] == Demand(7, 1.0, 0, 0, None, None, None)


def test_a_backlog_past_what_is_counted_is_all_that_is_pending() -> None:
    limit = loads.COUNT_LIMIT
    counts = {"a": {"pending": 5 * limit}, "b": {"pending": 5 * limit}}
    read = loads.Read(counts, {"a": limit, "b": limit - 1}, [("a", 5), ("b", 3), ("a", 2)], [], {}, {}, [])
    found = loads.stats_of(read)
    assert found.unclaimed == {"a": 5 * limit, "b": limit - 1}
    assert found.loads.total == Load(6 * limit - 1, 2, 0, 0)


def test_a_purge_between_two_looks_makes_no_rate_negative() -> None:
    before = Stats({"bill": {"completed": 10, "failed": 5, "pending": 3}}, None, 1, {})
    after = Stats({"bill": {"completed": 2}, "dun": {"cancelled": 4}}, None, 1, {})
    assert loads.ends_per_second(before, after, 2.0) == {"bill": 0.0, "dun": 2.0}
