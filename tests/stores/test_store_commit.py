"""Committing: the next records, from the owner, at its epoch; and every way a claim can end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hydra import codec
from hydra.execution import Claim, End, ExecutionCommit, NodeRef, Record
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
    status,
    submit,
    write,
)


def test_g1_an_outcome_is_read_back_by_another_connection(store: Store, open_another: Callable[..., Store]) -> None:
    node = register(store)
    claimed = running(store, node)
    assert store.outcomes([claimed.id]) == [None]
    assert end(store, node, claimed, "completed", record(1), payload=b"\x00result", now=NOW + 3)
    assert open_another().outcomes([claimed.id]) == [("completed", b"\x00result", "")]
    (snapshot,) = store.get([claimed.id])
    assert snapshot is not None
    assert (snapshot.finished_at, snapshot.owner, snapshot.record_count) == (NOW + 3, None, 1)
    assert store.records(claimed.id) == [record(1)]
    assert store.claims(claimed.id) == [Claim(claimed.id, 1, 1, node.id, 0, NOW, NOW + 3, "completed")]


def test_the_audit_trail_shows_the_claim_that_goes_on(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert store.claims(claimed.id) == [Claim(claimed.id, 1, 1, node.id, None, NOW, None, None)]


@pytest.mark.parametrize("seqs", [[2], [1, 1], [1, 3], [0], [2, 1]])
def test_r13_only_the_next_record_is_accepted(store: Store, seqs: list[int]) -> None:
    node = register(store)
    claimed = running(store, node)
    assert not write(store, node, claimed, *[record(seq) for seq in seqs])
    assert store.records(claimed.id) == []
    assert write(store, node, claimed, record(1))
    assert not write(store, node, claimed, record(1))


def test_g2_only_the_owner_at_its_epoch_may_write(store: Store) -> None:
    node, other = register(store), register(store)
    claimed = running(store, node)
    assert not write(store, other, claimed, record(1))
    assert end(store, node, claimed, "released")
    (again,) = claim(store, other)
    assert not write(store, node, claimed, record(1))
    assert not end(store, node, claimed, "completed", payload=b"late")
    stale = ExecutionCommit(claimed.id, claimed.epoch, [record(1)])
    assert store.commit(other, [stale], NOW) == [False]
    assert write(store, other, again, record(1))


WRITES = {
    "records": ([record(1)], None),
    "a final end": ([], End("completed", b"")),
    "another end": ([], End("released")),
    "its deaths": ([], None),
}


def accepted(store: Store, node: NodeRef, id: str, epoch: int) -> list[str]:
    """By which of these it was written."""
    return [
        name
        for name, (records, outcome) in WRITES.items()
        if store.commit(node, [ExecutionCommit(id, epoch, list(records), outcome, death_count=1)], NOW)[0]
    ]


def test_g2_every_write_of_an_epoch_past_is_refused(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert end(store, node, claimed, "released")
    (again,) = claim(store, node)
    assert accepted(store, node, claimed.id, claimed.epoch) == []
    assert status(store, claimed.id) == "running"
    assert write(store, node, again, record(1))


def test_g2_every_write_of_an_owner_past_is_refused(store: Store) -> None:
    node, other = register(store), register(store)
    claimed = running(store, node)
    assert accepted(store, other, claimed.id, claimed.epoch) == []
    assert status(store, claimed.id) == "running"
    assert write(store, node, claimed, record(1))


def test_r13_a_suspend_whose_record_is_not_the_next_is_refused(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert not end(store, node, claimed, "sleeping", record(2), wake_at=NOW + SECOND)
    assert status(store, claimed.id) == "running"
    assert store.records(claimed.id) == []


def test_r11_one_refused_item_does_not_hold_up_the_others(store: Store) -> None:
    node = register(store)
    submit(store, 3)
    first, second, third = claim(store, node)
    batch = [
        ExecutionCommit(first.id, first.epoch, [record(1)]),
        ExecutionCommit(second.id, second.epoch + 1, [record(1)]),
        ExecutionCommit(UNKNOWN, 1, [record(1)]),
        ExecutionCommit(third.id, third.epoch, [record(1)], End("completed", b"done")),
    ]
    assert store.commit(node, batch, NOW) == [True, False, False, True]
    assert [len(store.records(one.id)) for one in (first, second, third)] == [1, 0, 1]


def test_r11_several_commits_of_one_execution_in_a_batch_build_on_each_other(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    batch = [
        ExecutionCommit(claimed.id, 1, [record(1)]),
        ExecutionCommit(claimed.id, 1, [record(2, "two")], End("crashed", cause="signal 9")),
        ExecutionCommit(claimed.id, 1, [record(3, "late")]),
        ExecutionCommit(claimed.id, 2, [record(3, "three")], End("completed", b"done")),
        ExecutionCommit(claimed.id, 2, [record(4, "four")]),
    ]
    assert store.commit(node, batch, NOW) == [True, True, False, True, False]
    assert [one.name for one in store.records(claimed.id)] == ["charge", "two", "three"]
    assert [(one.epoch, one.ending, one.detail) for one in store.claims(claimed.id)] == [
        (1, "crashed", "signal 9"),
        (2, "completed", ""),
    ]


def test_g7_a_crash_keeps_the_owner_raises_the_epoch_and_uses_up_no_attempt(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    crash = ExecutionCommit(claimed.id, 1, [record(1, kind="crash")], End("crashed", cause="signal 9"), 4, 1, 0)
    assert store.commit(node, [crash], NOW + 7) == [True]
    (snapshot,) = store.get([claimed.id])
    assert snapshot is not None
    assert (snapshot.status, snapshot.owner, snapshot.epoch) == ("running", node.id, 2)
    assert (snapshot.attempt, snapshot.death_count) == (1, 1)
    assert store.claims(claimed.id)[0].worker == 4
    assert store.claims(claimed.id)[1].claimed_at == NOW + 7
    (recovered,) = store.recover(node, [claimed.id])
    assert (recovered.epoch, recovered.death_count, recovered.alone_death_count) == (2, 1, 0)
    assert store.commit(node, [ExecutionCommit(claimed.id, 2, [record(2)], None, 0, 0, 0)], NOW) == [True]
    (recovered,) = store.recover(node, [claimed.id])
    assert recovered.death_count == 0


def test_a_retry_waits_as_pending_and_supersedes_only_its_cause(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    failure = record(2, "ship", "failure")
    assert end(store, node, claimed, "retry", record(1), failure, payload=b"why", wake_at=NOW + 5 * SECOND, cause_seq=2)
    assert claim(store, node) == []
    (snapshot,) = store.get([claimed.id])
    assert snapshot is not None
    assert (snapshot.status, snapshot.attempt) == ("pending", 2)
    assert (snapshot.run_at, snapshot.wake_at) == (NOW + 5 * SECOND, NOW + 5 * SECOND)
    assert store.promote(NOW + 5 * SECOND, 10) == 1
    (again,) = claim(store, node, now=NOW + 5 * SECOND)
    assert again.records[:2] == [record(1), failure]
    assert again.records[2:] == [Record(3, "supersede", "", "", 2, 2, b"", None, NOW, NOW)]
    assert (again.epoch, again.attempt, again.run_at) == (2, 2, NOW + 5 * SECOND)


def test_a_retry_that_is_due_at_once_is_ready_at_once(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert end(store, node, claimed, "retry", payload=b"why", wake_at=NOW)
    (again,) = claim(store, node)
    assert (again.attempt, again.records) == (2, [])


def test_a_failure_keeps_its_cause(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    payload = codec.encode_failure(ValueError("no such card"))
    assert end(store, node, claimed, "failed", record(1, kind="failure"), payload=payload, cause_seq=1)
    assert store.outcomes([claimed.id]) == [("failed", payload, "")]
    (snapshot,) = store.get([claimed.id])
    assert snapshot is not None
    assert snapshot.reason == "ValueError: no such card"


def test_a_parked_execution_shows_its_reason_and_is_not_final(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert end(store, node, claimed, "parked", payload=codec.encode("the code changed"))
    (snapshot,) = store.get([claimed.id])
    assert snapshot is not None
    assert (snapshot.status, snapshot.reason, snapshot.finished_at) == ("parked", "the code changed", None)
    assert store.outcomes([claimed.id]) == [("parked", None, "")]
    assert claim(store, node) == []


def test_released_is_due_again_at_once(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert end(store, node, claimed, "released", now=NOW + 9)
    (again,) = claim(store, node, now=NOW + 9)
    assert (again.id, again.epoch, again.run_at) == (claimed.id, 2, NOW + 9)


def test_a_sleeping_execution_is_a_row_with_a_timer(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert end(store, node, claimed, "sleeping", record(1, "", "sleep"), wake_at=NOW + SECOND)
    assert (status(store, claimed.id), store.next_due_at()) == ("sleeping", NOW + SECOND)
    assert claim(store, node) == []
    assert store.promote(NOW + SECOND - 1, 10) == 0
    assert store.promote(NOW + SECOND, 10) == 1
    (again,) = claim(store, node, now=NOW + SECOND)
    assert (again.run_at, again.attempt) == (NOW + SECOND, 1)


def test_a_waiting_execution_needs_no_timer(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert end(store, node, claimed, "waiting")
    (snapshot,) = store.get([claimed.id])
    assert snapshot is not None
    assert (snapshot.status, snapshot.wake_at, store.next_due_at()) == ("waiting", None, None)


@pytest.mark.parametrize("kind", ["sleeping", "waiting"])
def test_r14_a_suspension_that_missed_a_cancel_is_due_again_at_once(store: Store, kind: str) -> None:
    node = register(store)
    claimed = running(store, node)
    assert store.request_cancel([claimed.id], NOW) == ["running"]
    assert end(store, node, claimed, kind, wake_at=NOW + SECOND)
    (again,) = claim(store, node)
    assert again.cancel_requested


def test_r14_a_suspension_that_missed_a_wake_is_due_again_at_once(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert end(store, node, claimed, "waiting", wake_seq=claimed.wake_seq - 1)
    assert status(store, claimed.id) == "pending"


def test_a_thousand_ends_in_one_commit(store: Store) -> None:
    node = register(store)
    submit(store, 1_500)
    batch = [
        ExecutionCommit(one.id, one.epoch, [record(1)], End("completed", one.id.encode()))
        for one in claim(store, node, 1_500)
    ]
    assert store.commit(node, batch, NOW) == [True] * 1_500
    ids = [item.id for item in batch]
    assert store.outcomes(ids) == [("completed", id.encode(), "") for id in ids]
    assert store.stats(NOW).counts == {WORKFLOW: {"completed": 1_500}}


def test_an_empty_payload_is_not_a_missing_one(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    empty = Record(1, "step", "", "s", 1, 1, b"", b"", NOW, NOW)
    nothing = Record(2, "step", "b/1", "s", 1, 1, b"", None, NOW, NOW, 5)
    assert write(store, node, claimed, empty, nothing)
    assert store.records(claimed.id) == [empty, nothing]
    assert store.recover(node, [claimed.id])[0].records == [empty, nothing]
