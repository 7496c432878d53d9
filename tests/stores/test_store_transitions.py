"""What an ending does to an execution is the same on every store, and what `stores.transitions` says.

Random executions (attention, time-outs, wakes, messages, parents, children, deaths, attempts) meet random items of one
commit. A short form runs in the suite; `HYDRA_TRANSITION_EXAMPLES=2000` sets how many batches the long one commits.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hydra import _core
from hydra.execution import FINAL, Claimed, End, ExecutionCommit, Message, NodeRef, Record, Status, Submission
from hydra.records import child_records
from hydra.stores import open_store
from hydra.stores.arrivals import Arrivals
from hydra.stores.filter import Filter
from hydra.stores.store import Store
from hydra.stores.transitions import Owned, apply
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.stores.store_values import NOW, SECOND, WORKFLOW, register, running, submission
from tests.stores.transition_cases import AT, CASES, LATER, Case, ItemCase

EXAMPLES = int(os.environ.get("HYDRA_TRANSITION_EXAMPLES", "0"))
CALM = settings(
    max_examples=EXAMPLES or 12,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.generate,),  # an assertion names its case: nothing to shrink, and a failure costs seconds
    suppress_health_check=list(HealthCheck),
)
BATCH = 40  # executions in one commit
MAX_LOOKS = 20
FILTER = Filter(limit=10_000)


def spawn_record(seq: int, timeout_us: int | None = None) -> tuple[Record, str]:
    child = Submission(_core.uuid7(), WORKFLOW, b"input", b"d" * 16, None, 0, None, timeout_us)
    request = child_records.encode_request(child)
    return Record(seq, "spawn", "", f"hydra.spawn:{WORKFLOW}", seq, 1, b"d", request, NOW, NOW), child.id


def other_record(seq: int, kind: str) -> Record:
    name = "hydra.event:approved" if kind == "expiry" else "charge"
    return Record(seq, kind, "", name, seq, 1, b"d" * 16, None if kind == "expiry" else b"x", NOW, NOW)


class Bench:
    """One batch of cases on one store: set up, committed, read back, each time with what is expected."""

    def __init__(self, store: Store, cases: Sequence[Case]) -> None:
        self.store = store
        self.cases = cases
        self.node, self.successor, self.dead = (register(store) for _ in range(3))
        assert store.mark_dead(self.dead.id, None, NOW)
        self.ids: list[str] = []
        self.parents: dict[str, str] = {}
        self.children: dict[str, list[str]] = {}

    def take(self, count: int, now: int, node: NodeRef | None = None) -> dict[str, Claimed]:
        """So many of them are due."""
        found: dict[str, Claimed] = {}
        for look in range(MAX_LOOKS):
            if look:
                self.store.wait_for_change(0.1)
            found |= {each.id: each for each in self.store.claim(node or self.node, [WORKFLOW], 1000, now)}
            if len(found) >= count:
                break
        assert len(found) == count
        return found

    def prepare(self) -> None:
        """Every case's execution runs on the node, as the case says."""
        store, cases = self.store, self.cases
        parents = [submission() for case in cases if case.parent]
        store.submit(parents, NOW)
        owners = iter(self.take(len(parents), NOW).values() if parents else [])
        plain: list[Submission] = []
        asked: list[ExecutionCommit] = []
        for case in cases:
            timeout_us = 5 * SECOND if case.attention == "timeout" else 50 * SECOND if case.is_limited else None
            if case.parent:
                parent = next(owners)
                record, id = spawn_record(1, timeout_us)
                end = End("waiting") if case.parent == "waiting" else None
                asked.append(ExecutionCommit(parent.id, parent.epoch, [record], end))
                self.parents[id] = parent.id
            else:
                plain.append(submission(timeout_us=timeout_us))
                id = plain[-1].id
            self.ids.append(id)
        store.submit(plain, NOW)
        assert all(store.commit(self.node, asked, NOW))
        claimed = self.take(len(cases), NOW)
        again = [(id, case) for id, case in zip(self.ids, cases, strict=True) if case.attempts > 1]
        if again:
            retries = [ExecutionCommit(id, claimed[id].epoch, [], End("retry")) for id, _ in again]
            assert all(store.commit(self.node, retries, NOW + SECOND))
            claimed |= self.take(len(again), NOW + SECOND)
        commits = []
        for id, case in zip(self.ids, cases, strict=True):
            records = [other_record(seq, "failure" if seq == 1 else "step") for seq in range(1, case.recorded + 1)]
            self.children[id] = []
            if case.has_child:
                record, child = spawn_record(case.recorded + 1)
                records.append(record)
                self.children[id].append(child)
            deaths = case.deaths
            commits.append(ExecutionCommit(id, claimed[id].epoch, records, None, 0, deaths, deaths))
        assert all(store.commit(self.node, commits, NOW + SECOND))
        told = [
            Message(_core.uuid7(), id, "approved", b"%d" % number, NOW)
            for id, case in zip(self.ids, cases, strict=True)
            for number in range(case.signals)
        ]
        store.signal(told, NOW + 2 * SECOND)
        store.request_cancel([id for id, case in self.zipped() if case.attention == "cancel"], NOW + 3 * SECOND)
        assert store.promote(NOW + 10 * SECOND, 1000) == sum(case.attention == "timeout" for case in cases)

    def zipped(self) -> Iterator[tuple[str, Case]]:
        return zip(self.ids, self.cases, strict=True)

    def run(self) -> None:
        self.prepare()
        store, ids = self.store, self.ids
        before = {each.id: each for each in store.recover(self.node, ids)}
        assert set(before) == set(ids)
        messages = {id: store.messages(id) for id in ids}
        models = {id: Model(before[id], case, messages[id]) for id, case in self.zipped()}
        for id, case in self.zipped():
            assert models[id].owned.attention == case.attention
            models[id].owned.is_child = id in self.parents
        successors = {self.successor.id}
        names = {"alive": self.successor.id, "dead": self.dead.id, None: None}
        commits: list[tuple[ExecutionCommit, int]] = []
        for place in range(max(len(case.items) for case in self.cases)):
            for id, case in self.zipped():
                if place < len(case.items):
                    commit = models[id].say(case.items[place], names)
                    commits.append((commit, int(models[id].decide(commit, successors))))
        sent = [msgspec.structs.replace(commit, arrived=[]) for commit, _ in commits]
        answers = [int(each) for each in store.commit(self.node, sent, AT)]
        self.compare(models)
        assert answers == [answer for _, answer in commits]
        self.compare_families(models)
        self.go_on(models)

    def compare(self, models: dict[str, Model]) -> None:
        store, ids = self.store, self.ids
        snapshots = {each.id: each for each in store.get(ids) if each is not None}
        histories = store.histories(ids)
        outcomes = dict(zip(ids, store.outcomes(ids), strict=True))
        for id, case in self.zipped():
            model, found = models[id], snapshots[id]
            lines = [
                (c.epoch, c.attempt, c.claimed_at, c.ended_at, c.ending, c.detail)
                for c in store.claims(id)
                if c.ended_at == AT
            ]
            actual = {
                **{name: getattr(found, name) for name in SHOWN},
                "owner": found.owner,
                "input": histories[id][0],
                "records": [
                    (r.seq, r.kind, r.name, r.ordinal, r.attempt, r.digest, r.payload) for r in histories[id][1]
                ],
                "lines": lines,
                "outcome": outcomes[id],
                "messages": [(m.name, m.number, m.payload) for m in store.messages(id)],
            }
            assert actual == model.expected(self.node.id, found), (case, id)

    def compare_families(self, models: dict[str, Model]) -> None:
        """Parents are told of ends; what was cancelled or ran out of time takes its children along."""
        told = {}
        for id, parent_id in self.parents.items():
            model = models[id]
            is_told = model.owned.finished_at is not None
            (parent,) = self.store.get([parent_id])
            waited = self.cases[self.ids.index(id)].parent == "waiting"
            assert parent is not None
            assert parent.status == ("running" if not waited else "pending" if is_told else "waiting"), (id, model)
            told[parent_id] = [(m.name, m.payload, m.number) for m in self.store.messages(parent_id)]
            status, cause, payload = model.owned.status, model.owned.cause, model.payload
            end = b"\0".join((status.encode(), cause.encode(), payload or b""))
            assert told[parent_id] == ([(f"{child_records.CHILD_PREFIX}{id}", end, 1)] if is_told else []), (id, model)
        for id, case in self.zipped():
            model = models[id]
            for child in [*self.children[id], *model.spawned]:
                (found,) = self.store.get([child])
                assert found is not None
                is_stopped = model.owned.stops_children() or (case.attention == "cancel" and child in self.children[id])
                assert found.status == ("cancelled" if is_stopped else "pending"), (case, child)

    def go_on(self, models: dict[str, Model]) -> None:
        """Attention and time-outs are as they should be, too: what is due later, and how it is claimed then."""
        store = self.store
        store.promote(LATER, 1000)
        due: dict[str, Model] = {}
        for id, case in self.zipped():
            owned, status = models[id].owned, models[id].owned.status
            is_late = models[id].is_limited and owned.attention is None
            if status in (Status.PENDING, Status.SLEEPING, Status.WAITING):
                if is_late:
                    status = Status.FAILED
                elif (owned.wake_at or LATER + 1) <= LATER or status is Status.PENDING:
                    status = Status.SLEEPING if (owned.wake_at or 0) > LATER else Status.PENDING
            (found,) = store.get([id])
            assert found is not None
            if owned.wake_at and owned.wake_at > LATER and not is_late:
                status = owned.status
            assert found.status is status, (case, owned)
            if status is Status.PENDING and not (owned.wake_at and owned.wake_at > LATER):
                due[id] = models[id]
        parked = [id for id in self.ids if models[id].owned.status is Status.PARKED]
        store.resume(parked, LATER)
        due |= {id: models[id] for id in parked}
        claimed: dict[str, Claimed] = {}
        for look in range(MAX_LOOKS):
            if look:
                store.wait_for_change(0.1)
            claimed |= {each.id: each for each in store.claim(self.successor, [WORKFLOW], 1000, LATER)}
            if due.keys() <= claimed.keys():
                break
        assert due.keys() <= claimed.keys()
        for id, model in due.items():
            found = claimed[id]
            assert (found.epoch, found.attempt) == (model.owned.epoch + 1, model.owned.attempt)
            assert found.cancel_requested == (model.owned.attention == "cancel")
            assert (found.timeout_at == 0) == (model.owned.attention == "timeout"), (model.case, model.owned)
            deaths = (0, 0) if id in parked else (model.owned.death_count, model.owned.alone_death_count)
            assert (found.death_count, found.alone_death_count) == deaths
        running = {id: m for id, m in models.items() if m.owned.status is Status.RUNNING}
        for node in (self.node, self.successor):
            kinds = {each.id: each.kind for each in store.heartbeat_node(node, LATER).attention}
            for id, model in running.items():
                if (model.owned.successor or self.node.id) == node.id:
                    wanted = model.owned.attention or ("timeout" if model.is_limited else None)
                    assert kinds.get(id) == wanted, (model.case, model.owned)
        statuses = Counter(each.status.value for each in store.list(FILTER) if each.workflow == WORKFLOW)
        assert store.stats(LATER).counts.get(WORKFLOW) == dict(statuses)
        assert store.audit() == []


