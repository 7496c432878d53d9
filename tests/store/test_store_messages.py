"""Messages: signals, and whatever else is put before an execution until a wait consumes it."""

from __future__ import annotations

import uuid

import msgspec
import pytest
from hydra import _core
from hydra.execution import ExecutionCommit, Message, NodeRef, Record
from hydra.stores.store import Store
from store_values import (
    NOW,
    SECOND,
    UNKNOWN,
    WORKFLOW,
    end,
    record,
    register,
    running,
    status,
    submit,
    take,
    write,
)


def message(execution_id: str, name: str = "approved", sent_at: int = NOW, payload: bytes = b"yes") -> Message:
    return Message(_core.uuid7(), execution_id, name, payload, sent_at)


def event(seq: int, message: Message) -> Record:
    """What a wait was given."""
    id = uuid.UUID(message.id).bytes
    return Record(seq, "event", "", "hydra.event:approved", 0, 1, id, message.payload, NOW, NOW)


def test_a_signal_makes_what_waits_due_and_comes_with_its_claim(store: Store) -> None:
    node = register(store)
    waiting = running(store, node)
    end(store, node, waiting, "waiting", wake_at=NOW + 60 * SECOND)
    sent = message(waiting.id)
    assert store.signal([sent], NOW + 5) == ["waiting"]
    (again,) = take(store, node, now=NOW + 5)
    assert (again.id, again.run_at, again.messages) == (waiting.id, NOW + 5, [sent])
    assert end(store, node, again, "completed", payload=b"")
    assert store.stats(NOW).counts == {WORKFLOW: {"completed": 1}}


def test_r14_what_was_signalled_while_it_ran_does_not_suspend_before_it_has_looked(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    assert store.signal([message(claimed.id)], NOW) == ["running"]
    assert end(store, node, claimed, "waiting", wake_seq=claimed.wake_seq)
    assert status(store, claimed.id) == "pending"
    (again,) = take(store, node)
    assert len(again.messages) == 1
    assert end(store, node, again, "waiting", wake_seq=again.wake_seq)
    assert status(store, claimed.id) == "waiting"


@pytest.mark.parametrize("before", ["pending", "sleeping", "parked"])
def test_a_signal_to_what_does_not_wait_is_kept_and_moves_nothing(store: Store, before: str) -> None:
    node = register(store)
    if before == "pending":
        (id,) = submit(store)
    else:
        claimed = running(store, node)
        id = claimed.id
        end(store, node, claimed, before, payload=b"", wake_at=NOW + SECOND if before == "sleeping" else 0)
    assert store.signal([message(id)], NOW) == [before]
    assert status(store, id) == before
    if before == "parked":
        store.resume([id], NOW)
    store.promote(NOW + 2 * SECOND, 10)
    (claimed,) = take(store, node, now=NOW + 2 * SECOND)
    assert [each.name for each in claimed.messages] == ["approved"]


def test_messages_come_in_the_order_of_arrival_each_to_its_own_execution(store: Store) -> None:
    node = register(store)
    first, second = submit(store, 2)
    late, early = message(first, sent_at=NOW + 9), message(first, sent_at=NOW + 1)
    other = message(second, "other", payload=b"\x00\xff")
    assert store.signal([late, other, early, message(UNKNOWN)], NOW) == ["pending", "pending", "pending", None]
    claimed = {each.id: each.messages for each in take(store, node)}
    assert claimed == {first: [early, late], second: [other]}


def test_a_final_execution_takes_no_message(store: Store) -> None:
    node = register(store)
    ids = []
    for ending in ("completed", "failed", "cancelled"):
        claimed = running(store, node)
        end(store, node, claimed, ending, payload=b"")
        ids.append(claimed.id)
    assert store.signal([message(id) for id in ids], NOW) == ["completed", "failed", "cancelled"]
    store.retry([ids[1]], NOW)
    assert take(store, node)[0].messages == []


def test_r17_a_signal_that_is_repeated_arrives_once(store: Store) -> None:
    node = register(store)
    (id,) = submit(store)
    sent = message(id)
    store.signal([sent], NOW)
    store.signal([sent], NOW)
    (claimed,) = take(store, node)
    assert claimed.messages == [sent]
    assert write(store, node, claimed, event(1, sent))
    assert store.signal([sent], NOW) == ["running"]
    assert end(store, node, claimed, "released")
    assert take(store, node)[0].messages == []


def test_r17_a_signal_that_is_repeated_before_it_is_consumed_stays_as_it_was(store: Store) -> None:
    node = register(store)
    (id,) = submit(store)
    sent = message(id)
    store.signal([sent], NOW)
    store.signal([msgspec.structs.replace(sent, payload=b"another", sent_at=sent.sent_at + 1)], NOW)
    (claimed,) = take(store, node)
    assert claimed.messages == [sent]


def test_g3_the_record_that_consumes_a_message_and_its_deletion_are_one_transaction(store: Store) -> None:
    node = register(store)
    (id,) = submit(store)
    one, two = message(id, sent_at=NOW), message(id, sent_at=NOW + 1)
    store.signal([one, two], NOW)
    (claimed,) = take(store, node)
    stale = ExecutionCommit(claimed.id, claimed.epoch + 1, [event(1, one)])
    gap = ExecutionCommit(claimed.id, claimed.epoch, [event(2, one)])
    assert store.commit(node, [stale], NOW) == [False]
    assert store.commit(node, [gap], NOW) == [False]
    assert store.recover(node, [id])[0].messages == [one, two]
    assert end(store, node, claimed, "released", record(1), event(2, one))
    (again,) = take(store, node)
    assert again.messages == [two]
    assert again.records[1].digest == uuid.UUID(one.id).bytes
    assert end(store, node, again, "completed", event(3, two), payload=b"")


def test_a_heartbeat_brings_the_messages_of_what_the_node_runs(store: Store) -> None:
    node, other = register(store), register(store)
    claimed = running(store, node)
    theirs = running(store, other)
    one, two = message(claimed.id, sent_at=NOW + 2), message(claimed.id, sent_at=NOW + 1)
    store.signal([one, two, message(theirs.id)], NOW)
    assert store.heartbeat_node(node, NOW).messages == [two, one]
    assert write(store, node, claimed, event(1, two))
    assert store.heartbeat_node(node, NOW).messages == [one]
    assert end(store, node, claimed, "completed", payload=b"")
    assert store.heartbeat_node(node, NOW).messages == []


def test_purging_an_execution_takes_its_messages_with_it(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    store.signal([message(claimed.id)], NOW)
    end(store, node, claimed, "completed", payload=b"")
    assert store.purge(NOW + 1, 10) == 1


def test_a_message_of_another_namespace_finds_nobody(store: Store, open_another: object) -> None:
    (id,) = submit(store)
    assert open_another("other").signal([message(id)], NOW) == [None]  # type: ignore[operator]
    assert take(store, NodeRef(register(store).id, 1))[0].messages == []


def test_what_is_not_consumed_can_be_read(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    first, second = message(claimed.id, sent_at=NOW + 1), message(claimed.id, sent_at=NOW)
    store.signal([first, second], NOW)
    assert store.messages(claimed.id) == [second, first]
    assert write(store, node, claimed, event(1, second))
    assert store.messages(claimed.id) == [first]
    assert store.messages(UNKNOWN) == []
