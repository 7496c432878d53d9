"""Children: made with the record that asks for them, told of at their end, cancelled with their parent."""

from __future__ import annotations

import random

import msgspec
import pytest
from hydra import _core
from hydra.execution import Claimed, End, ExecutionCommit, NodeRef, Record, Status, Submission
from hydra.records import child_records
from hydra.stores.filter import Filter
from hydra.stores.store import Store

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
    take,
    write,
)


def spawning(seq: int, key: str | None = None, digest: bytes = b"d" * 16, timeout_us: int | None = None) -> Record:
    """A record that asks for a child."""
    child = Submission(_core.uuid7(), WORKFLOW, b"input", digest, key, 3, None, timeout_us)
    payload = child_records.encode_request(child)
    return Record(seq, "spawn", "", f"hydra.spawn:{WORKFLOW}", seq, 1, digest, payload, NOW, NOW)


def request_id(record: Record) -> str:
    assert record.payload is not None
    return child_records.decode_id(record.payload)


def waiting_parent(store: Store, node: NodeRef, asked: Record) -> str:
    parent = running(store, node)
    assert end(store, node, parent, "waiting", asked)
    return parent.id


def told(claimed: Claimed) -> list[tuple[str, child_records.ChildEnd]]:
    return [
        (message.name.removeprefix(child_records.CHILD_PREFIX), child_records.decode_end(message.payload))
        for message in claimed.messages
        if message.name.startswith(child_records.CHILD_PREFIX)
    ]


def test_g5_a_child_begins_with_the_record_that_asks_for_it(store: Store) -> None:
    node = register(store)
    parent = running(store, node)
    asked = spawning(1)
    assert store.commit(node, [ExecutionCommit(parent.id, parent.epoch + 1, [asked])], NOW) == [False]
    assert claim(store, node) == []
    assert write(store, node, parent, asked)
    (child,) = take(store, node)
    assert (child.id, child.workflow, child.input, child.priority) == (request_id(asked), WORKFLOW, b"input", 3)
    (kept,) = store.records(parent.id)
    assert kept.payload == _core.encode(child.id)
    assert store.stats(NOW).counts == {WORKFLOW: {"running": 2}}


@pytest.mark.parametrize(("ending", "payload"), [("completed", b"result\0"), ("failed", b"why"), ("cancelled", None)])
def test_a_childs_end_wakes_its_parent_and_says_how(store: Store, ending: str, payload: bytes | None) -> None:
    node = register(store)
    asked = spawning(1)
    parent = waiting_parent(store, node, asked)
    (child,) = take(store, node)
    assert end(store, node, child, ending, payload=payload)
    (again,) = take(store, node)
    assert again.id == parent
    assert told(again) == [(child.id, child_records.ChildEnd(Status(ending), "", payload))]


def test_r14_a_child_that_ends_with_its_parents_suspension_is_not_missed(store: Store) -> None:
    node = register(store)
    parent = running(store, node)
    asked = spawning(1)
    assert write(store, node, parent, asked)
    (child,) = take(store, node)
    done = ExecutionCommit(child.id, child.epoch, [], End("completed", b"x"))
    suspended = ExecutionCommit(parent.id, parent.epoch, [], End("waiting"))
    assert store.commit(node, [suspended, done], NOW) == [True, True]
    assert status(store, parent.id) == "pending"
    assert len(told(take(store, node)[0])) == 1


def test_a_child_that_ends_without_running_is_told_of(store: Store) -> None:
    node = register(store)
    late = waiting_parent(store, node, spawning(1, timeout_us=SECOND))
    (child,) = [each for each in store.list(Filter()) if each.id != late]
    assert store.promote(NOW + 2 * SECOND, 10) == 1
    (again,) = take(store, node, now=NOW + 2 * SECOND)
    assert told(again) == [(child.id, child_records.ChildEnd(Status.FAILED, "timeout", None))]
    assert end(store, node, again, "waiting", spawning(2), wake_seq=again.wake_seq)
    (other,) = [each for each in store.list(Filter()) if each.status is Status.PENDING]
    store.request_cancel([other.id], NOW)
    (again,) = take(store, node, now=NOW + 3 * SECOND)
    assert (other.id, child_records.ChildEnd(Status.CANCELLED, "", None)) in told(again)


def test_a_parents_end_leaves_its_children_alone(store: Store) -> None:
    node = register(store)
    parent = running(store, node)
    assert end(store, node, parent, "completed", spawning(1), payload=b"")
    (child,) = take(store, node)
    assert end(store, node, child, "completed", payload=b"")


@pytest.mark.parametrize("runs", [True, False])
def test_a_parents_cancel_cancels_its_children_and_theirs(store: Store, runs: bool) -> None:
    node = register(store)
    parent = running(store, node)
    if runs:
        assert write(store, node, parent, spawning(1))
    else:
        assert end(store, node, parent, "waiting", spawning(1))
    (child,) = take(store, node)
    assert end(store, node, child, "waiting", spawning(1))
    (grandchild,) = take(store, node)
    assert store.request_cancel([parent.id], NOW) == ["running" if runs else "cancelled"]
    assert status(store, child.id) == "cancelled"
    assert status(store, grandchild.id) == "running"
    assert [each.id for each in store.heartbeat_node(node, NOW).attention if each.id == grandchild.id]
    assert end(store, node, grandchild, "cancelled")
    if runs:
        assert end(store, node, parent, "cancelled", spawning(2))
        assert sorted(each.status for each in store.list(Filter())) == ["cancelled"] * 4