SHOWN = (
    "status", "attempt", "epoch", "cancel_requested", "reason", "run_at", "finished_at", "wake_at", "record_count",
    "death_count",
)  # fmt: skip


class Model:
    """One execution as `transitions` says it is after each item."""

    def __init__(self, claimed: Claimed, case: Case, messages: Sequence[Message]) -> None:
        attention = "cancel" if claimed.cancel_requested else "timeout" if claimed.timeout_at == 0 else None
        c = claimed
        place = (c.id, c.epoch, c.workflow, len(c.records), c.attempt, c.claimed_at, c.wake_seq)
        self.owned = Owned(*place, attention, c.death_count, c.alone_death_count, c.epoch, 0)
        self.case = case
        self.is_limited = bool(claimed.timeout_at) or attention == "timeout"
        self.first = claimed
        self.records = list(claimed.records)
        self.messages = list(messages)
        self.input = claimed.input
        self.lines: list[tuple[Any, ...]] = []
        self.payload: bytes | None = None
        self.spawned: list[str] = []
        self._arrivals = Arrivals(messages)

    def say(self, item: ItemCase, names: dict[str | None, str | None]) -> ExecutionCommit:
        owned = self.owned
        is_apart = item.epoch_off or item.seq_off
        records = []
        for place, kind in enumerate(item.records, 1):
            seq = owned.record_count + place + item.seq_off
            if kind == "spawn":
                records.append(spawn_record(seq)[0])
            else:  # whether an expiry that is refused takes a message from a later one is no question of transitions
                records.append(other_record(seq, "step" if is_apart or not owned_runs(owned) else kind))
        end = None
        if item.end is not None:
            e = item.end
            payload = _core.encode(e.kind) if e.has_payload or e.kind in ("failed", "parked") else None
            seen, cause_seq = max(0, owned.wake_seq - e.unseen), min(e.cause_seq, self.case.recorded)
            end = End(e.kind, payload, e.wake_at, seen, cause_seq, e.cause, e.is_undone)
            if e.kind == "continued":
                end = msgspec.structs.replace(end, payload=b"next")
        deaths = item.deaths, item.alone_deaths
        commit = ExecutionCommit(
            owned.id, owned.epoch + item.epoch_off, records, end, 1, *deaths, names[item.successor]
        )
        commit.began_cancelled = item.began_cancelled
        return commit

    def decide(self, commit: ExecutionCommit, successors: set[str]) -> int:
        change = apply(self.owned, commit, successors, AT)
        if change is None:
            return 0
        for record in self._arrivals.decide(commit):
            if record.kind == "spawn":
                self.spawned.append(child_records.decode_id(record.payload or b""))
                record, _ = child_records.take_apart(commit.id, record)
            self.records.append(record)
            if record.kind == "event":
                self.messages = [m for m in self.messages if m.id.replace("-", "") != record.digest.hex()]
        if change.supersede is not None:
            self.records.append(change.supersede)
        if change.claim is not None:
            line = change.claim
            self.lines.append((line.epoch, line.attempt, line.claimed_at, AT, line.ending, line.cause))
            self.payload = line.payload
        if change.next_input is not None:
            (self.input,) = change.next_input  # type: ignore[assignment]
            self.records = []
            self.messages = [m for m in self.messages if not m.name.startswith(child_records.CHILD_PREFIX)]
        return int(change.answer)

    def expected(self, node_id: str, found: Any) -> dict[str, Any]:
        o = self.owned
        is_final = o.status in FINAL
        outcome = (o.status, self.payload, o.cause) if is_final else None
        if o.status is Status.PARKED:
            outcome = (o.status, None, "")
        return {
            "status": o.status,
            "attempt": o.attempt,
            "epoch": o.epoch,
            "cancel_requested": o.attention == "cancel",
            "reason": found.reason,
            "run_at": self.first.run_at if o.run_at is None else o.run_at,
            "finished_at": o.finished_at,
            "wake_at": o.wake_at,
            "record_count": o.record_count,
            "death_count": o.death_count,
            "owner": (o.successor or node_id) if o.status is Status.RUNNING else None,
            "input": self.input,
            "records": [(r.seq, r.kind, r.name, r.ordinal, r.attempt, r.digest, r.payload) for r in self.records],
            "lines": self.lines,
            "outcome": outcome,
            "messages": [(m.name, m.number, m.payload) for m in self.messages],
        }


