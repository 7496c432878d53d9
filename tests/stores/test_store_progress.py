"""What long steps say of how far they are: the last word of each, while their node runs them."""

from __future__ import annotations

import pytest
from hydra.errors import LeaseLost
from hydra.execution import Progress
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, UNKNOWN, end, register, running


def report(id: str, payload: bytes, *, name: str = "copy", ordinal: int = 0, attempt: int = 1) -> Progress:
    return Progress(id, "a/b", name, ordinal, attempt, payload, NOW, NOW + len(payload))


def test_the_last_word_of_each_step_is_kept(store: Store) -> None:
    node = register(store)
    id = running(store, node).id
    first, other = report(id, b"1"), report(id, b"one", ordinal=1)
    store.report_progress(node, [first, other], NOW)
    last = report(id, b"half", attempt=2)
    store.report_progress(node, [last], NOW)
    assert sorted(store.progress(id), key=lambda each: each.ordinal) == [last, other]
    assert store.progress(UNKNOWN) == []


def test_what_a_node_does_not_run_is_passed_over(store: Store) -> None:
    ours, theirs = register(store), register(store)
    claimed = running(store, ours)
    store.report_progress(theirs, [report(claimed.id, b"1"), report(UNKNOWN, b"1")], NOW)
    assert store.progress(claimed.id) == []
    end(store, ours, claimed, "sleeping", wake_at=NOW + SECOND)
    store.report_progress(ours, [report(claimed.id, b"1")], NOW)
    assert store.progress(claimed.id) == []


def test_g2_a_dead_node_reports_nothing(store: Store) -> None:
    node = register(store)
    id = running(store, node).id
    assert store.mark_dead(node.id, None, NOW)
    with pytest.raises(LeaseLost):
        store.report_progress(node, [report(id, b"1")], NOW)


def test_progress_goes_with_its_execution(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    store.report_progress(node, [report(claimed.id, b"1")], NOW)
    end(store, node, claimed, "completed", payload=b"")
    assert store.progress(claimed.id) == [report(claimed.id, b"1")]
    assert store.purge(NOW + SECOND, 10) == 1
    assert store.progress(claimed.id) == []
