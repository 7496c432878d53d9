"""Claiming: the best of what is due, once, under the fence, with its records."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hydra.errors import LeaseLost
from hydra.execution import Claimed, NodeRef, Record
from hydra.stores import claim_sizes
from hydra.stores.postgres import claiming
from hydra.stores.store import Store

from tests.stores.store_values import (
    NOW,
    SECOND,
    UNKNOWN,
    WORKFLOW,
    claim,
    end,
    record,
    register,
    running,
    submission,
    submit,
    write,
)


def test_a_claim_brings_everything_needed_to_run(store: Store) -> None:
    node = register(store)
    (id,) = submit(store, key="k", input=b"\x00in", priority=3, timeout_us=60 * SECOND, tags={"a": "b"})
    (claimed,) = claim(store, node, now=NOW + 5)
    assert claimed == Claimed(
        id=id,
        epoch=1,
        workflow=WORKFLOW,
        key="k",
        input=b"\x00in",
        attempt=1,
        priority=3,
        run_at=NOW,
        claimed_at=NOW + 5,
        submitted_at=NOW,
        timeout_at=NOW + 60 * SECOND,
        wake_seq=0,
        cancel_requested=False,
        death_count=0,
        alone_death_count=0,
        tags={"a": "b"},
        records=[],
    )
    (snapshot,) = store.get([id])
    assert snapshot is not None
    assert (snapshot.status, snapshot.owner, snapshot.epoch) == ("running", node.id, 1)
    assert snapshot.started_at == NOW + 5


def test_g2_what_one_node_claimed_another_cannot(store: Store, open_another: Callable[..., Store]) -> None:
    other = open_another()
    ids = submit(store, 10)
    first = claim(store, register(store), 6)
    second = claim(other, register(other), 6)
    assert len(first) == 6
    assert sorted(claimed.id for claimed in first + second) == sorted(ids)


def test_larger_priority_runs_first_then_what_was_due_earlier(store: Store) -> None:
    late = submission(run_at=NOW - 1)
    early = submission(run_at=NOW - 2)
    urgent = submission("dun", priority=1)
    lazy = submission(priority=-1, run_at=NOW - 9)
    store.submit([late, early, urgent, lazy], NOW)
    order = [claimed.id for claimed in store.claim(register(store), [WORKFLOW, "dun"], 10, NOW)]
    assert order == [urgent.id, early.id, late.id, lazy.id]


def test_no_more_than_the_free_slots_are_taken(store: Store) -> None:
    submit(store, 5)
    node = register(store)
    assert len(claim(store, node, 2)) == 2
    assert claim(store, node, 0) == []
    assert len(claim(store, node, 100)) == 3


def test_r27_a_node_claims_only_names_it_has_registered(store: Store) -> None:
    submit(store, workflow="unknown")
    node = register(store)
    assert claim(store, node) == []
    assert store.claim(node, [], 10, NOW) == []
    assert store.stats(NOW).unclaimed == {"unknown": 1}


def test_r12_a_claim_brings_every_record_in_order(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert write(store, node, claimed, record(1), record(2, "ship"))
    assert end(store, node, claimed, "released", record(3, "mail"))
    (again,) = claim(store, node)
    assert (again.epoch, again.attempt) == (2, 1)
    assert again.records == [record(1), record(2, "ship"), record(3, "mail")]


def test_records_of_many_executions_do_not_mix(store: Store) -> None:
    node = register(store)
    submit(store, 300)
    claimed = claim(store, node, 300)
    for one in claimed:
        assert end(store, node, one, "released", *[record(seq, one.id) for seq in (1, 2, 3)])
    for again in claim(store, node, 300):
        assert again.records == [record(seq, again.id) for seq in (1, 2, 3)]


@pytest.mark.parametrize("break_it", ["dead", "session", "unknown", "namespace"])
def test_r6_the_fence_refuses_every_write_of_a_node_that_may_not(
    store: Store, open_another: Callable[..., Store], break_it: str
) -> None:
    node = register(store)
    claimed = running(store, node)
    submit(store)
    target = store
    if break_it == "dead":
        assert store.mark_dead(node.id, None, NOW)
    elif break_it == "session":
        store.resync(node)
    elif break_it == "unknown":
        node = NodeRef(UNKNOWN, 1)
    else:
        target = open_another("tenant")
    with pytest.raises(LeaseLost, match=node.id):
        claim(target, node)
    with pytest.raises(LeaseLost):
        write(target, node, claimed, record(1))
    with pytest.raises(LeaseLost):
        target.heartbeat_node(node, NOW)
    with pytest.raises(LeaseLost):
        target.recover(node, [claimed.id])
    with pytest.raises(LeaseLost):
        target.register_workflows(node, [], NOW)
    assert store.records(claimed.id) == []
    assert store.stats(NOW).counts == {WORKFLOW: {"running": 1, "pending": 1}}


def test_recover_gives_back_what_a_lost_reply_held(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    write(store, node, claimed, record(1))
    theirs = running(store, register(store))
    node, owned = store.resync(node)
    assert [(one.id, one.epoch, one.record_count) for one in owned] == [(claimed.id, 1, 1)]
    (recovered,) = store.recover(node, [claimed.id, theirs.id])
    assert (recovered.id, recovered.epoch, recovered.records) == (claimed.id, 1, [record(1)])


def test_a_joint_transaction_is_all_or_nothing(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    submit(store)
    with pytest.raises(LeaseLost), store.transaction():
        assert write(store, node, claimed, record(1))
        assert len(claim(store, node)) == 1
        store.heartbeat_node(NodeRef(node.id, 99), NOW)
    assert store.records(claimed.id) == []
    assert store.stats(NOW).counts == {WORKFLOW: {"running": 1, "pending": 1}}
    with store.transaction():
        assert write(store, node, claimed, record(1))
        assert store.records(claimed.id) == [record(1)]
        assert len(claim(store, node)) == 1
        assert store.heartbeat_node(node, NOW).running_count == 2
    assert store.records(claimed.id) == [record(1)]


def test_a_joint_transaction_whose_failed_part_was_swallowed_is_rolled_back(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    with pytest.raises(Exception, match="rolled back"), store.transaction():
        write(store, node, claimed, record(1))
        with pytest.raises(LeaseLost):
            store.heartbeat_node(NodeRef(node.id, 99), NOW)
    assert store.records(claimed.id) == []


def test_a_claim_takes_so_many_bytes_and_one_execution_at_least(store: Store) -> None:
    node = register(store)
    size = claim_sizes.CLAIM_BYTES // 2
    urgent = submit(store, priority=1)
    large = submit(store, 3, input=b"x" * size)
    first = [each.id for each in claim(store, node)]
    assert set(urgent) < set(first) and len(first) == 2
    second = [each.id for each in claim(store, node)]
    assert len(second) == 2 and sorted([*first, *second]) == sorted([*urgent, *large])


def test_g7_what_no_claim_takes_is_parked_with_its_size_and_the_others_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = register(store)
    claimed = running(store, node)
    records = [Record(seq, "step", "", "s", seq, 1, b"d" * 16, b"x" * 600_000, NOW, NOW) for seq in (1, 2)]
    assert end(store, node, claimed, "released", *records)
    monkeypatch.setattr(claim_sizes, "MAX_EXECUTION_BYTES", 1 << 20)
    monkeypatch.setitem(claiming.LIMITS, "bytes_max", 1 << 20)
    (other,) = submit(store)
    assert [each.id for each in claim(store, node)] == [other]
    parked = store.get([claimed.id])[0]
    assert parked is not None and parked.status == "parked"
    assert "1,200,005 bytes" in parked.reason and "1,048,576" in parked.reason
    store.resume([claimed.id], NOW)
    assert claim(store, node) == []
    store.request_cancel([claimed.id], NOW, undo=False)


def test_recover_brings_as_much_as_a_claim_may_and_one_at_least(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    node = register(store)
    ids = submit(store, 5, input=bytes(1000))
    assert len(claim(store, node, slots=5)) == 5
    monkeypatch.setattr(claim_sizes, "CLAIM_BYTES", 2500)
    assert [each.id for each in store.recover(node, ids)] == ids[:2]
    assert [each.id for each in store.recover(node, ids[4:])] == ids[4:]
    monkeypatch.setattr(claim_sizes, "CLAIM_BYTES", 10)
    assert [each.id for each in store.recover(node, ids[2:])] == ids[2:3]
