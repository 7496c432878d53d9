"""Nodes: registration, heartbeat, death, and how work is given back."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from hydra.errors import LeaseLost
from hydra.execution import NodeInfo
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.store_values import (
    NOW,
    SECOND,
    WORKFLOW,
    claim,
    end,
    record,
    register,
    running,
    status,
    submit,
    write,
)


def test_a_registered_node_is_seen_by_its_peers(store: Store, open_another: Callable[..., Store]) -> None:
    info = NodeInfo(str(uuid.uuid4()), "host", "boot", 4711, 99, "code-1", 8, "/run/n.lock")
    node = store.register_node(info, NOW)
    running(store, node)
    store.heartbeat_node(node, NOW + 2)
    (seen,) = open_another().nodes()
    assert seen.info == info
    assert (seen.state, seen.session, seen.counter) == ("alive", node.session, 1)
    assert (seen.registered_at, seen.beat_at, seen.running_count) == (NOW, NOW + 2, 1)


def test_r1_an_id_registers_once(store: Store) -> None:
    node = register(store)
    with pytest.raises(Exception, match=node.id):
        register(store, node.id)


def test_r3_each_beat_raises_the_counter_and_counts_what_the_node_runs(store: Store) -> None:
    node = register(store)
    running(store, node)
    running(store, register(store))
    assert [store.heartbeat_node(node, NOW + beat).running_count for beat in range(3)] == [1, 1, 1]
    assert [seen.counter for seen in store.nodes() if seen.info.id == node.id] == [3]


def test_r3_a_node_that_beat_again_is_not_marked(store: Store) -> None:
    node = register(store)
    store.heartbeat_node(node, NOW)
    assert not store.mark_dead(node.id, 0, NOW)
    assert store.mark_dead(node.id, 1, NOW)
    assert not store.mark_dead(node.id, 1, NOW)
    with pytest.raises(LeaseLost):
        store.heartbeat_node(node, NOW)


def test_r8_dead_then_given_back_then_empty(store: Store) -> None:
    node, other = register(store), register(store)
    claimed = running(store, node)
    assert write(store, node, claimed, record(1))
    theirs = running(store, other)
    assert store.return_executions(NOW, 10) == 0
    assert store.mark_dead(node.id, None, NOW)
    assert _state(store, node.id) == "dead"
    assert store.return_executions(NOW + 7, 10) == 1
    assert _state(store, node.id) == "dead"
    assert store.return_executions(NOW + 8, 10) == 0
    assert _state(store, node.id) == "empty"
    assert status(store, theirs.id) == "running"
    (again,) = claim(store, other, now=NOW + 9)
    assert (again.id, again.epoch, again.attempt, again.records) == (claimed.id, 2, 1, [record(1)])
    assert again.run_at == NOW + 7
    assert [line.ending for line in store.claims(claimed.id)] == ["lost", None]


def test_r8_a_reaper_that_dies_half_way_is_followed_by_the_next(
    store: Store, open_another: Callable[..., Store]
) -> None:
    node = register(store)
    submit(store, 25)
    claim(store, node)
    first, second = open_another(), open_another()
    assert first.mark_dead(node.id, None, NOW)
    assert first.return_executions(NOW, 10) == 10
    first.close()
    assert second.return_executions(NOW, 10) == 10
    assert second.return_executions(NOW, 10) == 5
    assert second.return_executions(NOW, 10) == 0
    assert _state(store, node.id) == "empty"
    assert len(claim(store, register(store))) == 25


def test_a_cancel_request_outlives_its_owners_death(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    store.request_cancel([claimed.id], NOW)
    store.mark_dead(node.id, None, NOW)
    store.return_executions(NOW, 10)
    assert claim(store, register(store))[0].cancel_requested


def test_a_clean_end_leaves_nothing_owned(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    store.unregister_node(node, NOW)
    with pytest.raises(LeaseLost):
        end(store, node, claimed, "completed", payload=b"")
    assert store.return_executions(NOW, 10) == 1
    assert store.return_executions(NOW, 10) == 0
    assert _state(store, node.id) == "empty"
    assert claim(store, register(store))[0].id == claimed.id


def test_r16_a_resync_shuts_out_the_session_before_and_may_be_repeated(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    once, _ = store.resync(node)
    twice, owned = store.resync(node)
    assert twice.session > once.session > node.session
    assert [(one.id, one.epoch, one.record_count) for one in owned] == [(claimed.id, 1, 0)]
    with pytest.raises(LeaseLost):
        write(store, once, claimed, record(1))
    assert write(store, twice, claimed, record(1))
    store.mark_dead(node.id, None, NOW)
    with pytest.raises(LeaseLost):
        store.resync(twice)


def test_registered_workflows_are_known_to_programs_without_their_code(store: Store) -> None:
    node = register(store)
    old = WorkflowInfo("bill", b"{}", None, "code-1")
    new = WorkflowInfo("bill", b'{"a": 1}', 5 * SECOND, "code-2")
    dun = WorkflowInfo("dun", b"{}", None, "code-1")
    store.register_workflows(node, [old, dun], NOW)
    store.register_workflows(node, [new], NOW)
    assert store.workflows() == [new, dun]


def test_due_work_that_no_living_node_serves_is_named(store: Store) -> None:
    node = register(store)
    store.register_workflows(node, [WorkflowInfo(WORKFLOW, b"", None, "code")], NOW)
    submit(store, 2)
    submit(store, 3, workflow="dun")
    submit(store, workflow="later", run_at=NOW + SECOND)
    stats = store.stats(NOW)
    assert (stats.nodes_alive, stats.unclaimed) == (1, {"dun": 3})
    store.mark_dead(node.id, None, NOW)
    stats = store.stats(NOW)
    assert (stats.nodes_alive, stats.unclaimed) == (0, {"dun": 3, WORKFLOW: 2})


def _state(store: Store, node_id: str) -> str:
    return next(node.state for node in store.nodes() if node.info.id == node_id)