def undoable_parent(store: Store, node: NodeRef, runs: bool, timeout_us: int | None = None) -> Claimed:
    """A parent with a child and something to undo; it runs, or waits."""
    parent = running(store, node, timeout_us=timeout_us)
    records = [spawning(1, timeout_us=timeout_us), record(2, "hydra.on_failure", "value")]
    assert write(store, node, parent, *records) if runs else end(store, node, parent, "waiting", *records)
    return parent


@pytest.mark.parametrize("runs", [True, False])
def test_a_parent_with_undo_steps_is_told_of_its_cancel_and_of_its_child(store: Store, runs: bool) -> None:
    node = register(store)
    parent = undoable_parent(store, node, runs)
    assert store.request_cancel([parent.id], NOW) == ["running" if runs else "pending"]
    if runs:
        assert [(each.id, each.kind) for each in store.heartbeat_node(node, NOW).attention] == [(parent.id, "cancel")]
        assert end(store, node, parent, "waiting", wake_seq=parent.wake_seq)
    (again,) = take(store, node)
    assert (again.id, again.cancel_requested) == (parent.id, True)
    assert [how.status for _, how in told(again)] == ["cancelled"]
    assert end(store, node, again, "cancelled")


@pytest.mark.parametrize("runs", [True, False])
def test_a_parent_with_undo_steps_is_told_of_its_time_out_and_of_its_childs(store: Store, runs: bool) -> None:
    node = register(store)
    parent = undoable_parent(store, node, runs, timeout_us=SECOND)
    assert store.promote(NOW + 2 * SECOND, 10) == 2
    if runs:
        assert [(each.id, each.kind) for each in store.heartbeat_node(node, NOW).attention] == [(parent.id, "timeout")]
        assert end(store, node, parent, "waiting", wake_seq=parent.wake_seq)
    (again,) = take(store, node, now=NOW + 2 * SECOND)
    assert (again.id, runs or again.timeout_at) == (parent.id, runs or 0)
    assert [how.cause for _, how in told(again)] == ["timeout"]


def test_a_key_that_is_known_stands_for_its_execution_and_tells_all_who_asked(store: Store) -> None:
    node = register(store)
    (known,) = submit(store, key="k")
    (child,) = take(store, node)
    claimed = [running(store, node) for _ in range(2)]
    parents = [each.id for each in claimed]
    for each in claimed:
        assert end(store, node, each, "waiting", spawning(1, "k"))
    for parent in take(store, node):
        assert parent.id in parents
        (answer,) = parent.messages
        assert _core.decode(answer.payload) == known
        assert end(store, node, parent, "waiting", wake_seq=parent.wake_seq)
    assert store.request_cancel([parents[0]], NOW) == ["cancelled"]
    assert status(store, known) == "running", "what was adopted is somebody else's"
    assert end(store, node, child, "completed", payload=b"x")
    (again,) = take(store, node)
    assert again.id == parents[1]
    assert [outcome for _, outcome in told(again)] == [child_records.ChildEnd(Status.COMPLETED, "", b"x")]


@pytest.mark.parametrize("is_one_commit", [False, True])
def test_a_child_that_several_ask_for_by_key_is_of_the_first_alone(store: Store, is_one_commit: bool) -> None:
    """Its tree, what cancels it and what it is purged with; the others are told of its end."""
    node = register(store)
    submit(store, 24)
    parents = take(store, node)
    asked = [spawning(1, "shared") for _ in parents]
    for places in (parents, asked):  # in no order of their ids
        random.Random(6).shuffle(places)
    commits = [
        ExecutionCommit(parent.id, parent.epoch, [asks, spawning(2, f"own of {parent.id}")], End("waiting"))
        for parent, asks in zip(parents, asked, strict=True)
    ]
    for batch in [commits] if is_one_commit else [[commit] for commit in commits]:
        assert store.commit(node, batch, NOW) == [True] * len(batch)
    found = store.find(WORKFLOW, "shared")
    assert found is not None and found.id == request_id(asked[0])
    tree = store.tree(found.id)
    assert tree is not None and tree.root_id == parents[0].id
    store.request_cancel([other.id for other in parents[1:]], NOW)
    assert status(store, found.id) == "pending"
    store.request_cancel([parents[0].id], NOW)
    assert status(store, found.id) == "cancelled"


def test_a_key_whose_execution_has_ended_is_told_of_at_once(store: Store) -> None:
    node = register(store)
    submit(store, key="k")
    (done,) = take(store, node)
    assert end(store, node, done, "completed", payload=b"x")
    waiting_parent(store, node, spawning(1, "k"))
    (parent,) = take(store, node)
    assert [outcome.payload for _, outcome in told(parent)] == [b"x"]


