"""Messages: signals, and whatever else is put before an execution until a wait consumes it."""

from __future__ import annotations

import uuid

import msgspec
import pytest
from hydra import _core
from hydra.codec import encode
from hydra.execution import EVENT_PREFIX, SET_ASIDE_PREFIX, End, ExecutionCommit, Message, NodeRef, Record
from hydra.records.wait_notes import set_aside_note
from hydra.stores.arrivals import PAGE_BYTES, PAGE_MESSAGES
from hydra.stores.clash import Clash
from hydra.stores.store import Store

from tests.stores.store_values import (
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
    unnumbered,
    write,
)


def message(execution_id: str, name: str = "approved", sent_at: int = NOW, payload: bytes = b"yes") -> Message:
    return Message(_core.uuid7(), execution_id, name, payload, sent_at)


def event(seq: int, message: Message) -> Record:
    """What a wait was given."""
    id = uuid.UUID(message.id).bytes
    return Record(seq, "event", "", "hydra.event:approved", seq, 1, id, message.payload, NOW, NOW)


def test_a_signal_makes_what_waits_due_and_comes_with_its_claim(store: Store) -> None:
    node = register(store)
    waiting = running(store, node)
    end(store, node, waiting, "waiting", wake_at=NOW + 60 * SECOND)
    sent = message(waiting.id)
    assert store.signal([sent], NOW + 5) == ["waiting"]
    (again,) = take(store, node, now=NOW + 5)
    assert (again.id, again.run_at, unnumbered(again.messages)) == (waiting.id, NOW + 5, [sent])
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
    claimed = {each.id: unnumbered(each.messages) for each in take(store, node)}
    assert claimed == {first: [late, early], second: [other]}, "no clock says which came first"


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
    assert unnumbered(claimed.messages) == [sent]
    assert write(store, node, claimed, event(1, sent))
    assert store.signal([sent], NOW) == ["running"]
    assert end(store, node, claimed, "released")
    assert take(store, node)[0].messages == []


def test_r17_a_signal_that_is_repeated_with_another_value_or_name_is_a_clash(store: Store) -> None:
    node = register(store)
    (id,) = submit(store)
    sent, other = message(id), message(id)
    later = msgspec.structs.replace(sent, sent_at=sent.sent_at + 1)
    clashing = [msgspec.structs.replace(sent, payload=b"another"), msgspec.structs.replace(sent, name="another")]
    assert store.signal([sent, *clashing, other], NOW) == ["pending", Clash.MESSAGE, Clash.MESSAGE, "pending"]
    assert store.signal([later, *clashing], NOW) == ["pending", Clash.MESSAGE, Clash.MESSAGE]
    (claimed,) = take(store, node)
    assert unnumbered(claimed.messages) == [sent, other]
    assert write(store, node, claimed, event(1, sent))
    assert store.signal([later, *clashing], NOW) == ["running", Clash.MESSAGE, Clash.MESSAGE]
    assert unnumbered(store.messages(id)) == [other]


def test_r17_a_signal_that_was_set_aside_may_be_repeated_and_taken_by_a_later_wait(store: Store) -> None:
    node = register(store)
    (id,) = submit(store)
    sent = message(id)
    clashing = [msgspec.structs.replace(sent, payload=b"another"), msgspec.structs.replace(sent, name="another")]
    store.signal([sent], NOW)
    (claimed,) = take(store, node)
    taken = event(1, sent)
    name, note = SET_ASIDE_PREFIX + EVENT_PREFIX + sent.name, set_aside_note("it does not fit", sent.payload)
    assert write(store, node, claimed, msgspec.structs.replace(taken, name=name, payload=note))
    assert store.messages(id) == []
    assert store.signal([sent, *clashing], NOW) == ["running", Clash.MESSAGE, Clash.MESSAGE]
    assert store.messages(id) == []
    assert write(store, node, claimed, msgspec.structs.replace(taken, seq=2))
    assert store.signal([sent, *clashing], NOW) == ["running", Clash.MESSAGE, Clash.MESSAGE]
    assert store.messages(id) == []


def test_r17_what_a_generation_set_aside_does_not_arrive_at_the_next_again(store: Store) -> None:
    node = register(store)
    (id,) = submit(store)
    sent = message(id)
    store.signal([sent], NOW)
    (claimed,) = take(store, node)
    name, note = SET_ASIDE_PREFIX + EVENT_PREFIX + sent.name, set_aside_note("it does not fit", sent.payload)
    assert write(store, node, claimed, msgspec.structs.replace(event(1, sent), name=name, payload=note))
    assert end(store, node, claimed, "continued", payload=encode([1]))
    store.signal([sent], NOW)
    assert store.messages(id) == []


