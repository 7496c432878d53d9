"""What a node asks of a database that may have failed over: the same connection, the last beat, and to park (R19)."""

from __future__ import annotations

from hydra._core import encode
from hydra.stores.node_states import Advanced
from hydra.stores.store import Store

from tests.stores.store_values import (
    NOW,
    SECOND,
    UNKNOWN,
    claim,
    end,
    record,
    register,
    running,
    status,
    submit,
    take,
    write,
)

REASON = encode("lost")


def park(store: Store, node_id: str, *advanced: Advanced) -> list[str]:
    return store.park(node_id, advanced, "rewound", REASON, NOW)


def number(store: Store) -> int:
    with store.transaction():
        return store.connection_number


def test_r19_a_beat_tells_its_counter(store: Store) -> None:
    node = register(store)
    register(store)
    assert [store.heartbeat_node(node, NOW).counter for _ in range(3)] == [1, 2, 3]


def test_r19_a_connection_keeps_its_number_and_another_one_has_another(store: Store) -> None:
    first = number(store)
    submit(store)
    assert number(store) == first
    store.close()
    assert number(store) != first or store.path is not None, "a file is always the same one"


def test_r19_what_has_come_less_far_than_is_known_is_parked(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert end(store, node, claimed, "released", record(1))
    assert park(store, node.id, Advanced(claimed.id, 1, 1)) == []
    assert park(store, node.id, Advanced(claimed.id, 2, 1), Advanced(UNKNOWN, 7, 1)) == [claimed.id]
    (snapshot,) = store.get([claimed.id])
    assert snapshot is not None
    assert (snapshot.status, snapshot.reason) == ("parked", "lost")
    assert not claim(store, node)
    assert [line.ending for line in store.claims(claimed.id)] == ["released", "parked"]
    assert store.stats(NOW).counts["bill"] == {"parked": 1}
    store.resume([claimed.id], NOW)
    (again,) = take(store, node, NOW)
    assert again.records == [record(1)]


def test_r19_what_sleeps_and_what_never_ran_is_parked_too(store: Store) -> None:
    node = register(store)
    claimed = running(store, node, timeout_us=SECOND)
    assert end(store, node, claimed, "sleeping", wake_at=NOW + SECOND)
    (delayed,) = submit(store, run_at=NOW + SECOND)
    (fresh,) = submit(store)
    asked = [Advanced(id, 1, 1) for id in (claimed.id, delayed, fresh)]
    assert park(store, node.id, *asked) == sorted([claimed.id, delayed, fresh])
    assert store.promote(NOW + 2 * SECOND, 10) == 0
    assert not claim(store, node, now=NOW + 2 * SECOND)


def test_r19_what_began_anew_has_lost_nothing(store: Store) -> None:
    """Its records went with their generation, which ended in the claim that is known of or in one after it."""
    node = register(store)
    claimed = running(store, node)
    assert end(store, node, claimed, "released", record(1))
    (second,) = take(store, node)
    assert end(store, node, second, "continued", record(2), payload=b"next")
    assert park(store, node.id, Advanced(claimed.id, 1, 1)) == []
    assert park(store, node.id, Advanced(claimed.id, 2, 2)) == []
    (third,) = take(store, node)
    assert end(store, node, third, "released", record(1))
    assert park(store, node.id, Advanced(claimed.id, 2, 3)) == [claimed.id], "known of this generation"
    assert store.audit() == []


def test_r10_what_runs_or_is_final_is_not_parked(store: Store) -> None:
    node = register(store)
    done, works = running(store, node), running(store, node)
    assert end(store, node, done, "completed", payload=b"")
    assert park(store, node.id, Advanced(done.id, 9, 1), Advanced(works.id, 9, 1)) == []
    assert (status(store, done.id), status(store, works.id)) == ("completed", "running")
    assert write(store, node, works, record(1))
