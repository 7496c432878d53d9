"""What nodes tell of breakers and of their own circuits, and what others hear of it, on every database."""

from __future__ import annotations

from hydra.breakers import ALL_CIRCUITS, ALL_KEYS
from hydra.dispatch.events import BreakerClosed, BreakerOpened, BreakersSeen, SendBeat, WatchBreakers
from hydra.stores.store import Store

from tests.stores.test_store_thread import Registered

SECOND = 1_000_000


def seen(node: Registered) -> dict[str, tuple[int, str]]:
    node.do(SendBeat([]))
    (event,) = [report for report in node.posted if isinstance(report, BreakersSeen)]
    return event.open


def test_an_open_breaker_is_heard_of_by_other_nodes_until_it_is_closed(store: Store) -> None:
    node = Registered(store)
    until = node.clock.now() + 60 * SECOND
    node.do(WatchBreakers(), BreakerOpened("bank", until, "5 of the last 9 calls failed"))
    assert seen(node) == {"bank": (until, "5 of the last 9 calls failed")}
    (pause,) = store.key_pauses(*ALL_KEYS, 9)
    assert node.thread.membership.node is not None
    assert pause.paused_by == f"node `{node.thread.membership.node.id}`"
    node.do(BreakerOpened("bank", until + 9, "the last probe failed"))
    assert seen(node) == {"bank": (until + 9, "the last probe failed")}
    node.do(BreakerClosed("bank"))
    assert seen(node) == {}
    assert store.audit() == []


def test_a_nodes_circuits_are_told_with_its_beats_while_they_are_not_closed(store: Store) -> None:
    node = Registered(store)
    assert node.thread.membership.node is not None
    id = node.thread.membership.node.id
    node.do(SendBeat([], {}, {"claim": "open: slow", "dispatch 0": "half-open: it died"}))
    found = [(pause.key, pause.reason) for pause in store.key_pauses(*ALL_CIRCUITS, 9)]
    assert found == [(f"circuit:{id}:claim", "open: slow"), (f"circuit:{id}:dispatch 0", "half-open: it died")]
    node.do(SendBeat([], {}, {"claim": "open: still slow"}))
    assert [pause.reason for pause in store.key_pauses(*ALL_CIRCUITS, 9)] == ["open: still slow"]
    node.do(SendBeat([]))
    assert store.key_pauses(*ALL_CIRCUITS, 9) == []


def test_r6_a_node_that_is_dead_tells_nothing(store: Store) -> None:
    node = Registered(store)
    assert node.thread.membership.node is not None
    assert store.mark_dead(node.thread.membership.node.id, None, node.clock.now())
    node.do(BreakerOpened("bank", node.clock.now() + 60 * SECOND, "down"))
    assert store.key_pauses(*ALL_KEYS, 9) == []
    assert node.thread.membership.node is None
