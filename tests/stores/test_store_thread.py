"""What leaves together is one transaction in one order (R11), over a connection that was proven (R19)."""

from __future__ import annotations

import json
import os
import uuid

import msgspec
import pytest
from hydra import _core
from hydra.clock import DatabaseClock
from hydra.dispatch.events import (
    Beaten,
    ClaimDone,
    CommitDone,
    OutcomeUnknown,
    Reconnected,
    Register,
    Resynced,
    SendBeat,
    SendClaim,
    SendCommit,
    SendResync,
)
from hydra.errors import PayloadError, StoreUnavailable
from hydra.execution import ELSEWHERE, Claimed, CommitAnswer, End, Ending, ExecutionCommit, NodeInfo, Record, Submission
from hydra.node.reaper import Reaper
from hydra.node.requests import Promote, RegisterWorkflows, Report
from hydra.node.spawns_by_name import completed
from hydra.node.store_thread import StoreThread
from hydra.records import child_records
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.store_values import WORKFLOW, record, submit

TTL_NS = 10 * 10**9


class Registered:
    """A store thread that is not started: `posted` is what it said since it was last asked."""

    def __init__(self, store: Store) -> None:
        self.posted: list[Report] = []
        self.clock = DatabaseClock()
        reaper = Reaper(store, TTL_NS, store.path)
        self.thread = StoreThread(store, self.clock, reaper, self.posted.append, lease_ttl_ns=TTL_NS)
        self.thread.membership.info = NodeInfo(str(uuid.uuid4()), "host", "boot", os.getpid(), 1, "code", 2)
        self.thread.perform([RegisterWorkflows([WorkflowInfo(WORKFLOW, b"{}", None, "code")]), Register()])

    def do(self, *actions: object) -> list[Report]:
        self.posted.clear()
        self.thread.perform(list(actions))  # type: ignore[arg-type]
        return [report for report in self.posted if isinstance(report, ANSWERS)]

    def claim(self) -> list[Claimed]:
        (answer,) = self.do(SendClaim(10))
        assert isinstance(answer, ClaimDone)
        return answer.executions


ANSWERS = (CommitDone, ClaimDone, Beaten, Reconnected, Resynced)


def test_r11_a_commit_goes_before_the_claim_and_the_beat_that_leave_with_it(store: Store) -> None:
    node = Registered(store)
    (id,) = submit(store, now=node.clock.now())
    (claimed,) = node.claim()
    release = ExecutionCommit(claimed.id, claimed.epoch, [record(1)], End(Ending.RELEASED))
    committed, answer, beaten = node.do(SendBeat([]), SendClaim(10), SendCommit(1, [release]))
    assert isinstance(committed, CommitDone) and committed.written == [True]
    assert isinstance(answer, ClaimDone)
    assert [(one.id, len(one.records)) for one in answer.executions] == [(id, 1)]
    assert isinstance(beaten, Beaten) and beaten.beat.running_count == 1


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
def test_r19_nothing_is_written_over_another_connection_before_it_was_proven(store: Store) -> None:
    node = Registered(store)
    submit(store, now=node.clock.now())
    (claimed,) = node.claim()
    store.close()  # it opens again when it is used again
    commit = SendCommit(1, [ExecutionCommit(claimed.id, claimed.epoch, [record(1)])])
    assert node.do(commit) == [Reconnected()]
    assert store.records(claimed.id) == []
    (resynced,) = node.do(SendResync([]))
    assert isinstance(resynced, Resynced) and [each.id for each in resynced.owned] == [claimed.id]
    assert [type(answer) for answer in node.do(commit)] == [CommitDone]
    assert [line.seq for line in store.records(claimed.id)] == [1]