def test_r14_of_an_expiry_and_a_message_the_first_to_commit_wins(store: Store) -> None:
    node = register(store)
    (id,) = submit(store)
    other, first, second = message(id, "other"), message(id), message(id)
    (claimed,) = take(store, node)
    assert store.signal([other, first], NOW) == ["running"] * 2
    lines = [Record(seq, "expiry", "", "hydra.event:approved", seq, 1, b"", None, NOW, NOW + 1) for seq in (1, 2, 3)]
    item = ExecutionCommit(id, claimed.epoch, lines[:2])
    stale = ExecutionCommit(id, claimed.epoch + 1, lines[:2])
    assert store.commit(node, [stale, item], NOW) == [False, True]
    written = Record(
        1, "event", "", "hydra.event:approved", 1, 1, uuid.UUID(first.id).bytes, b"yes", first.sent_at, NOW + 1
    )
    assert item.arrived == [written]
    assert store.records(id) == [written, lines[1]]
    assert unnumbered(store.messages(id)) == [other]
    store.signal([second], NOW)
    assert write(store, node, claimed, event(3, second), record(4))
    assert store.commit(node, [ExecutionCommit(id, claimed.epoch, [record(5)])], NOW) == [True]
    third, fourth = message(id), message(id)
    store.signal([third, fourth], NOW)
    late = [event(6, third), msgspec.structs.replace(lines[0], seq=7, ordinal=9)]
    both = ExecutionCommit(id, claimed.epoch, late, End("completed", b""))
    assert store.commit(node, [both], NOW) == [True]
    assert [each.digest for each in both.arrived] == [uuid.UUID(fourth.id).bytes]


def test_unread_messages_come_by_the_page(store: Store) -> None:
    node = register(store)
    (id,) = submit(store)
    many = [message(id) for _ in range(2 * PAGE_MESSAGES + 1)]
    store.signal(many[:300], NOW)
    store.signal(many[300:], NOW)
    (claimed,) = take(store, node)
    assert (unnumbered(claimed.messages), claimed.has_more) == (many[:PAGE_MESSAGES], True)
    beat = store.heartbeat_node(node, NOW, listening={id: claimed.messages[-1].number})
    assert (unnumbered(beat.messages), beat.unread) == (many[PAGE_MESSAGES : 2 * PAGE_MESSAGES], [id])
    beat = store.heartbeat_node(node, NOW, listening={id: beat.messages[-1].number})
    assert (unnumbered(beat.messages), beat.unread) == (many[2 * PAGE_MESSAGES :], [])


def test_unread_messages_come_by_so_many_bytes_and_one_at_least(store: Store) -> None:
    node = register(store)
    (id,) = submit(store)
    sizes = [PAGE_BYTES // 2, PAGE_BYTES // 2, 2 * PAGE_BYTES, 1, 1]
    many = [message(id, payload=b"x" * size) for size in sizes]
    store.signal(many, NOW)
    (claimed,) = take(store, node)
    assert (unnumbered(claimed.messages), claimed.has_more) == (many[:2], True)
    assert [len(store.recover(node, [id])[0].messages), store.recover(node, [id])[0].has_more] == [2, True]
    beat = store.heartbeat_node(node, NOW, listening={id: claimed.messages[-1].number})
    assert (unnumbered(beat.messages), beat.unread) == (many[2:3], [id])
    beat = store.heartbeat_node(node, NOW, listening={id: beat.messages[-1].number})
    assert (unnumbered(beat.messages), beat.unread) == (many[3:], [])


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
    assert unnumbered(store.recover(node, [id])[0].messages) == [one, two]
    assert end(store, node, claimed, "released", record(1), event(2, one))
    (again,) = take(store, node)
    assert unnumbered(again.messages) == [two]
    assert again.records[1].digest == uuid.UUID(one.id).bytes
    assert end(store, node, again, "completed", event(3, two), payload=b"")


def test_a_heartbeat_brings_messages_to_what_listens_and_each_once(store: Store) -> None:
    node, other = register(store), register(store)
    claimed = running(store, node)
    theirs = running(store, other)
    one, two = message(claimed.id, sent_at=NOW + 2), message(claimed.id, sent_at=NOW + 1)
    store.signal([one, two, message(theirs.id)], NOW)
    assert store.heartbeat_node(node, NOW).messages == []
    beat = store.heartbeat_node(node, NOW, listening={claimed.id: 0, theirs.id: 0})
    assert (unnumbered(beat.messages), beat.unread) == ([one, two], [])
    first, second = beat.messages
    assert first.number < second.number
    assert store.heartbeat_node(node, NOW, listening={claimed.id: first.number}).messages == [second]
    assert store.heartbeat_node(node, NOW, listening={claimed.id: second.number}).messages == []
    assert write(store, node, claimed, event(1, two))
    assert store.heartbeat_node(node, NOW, listening={claimed.id: 0}).messages == [first]
    assert end(store, node, claimed, "completed", payload=b"")
    assert store.heartbeat_node(node, NOW, listening={claimed.id: 0}).messages == []


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


def test_the_messages_of_one_name_are_read_alone(store: Store) -> None:
    (id,) = submit(store)
    names = ["a", "b", "a", "c'\\"]
    sent = [Message(_core.uuid7(), id, name, b"%d" % number, NOW) for number, name in enumerate(names)]
    store.signal(sent, NOW)
    assert [each.payload for each in store.messages(id, "a")] == [b"0", b"2"]
    assert [each.payload for each in store.messages(id, "c'\\")] == [b"3"]
    assert store.messages(id, "d") == []
    assert len(store.messages(id)) == 4


def test_what_is_not_consumed_can_be_read(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    first, second = message(claimed.id, sent_at=NOW + 1), message(claimed.id, sent_at=NOW)
    store.signal([first, second], NOW)
    assert unnumbered(store.messages(claimed.id)) == [first, second]
    assert write(store, node, claimed, event(1, second))
    assert unnumbered(store.messages(claimed.id)) == [first]
    assert store.messages(UNKNOWN) == []
