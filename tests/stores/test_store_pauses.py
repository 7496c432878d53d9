"""What a person stops: no claim takes anything of it once the order has been answered, whatever was under way."""

from __future__ import annotations

import pytest
from hydra.execution import Ending
from hydra.stores.filter import Filter
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.store import Store

from tests.stores.racing import ServerStage
from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, end, register, running, submit, take

BILL = Pause(PauseKind.WORKFLOW, WORKFLOW, NOW, "ana@host", "the bank is down")
ALL = Pause(PauseKind.NAMESPACE, "", NOW, "ana@host", "")


def test_what_is_paused_is_not_claimed_and_what_is_not_takes_all_places(store: Store) -> None:
    node = register(store)
    submit(store, 3)
    others = submit(store, 5, workflow="dun", priority=-1)
    store.pause(BILL)
    submit(store, 3)
    assert claim(store, node) == []
    assert {each.id for each in store.claim(node, ["bill", "dun"], 4, NOW)} == set(others[:4])
    assert store.unpause(PauseKind.WORKFLOW, WORKFLOW)
    assert not store.unpause(PauseKind.WORKFLOW, WORKFLOW)
    assert len(take(store, node)) == 6


def test_a_paused_namespace_starts_nothing_whatever_else_goes_on(store: Store) -> None:
    node = register(store)
    submit(store, 2)
    submit(store, 2, workflow="dun")
    store.pause(ALL)
    store.pause(BILL)
    assert store.claim(node, ["bill", "dun"], 10, NOW) == claim(store, node) == []
    assert store.unpause(PauseKind.NAMESPACE, "")
    assert [each.workflow for each in store.claim(node, ["bill", "dun"], 10, NOW)] == ["dun", "dun"]


def test_what_runs_goes_on_until_it_suspends(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    store.pause(BILL)
    assert end(store, node, claimed, Ending.SLEEPING, wake_at=NOW + SECOND)
    assert store.promote(NOW + SECOND, 10) == 1
    assert claim(store, node, now=NOW + SECOND) == []
    store.unpause(PauseKind.WORKFLOW, WORKFLOW)
    (again,) = take(store, node, now=NOW + SECOND)
    assert (again.id, again.epoch) == (claimed.id, 2)


def test_who_paused_it_why_and_since_when_is_kept_and_a_second_order_tells_the_last_reason(store: Store) -> None:
    store.pause(ALL)
    store.pause(BILL)
    again = Pause(PauseKind.WORKFLOW, WORKFLOW, NOW + SECOND, "ben@host", "audit")
    store.pause(again)
    known = [ALL, Pause(PauseKind.WORKFLOW, WORKFLOW, NOW, "ben@host", "audit")]
    assert store.pauses() == store.stats(NOW).pauses == known


def test_a_node_learns_with_its_beat_that_it_is_to_drain_and_the_order_goes_with_the_node(store: Store) -> None:
    node, other = register(store), register(store)
    claimed = running(store, node)
    store.request_cancel([claimed.id], NOW)
    store.pause(Pause(PauseKind.NODE, node.id, NOW, "ana@host", "a new kernel"))
    beat = store.heartbeat_node(node, NOW)
    assert (beat.must_drain, [each.kind for each in beat.attention]) == (True, ["cancel"])
    assert not store.heartbeat_node(other, NOW).must_drain
    assert end(store, node, claimed, Ending.CANCELLED)
    store.unregister_node(node, NOW)
    store.return_executions(NOW, 10)
    store.purge(NOW + SECOND, 10)
    assert store.pauses() == []


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
def test_a_pause_waits_for_the_claim_that_came_before_it(stage: ServerStage) -> None:
    stage.submit()
    with stage.a.transaction():
        (taken,) = stage.claim_a()
        paused = stage.in_thread(stage.b.pause, BILL)
        stage.until_blocked()
        assert not paused.done()
    paused.result()
    assert [each.id for each in stage.a.list(Filter())] == [taken.id]
    stage.submit()
    assert stage.claim_a() == stage.claim_b() == []


@pytest.mark.parametrize("url", ["mysql"], indirect=True)
def test_a_claim_that_waits_for_its_nodes_row_sees_the_pause_that_came_meanwhile(stage: ServerStage) -> None:
    stage.submit()
    with stage.holding_node(stage.node_b):
        late = stage.in_thread(stage.claim_b)
        stage.until_blocked()
        paused = stage.in_thread(stage.a.pause, BILL)
        stage.until_blocked(2)
    assert late.result() == []
    paused.result()