def test_g7_what_hydra_cannot_write_of_one_execution_parks_it_and_ends_no_node(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Registered(store)
    ids = submit(store, 3, now=node.clock.now())
    commit = store.commit

    def commit_but_one(at: object, items: list[ExecutionCommit], *others: object, **more: object) -> list[bool]:
        if any(item.id == ids[1] and len(item.records) > 1 for item in items):
            raise RuntimeError("uses 2, and there are 8 supplied")
        return commit(at, items, *others, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "commit", commit_but_one)
    end = End(Ending.RELEASED)
    items = [
        ExecutionCommit(each.id, each.epoch, [record(1), record(2)], end if each.id == ids[1] else None)
        for each in node.claim()
    ]
    answers = node.do(SendCommit(1, items), SendClaim(10), SendBeat([]))
    assert [type(answer) for answer in answers] == []
    for number, item in enumerate(items):
        (answer,) = node.do(SendCommit(number, [item]))
        assert isinstance(answer, CommitDone) and answer.written == [item.id != ids[1]]
    assert [each and each.status for each in store.get(ids)] == ["running", "parked", "running"]
    assert "please report this" in (store.get([ids[1]])[0] or pytest.fail()).reason
    assert len(store.records(ids[1])) == 1
    (beaten,) = node.do(SendBeat([]))
    assert isinstance(beaten, Beaten)


REGISTERED = {
    "parameters": [{"name": "tenant", "kind": "any", "schema": {"type": "string"}}],
    "limits": [{"kind": "concurrency", "name": "by_code", "count": 1, "key": None}],
}


def spawn_by_name(seq: int) -> Record:
    child = Submission(str(uuid.uuid4()), "keyed", _core.encode({"args": ["acme"], "kwargs": {}}), b"")
    asked = msgspec.structs.replace(child, is_by_name=True)
    return msgspec.structs.replace(record(seq), kind="spawn", payload=child_records.encode_request(asked, ""))


def test_g7_children_that_cannot_be_asked_for_park_their_parents_in_the_commit_of_the_others(store: Store) -> None:
    node = Registered(store)
    keyed = WorkflowInfo("keyed", json.dumps(REGISTERED).encode(), None, "code")
    node.do(RegisterWorkflows([WorkflowInfo(WORKFLOW, b"{}", None, "code"), keyed]))
    *parents, other = submit(store, 6, now=node.clock.now())
    end = End(Ending.RELEASED)
    items = [
        ExecutionCommit(each.id, each.epoch, [record(1)])
        if each.id == other
        else ExecutionCommit(each.id, each.epoch, [record(1), spawn_by_name(2)], end)
        for each in node.claim()
    ]
    node.do(SendCommit(7, items), SendClaim(10), SendBeat([]))
    committed, claimed, beaten = [each for each in node.posted if not isinstance(each, Promote)][:3]
    assert isinstance(committed, CommitDone) and committed.given_up == set(parents)
    assert committed.written == [CommitAnswer(each.id == other) for each in items]
    assert isinstance(claimed, ClaimDone) and isinstance(beaten, Beaten) and beaten.beat.running_count == 1
    for found in store.get(parents):
        assert found is not None and found.status == "parked"
        assert "workflow `keyed` was not spawned by its name" in found.reason
        assert "hydra resume" in found.reason and len(store.records(found.id)) == 1


def test_g3_a_child_that_is_refused_takes_no_step_along_that_ran_beside_it(store: Store) -> None:
    """Whatever its branch: in an async body another task may await what was called there."""
    node = Registered(store)
    keyed = WorkflowInfo("keyed", json.dumps(REGISTERED).encode(), None, "code")
    node.do(RegisterWorkflows([WorkflowInfo(WORKFLOW, b"{}", None, "code"), keyed]))
    (parent,) = submit(store, now=node.clock.now())
    (item,) = node.claim()
    other = msgspec.structs.replace
    records = [
        record(1),
        spawn_by_name(2),
        other(record(3), branch="/1", name="ended"),
        other(record(4), branch="/1", kind="value", name="hydra.now"),
        other(record(5), branch="/1", name="under way"),
        spawn_by_name(6),
        other(record(7), branch=spawn_by_name(6).branch, name="called beside it"),
        other(record(8), branch="/2", kind="event", name="hydra.child:1"),
        other(record(9), branch="/2", name="ran elsewhere", due_at=ELSEWHERE),
        other(record(10), branch="/2", kind="try", name="failed"),
    ]
    commit = ExecutionCommit(item.id, item.epoch, records)
    (answer,) = node.do(SendCommit(7, [commit]))
    assert isinstance(answer, CommitDone) and answer.held == {parent} and not answer.given_up
    assert store.records(parent) == [], "guard G4: its body still runs"
    node.do(SendCommit(8, [msgspec.structs.replace(commit, end=End(Ending.RELEASED))]))
    (found,) = store.get([parent])
    assert found is not None and found.status == "parked"
    assert [(each.seq, each.name) for each in store.records(parent)] == [
        (1, records[0].name), (2, "ended"), (3, "under way"), (4, "called beside it"), (5, "failed"),
    ]  # fmt: skip


def test_what_is_registered_of_a_child_is_asked_once_for_a_batch() -> None:
    asked: list[str] = []

    def registered(workflow: str) -> dict[str, object]:
        asked.append(workflow)
        return {}

    items = [ExecutionCommit(str(number), 1, [spawn_by_name(1), spawn_by_name(2)]) for number in range(5)]
    assert completed(items, registered).parked_ids == frozenset()
    assert asked == ["keyed"]


@pytest.mark.parametrize("count", [1, 6])
def test_g7_refused_values_are_parked_and_the_rest_of_their_batch_is_written_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    node = Registered(store)
    ids = submit(store, count, now=node.clock.now())
    refused = set(ids[::5])
    commit = store.commit

    def commit_small(at: object, items: list[ExecutionCommit], *others: object, **more: object) -> list[bool]:
        if any(len(each.payload or b"") > 300 for item in items if item.id in refused for each in item.records):
            raise PayloadError("it is too large")
        return commit(at, items, *others, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "commit", commit_small)
    large = msgspec.structs.replace(record(2), payload=b"large" * 100)
    beside = msgspec.structs.replace(record(3), branch="/1")
    items = [ExecutionCommit(each.id, each.epoch, [record(1), large, beside]) for each in node.claim()]
    node.do(SendCommit(1, items), SendClaim(10), SendBeat([]))
    committed = next(each for each in node.posted if isinstance(each, CommitDone))
    assert committed.held == refused and not committed.given_up
    assert committed.written == [CommitAnswer(item.id not in refused) for item in items]
    node.posted.clear()
    items = [msgspec.structs.replace(each, end=End(Ending.RELEASED)) for each in items if each.id in refused]
    node.do(SendCommit(2, items), SendClaim(10), SendBeat([]))
    assert [type(each) for each in node.posted if not isinstance(each, Promote)][:3] == [CommitDone, ClaimDone, Beaten]
    committed = next(each for each in node.posted if isinstance(each, CommitDone))
    assert committed.given_up == refused
    assert committed.written == [CommitAnswer(item.id not in refused) for item in items]
    for id in ids:
        assert [(each.seq, each.kind) for each in store.records(id)] == [
            (1, "step"), (2, "crash" if id in refused else "step"), (3, "step"),
        ]  # fmt: skip


def test_r16_a_failure_after_a_part_was_written_is_read_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Registered(store)
    submit(store, 2, now=node.clock.now())
    commit, calls = store.commit, []

    def commit_one(at: object, items: list[ExecutionCommit], *others: object, **more: object) -> list[bool]:
        calls.append(len(items))
        if len(items) > 1:
            raise PayloadError("it is too large")
        if len(calls) > 2:
            raise StoreUnavailable("somebody has locked the records")
        return commit(at, items, *others, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "commit", commit_one)
    items = [ExecutionCommit(each.id, each.epoch, [record(1)]) for each in node.claim()]
    node.do(SendCommit(1, items), SendBeat([]))
    assert calls == [2, 1, 1]
    assert [type(each) for each in node.posted] == [OutcomeUnknown]


def test_g7_a_chore_that_fails_ends_no_node(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Registered(store)
    submit(store, now=node.clock.now(), timeout_us=1)
    with monkeypatch.context() as broken:
        broken.setattr(store, "promote", lambda *_: 1 / 0)
        node.do(Promote())
    while store.stats(node.clock.now()).counts != {WORKFLOW: {"failed": 1}}:
        node.do(Promote())