def test_a_key_of_another_input_makes_nothing_and_says_so(store: Store) -> None:
    node = register(store)
    (known,) = submit(store, key="k", run_at=NOW + SECOND)
    parent = waiting_parent(store, node, spawning(1, "k", b"e" * 16))
    (again,) = take(store, node)
    assert again.id == parent
    answers = [child_records.read_answer(message.payload) for message in again.messages]
    assert answers == [child_records.Answer(None, known, b"d" * 16)]
    assert {each.id for each in store.list(Filter())} == {known, parent}


def test_a_key_whose_execution_was_purged_runs_nothing_twice_and_fails(store: Store) -> None:
    node = register(store)
    submit(store, key="k")
    (done,) = take(store, node)
    assert end(store, node, done, "completed", payload=b"x")
    assert store.purge(NOW + 1, 10) == 1
    waiting_parent(store, node, spawning(1, "k"))
    (parent,) = take(store, node)
    assert [outcome for _, outcome in told(parent)] == [
        child_records.ChildEnd(Status.FAILED, child_records.PURGED, None)
    ]


def test_purging_takes_what_an_execution_still_waits_to_be_told(store: Store) -> None:
    node = register(store)
    parent = running(store, node)
    assert end(store, node, parent, "completed", record(1), spawning(2), payload=b"")
    assert store.purge(NOW + 1, 10) == 0, "its child has not ended (R26)"
    (child,) = take(store, node)
    assert end(store, node, child, "completed", payload=b"")
    assert store.purge(NOW + 1, 10) == 2


@pytest.mark.parametrize("ends", ["meanwhile", "before", "after"])
def test_a_retried_parent_is_told_how_its_children_ended_meanwhile(store: Store, ends: str) -> None:
    node = register(store)
    parent = running(store, node)
    assert write(store, node, parent, spawning(1), spawning(2, key="shared"))
    own, adopted = sorted(take(store, node), key=lambda each: each.key or "")
    children = (own, adopted)
    if ends == "before":
        for child in children:
            assert end(store, node, child, "failed", payload=b"old")
    assert end(store, node, parent, "failed", payload=b"why")
    if ends == "meanwhile":
        for child in children:
            assert end(store, node, child, "completed", payload=b"done")
    if ends == "before":  # what they said stands before the parent, unread
        store.retry([child.id for child in children], NOW)
        for child in take(store, node):
            assert end(store, node, child, "completed", payload=b"done")
    assert store.retry([parent.id], NOW) == [Status.FAILED]
    (again,) = take(store, node)
    if ends == "after":
        assert told(again) == []
        for child in children:
            assert end(store, node, child, "completed", payload=b"done")
        assert end(store, node, again, "waiting", wake_seq=again.wake_seq)
        (again,) = take(store, node)
    assert sorted(told(again)) == sorted(
        (child.id, child_records.ChildEnd(Status.COMPLETED, "", b"done")) for child in children
    )
    assert store.audit() == []


def stopping(seq: int, child: str) -> Record:
    """A record by which a body gives up the step that this execution runs."""
    return Record(seq, "value", "", f"hydra.stop_step:{child}", 0, 1, b"", None, NOW, NOW)


def test_a_step_that_is_given_up_is_cancelled_with_the_record_that_says_so(store: Store) -> None:
    node = register(store)
    parent = running(store, node)
    pending, begun = spawning(1), spawning(2)
    assert write(store, node, parent, pending, begun)
    claimed = claim(store, node)
    (kept,) = [each for each in claimed if each.id == request_id(begun)]
    (other,) = [each for each in claimed if each.id == request_id(pending)]
    assert end(store, node, other, "released")
    assert write(store, node, parent, stopping(3, other.id), stopping(4, kept.id))
    assert [status(store, other.id), status(store, kept.id)] == [Status.CANCELLED, Status.RUNNING]
    (snapshot,) = store.get([kept.id])
    assert snapshot is not None
    assert snapshot.cancel_requested
    assert end(store, node, kept, "cancelled")
    assert end(store, node, parent, "released")
    (parent_again,) = take(store, node)
    assert {(request, said.status) for request, said in told(parent_again)} == {
        (other.id, Status.CANCELLED),
        (kept.id, Status.CANCELLED),
    }


def test_a_step_may_be_asked_for_and_given_up_in_one_commit_and_after_its_end(store: Store) -> None:
    node = register(store)
    parent = running(store, node)
    asked = spawning(1)
    assert write(store, node, parent, asked, stopping(2, request_id(asked)))
    assert status(store, request_id(asked)) == Status.CANCELLED
    assert write(store, node, parent, msgspec.structs.replace(stopping(3, request_id(asked)), branch="undo"))
    assert status(store, parent.id) == Status.RUNNING


def test_g2_a_commit_that_is_refused_gives_no_step_up(store: Store) -> None:
    node = register(store)
    parent = running(store, node)
    asked = spawning(1)
    assert write(store, node, parent, asked)
    refused = ExecutionCommit(parent.id, parent.epoch + 1, [stopping(2, request_id(asked))])
    assert store.commit(node, [refused], NOW) == [False]
    assert status(store, request_id(asked)) == Status.PENDING