def owned_runs(owned: Owned) -> bool:
    return owned.status is Status.RUNNING and owned.successor is None


@pytest.mark.timeout(120 + EXAMPLES * 5)
def test_an_ending_does_the_same_on_every_store(url: str) -> None:
    number = 0

    @CALM
    @given(st.lists(CASES, min_size=BATCH // 2, max_size=BATCH))
    def commit(cases: list[Case]) -> None:
        nonlocal number
        number += 1
        store = open_store(url, f"cases-{number}")
        store.open()
        try:
            Bench(store, cases).run()
        finally:
            store.close()

    commit()


def commit_one(store: Store, node: NodeRef, *commits: ExecutionCommit, now: int = AT) -> list[int]:
    return [int(each) for each in store.commit(node, list(commits), now)]


def test_r14_an_expiry_after_a_crash_in_the_same_commit_gives_way_to_a_message(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    store.signal([Message(_core.uuid7(), claimed.id, "approved", b"yes", NOW)], NOW)
    crashed = ExecutionCommit(claimed.id, claimed.epoch, [], End("crashed", cause="signal 9"))
    after = ExecutionCommit(claimed.id, claimed.epoch + 1, [other_record(1, "expiry")])
    assert commit_one(store, node, crashed, after) == [1, 1]
    assert [(each.kind, each.payload) for each in store.records(claimed.id)] == [("event", b"yes")]
    assert [each.kind for each in after.arrived] == ["event"]
    assert store.messages(claimed.id) == []


def test_r15_nothing_of_a_claim_follows_a_finish_that_a_cancel_overruled(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    store.request_cancel([claimed.id], NOW)
    done = ExecutionCommit(claimed.id, claimed.epoch, [], End("completed", b"x"))
    again = ExecutionCommit(claimed.id, claimed.epoch, [], End("continued", b"next"))
    assert commit_one(store, node, done, again) == [2, 0]
    assert store.input(claimed.id) == b"input"


def test_r15_what_ran_out_of_time_and_was_cancelled_before_is_handed_back(store: Store) -> None:
    """It may have something to undo, so whoever claims it ends it."""
    node = register(store)
    claimed = running(store, node)
    store.request_cancel([claimed.id], NOW)
    late = ExecutionCommit(claimed.id, claimed.epoch, [], End("failed", b"late", cause="timeout"))
    assert commit_one(store, node, late) == [2]
    (snapshot,) = store.get([claimed.id])
    assert snapshot is not None
    assert (snapshot.status, snapshot.cancel_requested) == (Status.PENDING, True)


def test_what_goes_over_to_an_heir_was_due_when_it_went(store: Store) -> None:
    node, successor = register(store), register(store)
    claimed = running(store, node)
    parked = ExecutionCommit(claimed.id, claimed.epoch, [], End("parked", _core.encode("code")), successor=successor.id)
    assert commit_one(store, node, parked) == [1]
    (taken,) = store.recover(successor, [claimed.id])
    assert (taken.run_at, taken.claimed_at) == (AT, AT)


def test_an_item_without_records_says_that_a_cancel_was_accepted(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    store.request_cancel([claimed.id], NOW)
    assert commit_one(store, node, ExecutionCommit(claimed.id, claimed.epoch, [], death_count=1)) == [2]


def test_the_deaths_told_with_a_finish_are_kept(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    counts = {"death_count": 2, "alone_death_count": 1}
    done = ExecutionCommit(claimed.id, claimed.epoch, [], End("completed", b"x"), **counts)
    assert commit_one(store, node, done) == [1]
    (snapshot,) = store.get([claimed.id])
    assert snapshot is not None
    assert snapshot.death_count == 2


def test_what_is_parked_has_no_outcome_to_tell(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    parked = ExecutionCommit(claimed.id, claimed.epoch, [], End("parked", _core.encode("why"), cause="poison"))
    assert commit_one(store, node, parked) == [1]
    assert store.outcomes([claimed.id]) == [(Status.PARKED, None, "")]


def test_a_cancels_cause_is_kept_with_its_outcome(store: Store) -> None:
    node = register(store)
    claimed = running(store, node)
    cancelled = ExecutionCommit(claimed.id, claimed.epoch, [], End("cancelled", cause="why"))
    assert commit_one(store, node, cancelled) == [1]
    assert store.outcomes([claimed.id]) == [(Status.CANCELLED, None, "why")]
