"""Every verb that takes many takes none, one, two, seven and sixty-four: what is right for one is right for all."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import pytest
from hydra import _core
from hydra.execution import Claimed, End, ExecutionCommit, Message, NodeRef, Progress, Record
from hydra.records import child_records
from hydra.schedules import ScheduleChange
from hydra.stores.filter import Filter
from hydra.stores.node_states import Advanced
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, record, register, submission, submit, take

COUNTS = (0, 1, 2, 7, 64)
ENDINGS = (
    "continued",
    "released",
    "retry",
    "sleeping",
    "waiting",
    "parked",
    "crashed",
    "completed",
    "failed",
    "cancelled",
)


def claimed_ones(store: Store, node: NodeRef, count: int) -> list[Claimed]:
    submit(store, count)
    found = take(store, node) if count else []
    assert len(found) == count
    return found


def messages_to(ids: Sequence[str]) -> list[Message]:
    return [Message(_core.uuid7(), id, "approved", b"yes", NOW) for id in ids]


def commit(store: Store, node: NodeRef, items: list[ExecutionCommit]) -> None:
    assert store.commit(node, items, NOW) == [True] * len(items)


def ended(store: Store, node: NodeRef, count: int, kind: str, **fields: object) -> list[str]:
    done = record(1, kind="failure" if fields.get("cause_seq") else "step")
    items = [
        ExecutionCommit(each.id, each.epoch, [done], End(kind, b"", **fields))  # type: ignore[arg-type]
        for each in claimed_ones(store, node, count)
    ]
    commit(store, node, items)
    return [item.id for item in items]


def statuses(store: Store, ids: Sequence[str]) -> set[str]:
    return {snapshot.status.value for snapshot in store.get(ids) if snapshot is not None}


@pytest.mark.parametrize("ending", ENDINGS)
def test_g7_so_many_claims_end_alike_in_one_commit(store: Store, ending: str) -> None:
    node = register(store)
    for count in COUNTS:
        wake_at = NOW + 9 * SECOND if ending == "sleeping" else 0
        ids = ended(store, node, count, ending, wake_at=wake_at)
        assert len(statuses(store, ids)) == min(count, 1)
        assert store.audit() == []
        store.request_cancel(ids, NOW)
        for each in [*take(store, node)] if ending in ("continued", "released", "retry") and ids else []:
            commit(store, node, [ExecutionCommit(each.id, each.epoch, [], End("cancelled"))])
        if ending == "crashed":
            commit(store, node, [ExecutionCommit(id, 2, [], End("cancelled")) for id in ids])


def test_g7_so_many_record_consume_spawn_and_report_in_one_commit(store: Store) -> None:
    node = register(store)
    for count in COUNTS:
        running = claimed_ones(store, node, count)
        ids = [each.id for each in running]
        sent = messages_to(ids)
        assert store.signal(sent, NOW) == ["running"] * count
        assert [len(store.messages(id)) for id in ids] == [1] * count
        items = []
        for each, message in zip(running, sent, strict=True):
            said = Record(2, "event", "", "hydra.event:approved", 0, 1, uuid.UUID(message.id).bytes, b"yes", NOW, NOW)
            asked = child_records.encode_request(submission("other"))
            spawned = Record(3, "spawn", "", "hydra.spawn:other", 0, 1, b"d" * 16, asked, NOW, NOW)
            items.append(ExecutionCommit(each.id, each.epoch, [record(1), said, spawned]))
        commit(store, node, items)
        store.report_progress(node, [Progress(id, "", "copy", 0, 1, b"half", NOW, NOW) for id in ids], NOW)
        assert [len(store.progress(id)) for id in ids] == [1] * count
        assert {len(records) for _, records in store.histories(ids).values()} == ({3} if count else set())
        assert [store.messages(id) for id in ids] == [[]] * count
        assert len(store.recover(node, ids)) == count
        store.heartbeat_node(node, NOW)
        commit(store, node, [ExecutionCommit(each.id, each.epoch, [], End("completed", b"")) for each in running])
    assert len(store.list(Filter(workflow="other", limit=1000))) == sum(COUNTS)


def test_g7_so_many_are_submitted_asked_for_and_purged(store: Store) -> None:
    node = register(store)
    for count in COUNTS:
        submissions = [submission(key=f"{count}-{place}") for place in range(count)]
        assert [answer.created for answer in store.submit(submissions, NOW)] == [True] * count
        assert [answer.created for answer in store.submit(submissions, NOW)] == [False] * count
        ids = [each.id for each in submissions]
        assert sum(snapshot is not None for snapshot in store.get(ids)) == count
        assert store.outcomes(ids) == [None] * count
        assert len(claim(store, node, slots=count)) == count
        commit(store, node, [ExecutionCommit(id, 1, [], End("completed", b"")) for id in ids])
        assert len(store.outcomes(ids)) == count
        assert store.purge(NOW + 1, 100) == count


def test_g7_so_many_are_ordered_about_by_a_person(store: Store) -> None:
    node = register(store)
    for count in COUNTS:
        ids = ended(store, node, count, "failed", cause_seq=1)
        assert store.retry(ids, NOW) == ["failed"] * count
        again = take(store, node) if count else []
        commit(store, node, [ExecutionCommit(each.id, each.epoch, [], End("parked", b"")) for each in again])
        assert store.resume(ids, NOW) == ["parked"] * count
        again = take(store, node) if count else []
        begun = [record(3, "ship", "start")]
        commit(store, node, [ExecutionCommit(each.id, each.epoch, begun, End("parked", b"")) for each in again])
        resolutions = [(id, Record(4, "resolution", "", "ship", 3, 1, b"digest", b"r", NOW, NOW)) for id in ids]
        assert store.resolve(resolutions, NOW) == ["parked"] * count
        assert store.request_cancel(ids, NOW) == ["cancelled"] * count


def test_g7_so_many_wait_for_time_or_for_a_dead_node(store: Store) -> None:
    for count in COUNTS:
        node, other = register(store), register(store)
        ids = ended(store, node, count, "sleeping", wake_at=NOW + SECOND)
        assert store.promote(NOW + SECOND, 100) == count
        taken = [each.id for each in take(store, node)] if count else []
        assert sorted(taken) == sorted(ids)
        store.mark_dead(node.id, None, NOW)
        assert store.return_executions(NOW, 100) == count
        advanced = [Advanced(id, 9, 1) for id in ids]
        assert len(store.park(other.id, advanced, "rewound", b"", NOW)) == count
        store.request_cancel(ids, NOW)
        late = submit(store, count, timeout_us=SECOND)
        assert store.promote(NOW + 2 * SECOND, 100) == count
        assert statuses(store, late) == ({"failed"} if count else set())


def test_no_schedule_is_changed_by_no_change(store: Store) -> None:
    node = register(store)
    none: list[ScheduleChange] = []
    assert store.change_schedules(none, NOW) == store.fire_schedules(node, none, NOW) == []
    store.upsert_schedules(node, [], NOW)
    assert store.claim(node, [], 10, NOW) == []
    store.register_workflows(node, [], NOW)
    assert store.claim(node, [WORKFLOW], 0, NOW) == []
