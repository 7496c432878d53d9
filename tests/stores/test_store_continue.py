"""Beginning again: the next input in, everything recorded out, in the transaction that ends the generation."""

from __future__ import annotations

import uuid

import pytest
from hydra import _core
from hydra.execution import End, ExecutionCommit, Message, Progress, Record
from hydra.records import child_records
from hydra.stores.store import Store

from tests.stores.store_values import (
    NOW,
    SECOND,
    claim,
    end,
    record,
    register,
    running,
    status,
    submission,
    submit,
    take,
    unnumbered,
    write,
)


def message(execution_id: str, name: str) -> Message:
    return Message(_core.uuid7(), execution_id, name, b"said", NOW)


def test_a_generation_begins_with_its_own_input_and_no_records(store: Store) -> None:
    node = register(store)
    claimed = running(store, node, key="k", priority=3)
    assert write(store, node, claimed, record(1))
    assert end(store, node, claimed, "retry", record(2), wake_at=0, payload=b"failure")
    (again,) = take(store, node)
    assert again.attempt == 2
    store.report_progress(node, [Progress(claimed.id, "", "copy", 0, 1, b"half", NOW, NOW)], NOW)
    assert end(store, node, again, "continued", record(3), payload=b"next", now=NOW + 5)
    assert store.progress(claimed.id) == []
    assert status(store, claimed.id) == "pending"
    assert store.records(claimed.id) == []
    (next_one,) = take(store, node, NOW + 5)
    assert (next_one.id, next_one.input, next_one.records) == (claimed.id, b"next", [])
    assert (next_one.epoch, next_one.attempt, next_one.priority, next_one.run_at) == (3, 1, 3, NOW + 5)
    assert store.input(claimed.id) == b"next"
    assert [each.ending for each in store.claims(claimed.id)] == ["retry", "continued", None]
    assert store.audit() == []
    assert end(store, node, next_one, "completed", record(1), payload=b"result")
    assert store.outcomes([claimed.id]) == [("completed", b"result", "")]
    assert store.audit() == []


def test_the_key_stands_for_what_was_first_asked_for(store: Store) -> None:
    node = register(store)
    (id,) = submit(store, key="k", input=b"first", digest=b"1" * 16)
    (claimed,) = claim(store, node)
    assert end(store, node, claimed, "continued", payload=b"second")
    known, clash = store.submit([submission(key="k", digest=b"1" * 16), submission(key="k", digest=b"2" * 16)], NOW)
    assert (known.id, known.created, clash.conflict) == (id, False, True)


def test_g2_only_the_owner_at_its_epoch_may_begin_anew(store: Store) -> None:
    node, other = register(store), register(store)
    claimed = running(store, node)
    assert write(store, node, claimed, record(1))
    assert not end(store, other, claimed, "continued", payload=b"next")
    assert not end(store, node, claimed, "continued", record(3), payload=b"next")
    assert store.records(claimed.id) == [record(1)]
    assert store.input(claimed.id) == b"input"
    assert end(store, node, claimed, "continued", payload=b"next")
    assert not end(store, node, claimed, "continued", payload=b"again")
    assert store.input(claimed.id) == b"next"


def test_messages_not_consumed_go_over_and_what_children_said_does_not(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    first, second = message(claimed.id, "approved"), message(claimed.id, "approved")
    child = message(claimed.id, f"{child_records.CHILD_PREFIX}{uuid.uuid4()}")
    assert store.signal([first, second, child], NOW) == ["running"] * 3
    event = Record(1, "event", "", "hydra.event:approved", 0, 1, uuid.UUID(first.id).bytes, b"said", NOW, NOW)
    assert end(store, node, claimed, "continued", event, payload=b"next")
    (next_one,) = take(store, node)
    assert unnumbered(next_one.messages) == [second]
    assert store.audit() == []


def consumed(message: Message, seq: int = 1, name: str = "hydra.event:approved") -> Record:
    return Record(seq, "event", "", name, 0, 1, uuid.UUID(message.id).bytes, b"said", NOW, NOW)


def test_r17_a_signal_that_a_generation_past_has_consumed_is_not_put_again(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    said = [message(claimed.id, "approved") for _ in range(3)]
    store.signal(said[:2], NOW)
    assert write(store, node, claimed, consumed(said[0]))
    assert end(store, node, claimed, "continued", consumed(said[1], 2), payload=b"second")
    store.signal(said[:2], NOW)
    (second,) = take(store, node)
    assert second.messages == []
    store.signal([said[2]], NOW)
    assert end(store, node, second, "continued", consumed(said[2]), payload=b"third")
    store.signal(said, NOW)
    (third,) = take(store, node)
    assert third.messages == []
    fresh = message(claimed.id, "approved")
    store.signal([*said, fresh], NOW)
    assert end(store, node, third, "released")
    (again,) = take(store, node)
    assert unnumbered(again.messages) == [fresh]
    assert store.audit() == []


def test_r26_a_purge_takes_what_was_consumed_along(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    said = message(claimed.id, "approved")
    store.signal([said], NOW)
    assert end(store, node, claimed, "continued", consumed(said), payload=b"second")
    (second,) = take(store, node)
    assert end(store, node, second, "completed", payload=b"result")
    assert store.purge(NOW + SECOND, 10) == 1
    submit(store, id=claimed.id)
    store.signal([said], NOW)
    (again,) = take(store, node)
    assert (again.id, unnumbered(again.messages)) == (claimed.id, [said])


def test_a_cancel_reaches_the_next_generation(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert store.request_cancel([claimed.id], NOW) == ["running"]
    assert end(store, node, claimed, "continued", record(1), payload=b"next")
    (next_one,) = take(store, node)
    assert next_one.cancel_requested
    assert next_one.input == b"next"


@pytest.mark.parametrize("keyed", [True, False])
def test_children_outlive_the_generation_and_end_with_a_cancel(store: Store, keyed: bool) -> None:
    node = register(store)
    parent = running(store, node)
    asked = submission("other", key="c" if keyed else None)
    spawn = Record(1, "spawn", "", "hydra.spawn:other", 0, 1, b"d" * 16, child_records.encode_request(asked), NOW, NOW)
    assert end(store, node, parent, "continued", spawn, payload=b"next")
    assert status(store, asked.id) == "pending"
    assert store.audit() == []
    store.request_cancel([parent.id], NOW + SECOND)
    assert status(store, asked.id) == "cancelled"
    assert store.audit() == []


def test_many_begin_anew_in_one_commit(store: Store) -> None:
    node = register(store)
    ids = submit(store, 5)
    commits = [
        ExecutionCommit(each.id, each.epoch, [record(1)], End("continued" if place % 2 else "released", b"%d" % place))
        for place, each in enumerate(claim(store, node))
    ]
    assert store.commit(node, commits, NOW) == [True] * 5
    inputs = {item.id: (store.input(item.id), len(store.records(item.id))) for item in commits}
    assert set(ids) == set(inputs)
    assert [inputs[item.id] for item in commits] == [
        (b"input", 1), (b"1", 0), (b"input", 1), (b"3", 0), (b"input", 1)
    ]  # fmt: skip
    assert store.audit() == []
