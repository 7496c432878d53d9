"""Attributes by which executions are found, on every database: written with what changes them, and gone with it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
import pytest
from hydra import _core, attributes
from hydra.attributes import ATTRIBUTES, KeyChanges, encode_changes, key_of
from hydra.client.criteria import Criteria, walk
from hydra.errors import LeaseLost
from hydra.execution import (
    Claimed,
    Debounced,
    End,
    ExecutionCommit,
    KeyReuse,
    NodeRef,
    Record,
    RecordKind,
    Status,
    Submission,
)
from hydra.records.child_records import encode_request
from hydra.records.forks import Fork
from hydra.sought import Sought, check_sought
from hydra.stores.acts import Act, ActKind
from hydra.stores.filter import Filter
from hydra.stores.rerunning import Rerun
from hydra.stores.rescheduling import Replacement, Reschedule
from hydra.stores.searching import COMMON, leading
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, UNKNOWN, WORKFLOW, claim, end, record, register, submission, write

Another = Callable[..., Store]


def keys(**values: object) -> KeyChanges:
    return {name: None if value is None else key_of(name, value, type(value)) for name, value in values.items()}


def with_attributes(plain: Submission, **values: object) -> Submission:
    return msgspec.structs.replace(plain, attributes=keys(**values))


def submit(store: Store, **values: object) -> str:
    (answer,) = store.submit([with_attributes(submission(), **values)], NOW)
    assert answer.created
    return answer.id


def setting(seq: int, **values: object) -> Record:
    """The record of a `hydra.set_attributes`."""
    return Record(seq, RecordKind.VALUE, "", ATTRIBUTES, seq, 1, b"d" * 16, encode_changes(keys(**values)), NOW, NOW)


def taken(store: Store, node: NodeRef, **values: object) -> Claimed:
    id = submit(store, **values)
    (claimed,) = claim(store, node)
    assert claimed.id == id
    return claimed


def of(store: Store, id: str) -> dict[str, object]:
    (snapshot,) = store.get([id])
    assert snapshot is not None
    return snapshot.attributes


def is_(name: str, value: object) -> Sought:
    key = key_of(name, value, type(value))
    return Sought(name, key, key + b"\0")


def between(name: str, low: object, high: object) -> Sought:
    return Sought(name, key_of(name, low, type(low)), key_of(name, high, type(high)))


def found(store: Store, *sought: Sought, **fields: object) -> list[str]:
    return [each.id for each in store.list(Filter(attributes=sought, **fields))]  # type: ignore[arg-type]


# with the submission


def test_a_submission_is_found_by_its_attributes_and_by_no_others(store: Store) -> None:
    first = submit(store, customer="c-17", amount=5)
    second = submit(store, customer="c-18", amount=5)
    (plain,) = store.submit([submission()], NOW)
    assert of(store, first) == {"customer": "c-17", "amount": 5} and of(store, plain.id) == {}
    assert found(store, is_("customer", "c-17")) == [first]
    assert found(store, is_("customer", "c-1")) == found(store, is_("customer", "c-177")) == []
    assert found(store, is_("amount", 5)) == [second, first]
    assert found(store, is_("amount", 5.0)) == [], "another type"
    assert found(store, is_("amount", 5), is_("customer", "c-17")) == [first]


def test_many_are_submitted_with_those_of_each(store: Store) -> None:
    many = [with_attributes(submission(key=f"k-{n}"), customer=f"c-{n % 3}", amount=n) for n in range(2_100)]
    assert all(answer.created for answer in store.submit(many, NOW))
    assert len(found(store, is_("customer", "c-1"), limit=5_000)) == 700
    assert found(store, between("amount", 10, 12), limit=5_000) == [many[11].id, many[10].id]


def test_a_submission_that_is_repeated_changes_nothing(store: Store) -> None:
    asked = with_attributes(submission(key="k"), customer="c-17")
    store.submit([asked], NOW)
    store.set_attributes(asked.id, keys(customer="c-18"), NOW)
    (again,) = store.submit([asked], NOW)
    (other,) = store.submit([with_attributes(submission(key="k"), customer="c-19")], NOW)
    assert (again.created, other.created, again.id, other.id) == (False, False, asked.id, asked.id)
    assert of(store, asked.id) == {"customer": "c-18"}
    assert found(store, is_("customer", "c-19")) == []


def test_what_conflicts_leaves_no_attributes(store: Store) -> None:
    (made,) = store.submit([submission(key="k")], NOW)
    other = with_attributes(submission(key="k", digest=b"e" * 16), customer="c-17")
    mixed = store.submit([with_attributes(submission(), customer="c-18"), other], NOW)
    assert [each.conflict for each in mixed] == [False, True]
    same_id = with_attributes(submission(id=made.id, digest=b"e" * 16), customer="c-17")
    assert store.submit([same_id], NOW)[0].conflict
    assert found(store, is_("customer", "c-17")) == [] and of(store, made.id) == {}
    assert found(store, is_("customer", "c-18")) == [mixed[0].id]


def test_a_child_begins_with_its_own(store: Store) -> None:
    node = register(store)
    parent = taken(store, node, customer="c-1")
    asked = with_attributes(submission(), customer="child")
    spawn = Record(1, "spawn", "", "hydra.spawn:bill", 0, 1, b"d" * 16, encode_request(asked), NOW, NOW)
    assert write(store, node, parent, spawn)
    assert found(store, is_("customer", "child")) == [asked.id]


@pytest.mark.parametrize("value", ["", "ä \0 ☃", 0, -(2**63), 2**63 - 1, -1.5, 1e300, float("inf"), True, False])
def test_a_value_comes_back_as_it_went_in(store: Store, value: object) -> None:
    id = submit(store, value=value)
    assert of(store, id) == {"value": value} and type(of(store, id)["value"]) is type(value)
    assert found(store, is_("value", value)) == [id]


# changed by the body, and by an operator


def test_a_record_changes_them_in_its_transaction(store: Store) -> None:
    node = register(store)
    claimed = taken(store, node, customer="c-17")
    assert write(store, node, claimed, setting(1, state="charging", customer=None))
    assert of(store, claimed.id) == {"state": "charging"}
    assert found(store, is_("customer", "c-17")) == []
    last = [setting(2, state="a"), record(3), setting(4, state="b"), setting(5, customer="c-18")]
    assert end(store, node, claimed, "completed", *last, payload=b"")
    assert of(store, claimed.id) == {"state": "b", "customer": "c-18"}
    assert found(store, is_("state", "b")) == [claimed.id] and found(store, is_("state", "a")) == []


def test_a_commit_that_is_refused_changes_none(store: Store) -> None:
    node, other = register(store), register(store)
    claimed = taken(store, node, state="new")
    stale = ExecutionCommit(claimed.id, claimed.epoch + 1, [setting(1, state="stale")])
    gap = ExecutionCommit(claimed.id, claimed.epoch, [setting(2, state="gap")])
    not_its_own = store.commit(other, [ExecutionCommit(claimed.id, claimed.epoch, [setting(1, state="other")])], NOW)
    assert [*store.commit(node, [stale], NOW), *store.commit(node, [gap], NOW), *not_its_own] == [0, 0, 0]
    assert of(store, claimed.id) == {"state": "new"}
    assert write(store, node, claimed, setting(1, state="good"))
    assert not write(store, node, claimed, setting(1, state="good")), "a repeated commit"
    assert of(store, claimed.id) == {"state": "good"}


def test_a_node_that_was_declared_dead_changes_none(store: Store, open_another: Another) -> None:
    node = register(store)
    claimed = taken(store, node, state="new")
    open_another().mark_dead(node.id, None, NOW)
    with pytest.raises(LeaseLost):
        write(store, node, claimed, setting(1, state="late"))
    assert of(store, claimed.id) == {"state": "new"}


def test_an_operator_changes_them_whatever_the_state(store: Store, open_another: Another) -> None:
    node = register(store)
    claimed = taken(store, node, customer="c-17")
    assert store.set_attributes(claimed.id, keys(customer="c-18", note="seen"), NOW) is Status.RUNNING
    assert end(store, node, claimed, "completed", payload=b"")
    assert store.set_attributes(claimed.id, keys(note=None), NOW) is Status.COMPLETED
    assert of(store, claimed.id) == {"customer": "c-18"}
    assert store.set_attributes(UNKNOWN, keys(note="x"), NOW) is None
    assert open_another("other").set_attributes(claimed.id, keys(note="x"), NOW) is None
    assert of(store, claimed.id) == {"customer": "c-18"}


# what follows an execution


def test_a_next_generation_and_a_retry_keep_them(store: Store) -> None:
    node = register(store)
    claimed = taken(store, node, customer="c-17")
    first = [setting(1, state="first")]
    assert store.commit(node, [ExecutionCommit(claimed.id, claimed.epoch, first, End("continued", b"next"))], NOW)[0]
    assert of(store, claimed.id) == {"customer": "c-17", "state": "first"}
    (again,) = claim(store, node)
    assert end(store, node, again, "failed", record(1, kind="failure"), payload=b"", cause_seq=1)
    store.retry([claimed.id], NOW)
    assert of(store, claimed.id) == {"customer": "c-17", "state": "first"}


def test_a_rerun_begins_as_its_source_began(store: Store) -> None:
    node = register(store)
    source = taken(store, node, customer="c-17", amount=3)
    assert end(store, node, source, "failed", setting(1, state="failing", customer="c-18"), payload=b"")
    wanted = Rerun(source.id, _core.uuid7(), 1, NOW, "ana", "again")
    assert store.rerun([wanted], NOW)[0] is not None
    assert of(store, wanted.id) == {"customer": "c-17", "amount": 3}
    assert of(store, source.id) == {"customer": "c-18", "amount": 3, "state": "failing"}
    store.rerun([wanted], NOW)
    assert of(store, wanted.id) == {"customer": "c-17", "amount": 3}


def test_a_fork_begins_as_its_source_did_with_what_the_records_change(store: Store) -> None:
    node = register(store)
    source = taken(store, node, customer="c-17")
    assert write(store, node, source, setting(1, state="first"), record(2), setting(3, state="second"))
    changes = keys(state="first")
    answer = store.fork(Fork(submission(), source.id, 1, "forked", True, changes), NOW)
    assert of(store, answer.id) == {"customer": "c-17", "state": "first"}
    other = with_attributes(submission(), customer="c-19")
    answer = store.fork(Fork(other, source.id, 1, "forked", False, changes), NOW)
    assert of(store, answer.id) == {"customer": "c-19", "state": "first"}


def test_other_arguments_bring_other_attributes(store: Store) -> None:
    id = submit(store, customer="c-17", amount=3)
    line = Act(id, _core.uuid7(), ActKind.RESCHEDULE, NOW, "ana", "")
    other = Replacement(WORKFLOW, None, b"new", b"n" * 16, None, None, keys(customer="c-18"))
    store.reschedule(Reschedule(id, line, None, None, other), NOW)
    assert of(store, id) == {"customer": "c-18"}


def test_a_debounced_submission_has_those_of_the_last(store: Store) -> None:
    def burst(customer: str) -> str:
        plain = submission(key="k", run_at=NOW + SECOND, digest=customer.ljust(16).encode())
        asked = msgspec.structs.replace(plain, debounce=Debounced(SECOND), key_reuse=KeyReuse.FIRST)
        return store.submit([with_attributes(asked, customer=customer)], NOW)[0].id

    first, second = burst("c-1"), burst("c-2")
    assert first == second and of(store, first) == {"customer": "c-2"}


def test_they_go_with_what_is_purged_and_what_is_deleted(store: Store) -> None:
    node = register(store)
    purged = taken(store, node, customer="c-17")
    assert end(store, node, purged, "completed", payload=b"")
    assert store.purge(NOW + SECOND, 10) == 1
    deleted = taken(store, node, customer="c-17")
    assert end(store, node, deleted, "completed", payload=b"", now=NOW + SECOND)
    assert store.delete(Act(deleted.id, _core.uuid7(), ActKind.DELETE, NOW, "ana", ""), 10) is not None
    assert found(store, is_("customer", "c-17")) == []
    assert store.attribute_counts([is_("customer", "c-17")], 10) == [0]


# lists


def test_pages_go_on_where_the_one_before_ended_in_both_directions(store: Store) -> None:
    ids = [submit(store, state="a" if n % 2 else "b", amount=n) for n in range(20)]
    wanted = [id for n, id in enumerate(ids) if n % 2]
    for sought in ([is_("state", "a")], [is_("state", "a"), between("amount", 0, 100)]):
        down: list[str] = []
        while page := found(store, *sought, limit=3, before=down[-1] if down else None):
            down += page
        up: list[str] = []
        while page := found(store, *sought, limit=3, after=up[-1] if up else None, is_oldest_first=True):
            up += page
        assert (down, up) == (wanted[::-1], wanted)


@pytest.mark.parametrize("common", [COMMON, 3])
def test_a_range_is_found_whatever_lies_in_it(store: Store, monkeypatch: pytest.MonkeyPatch, common: int) -> None:
    monkeypatch.setattr("hydra.stores.searching.COMMON", common)
    ids = [submit(store, amount=n, state="a") for n in (5, 1, 4, 2, 3, 9)]
    wanted = [ids[each] for each in (5, 2, 0)]
    assert found(store, between("amount", 4, 10)) == wanted
    assert found(store, between("amount", 4, 10), limit=2) == wanted[:2]
    assert found(store, between("amount", 4, 10), before=wanted[0]) == wanted[1:]
    assert found(store, between("amount", 4, 10), is_oldest_first=True, after=wanted[2]) == wanted[1::-1]
    assert found(store, between("amount", 0, 10), between("amount", 2, 4)) == [ids[4], ids[3]]


def test_a_number_beyond_all_separates_all_from_none(store: Store) -> None:
    whole = [submit(store, n=n) for n in (-(2**63), 0, 2**63 - 1)]
    floats = [submit(store, n=n) for n in (float("-inf"), 0.5, float("inf"))]
    both = sorted(whole + floats)

    def asked(*asked: object) -> list[str]:
        criteria = Criteria(attributes=check_sought(dict([asked]) if len(asked) == 2 else asked))
        return sorted(each.id for page in walk(store, criteria) for each, _ in page)

    for value in (2**63, 10**30, float(2**63), 1e300, 10**400):
        assert asked("n <", value) == sorted([*whole, *floats[:2]])
        assert asked("n >=", value) == floats[2:]
    assert asked("n >", -1e300) == asked("n>-99999999999999999999") == sorted([*whole, *floats[1:]])
    assert asked("n <=", float("inf")) == asked("n>=-inf") == both
    assert asked("n", 2**63) == asked("n >", float("inf")) == []


def test_other_filters_hold_beside_them(store: Store, open_another: Another) -> None:
    node = register(store)
    ended = taken(store, node, customer="c-17")
    assert end(store, node, ended, "failed", payload=b"")
    asked = with_attributes(submission("dun", key="k", tags={"run": "11"}), customer="c-17")
    other = store.submit([asked], NOW + SECOND)[0].id
    assert open_another("other").list(Filter(attributes=(is_("customer", "c-17"),))) == []
    customer = is_("customer", "c-17")
    assert found(store, customer) == [other, ended.id]
    assert found(store, customer, status=Status.FAILED) == found(store, customer, workflow=WORKFLOW) == [ended.id]
    assert found(store, customer, status=Status.PENDING) == found(store, customer, tags={"run": "11"}) == [other]
    assert found(store, customer, key="k") == found(store, customer, workflow="dun", key="k") == [other]
    assert found(store, is_("customer", "c-18"), workflow="dun", key="k") == []
    assert found(store, customer, since=NOW + 1) == [other] and found(store, customer, until=NOW + 1) == [ended.id]
    assert store.attribute_counts([customer, is_("customer", "x"), between("customer", "a", "d")], 1) == [1, 0, 1]


def test_the_rarest_leads() -> None:
    asked = [is_("state", "done"), is_("customer", "c-17"), between("amount", 1, 5)]
    assert leading(asked[:1], lambda sought, limit: pytest.fail("nothing to choose")).name == "list_by_value"
    for counts, name, place in (
        ([COMMON, 2, 9], "list_by_value", 1),
        ([COMMON, 20, 9], "list_by_range", 2),
        ([COMMON, COMMON, COMMON], "list_by_value", 0),
    ):
        lead = leading(asked, lambda sought, limit, counts=counts: counts)
        assert (lead.name, lead.sought, len(lead.others)) == (name, asked[place], 2)
    assert leading(asked[2:], lambda sought, limit: [COMMON]).name == "list_by_wide_range"


# rows and journals


@pytest.mark.parametrize("seed", range(3))
def test_rows_are_always_what_the_journal_says(store: Store, seed: int) -> None:
    """Random sets by several executions, in commits some of which are stale, with gaps, or repeated."""
    random, node = Random(seed), register(store)
    ids = [submit(store, customer=f"c-{n}") for n in range(4)]
    claimed = {each.id: each for each in claim(store, node)}
    seqs = dict.fromkeys(ids, 0)
    for _ in range(25):
        commits = []
        for id in random.sample(ids, random.randint(1, 4)):
            seq, epoch = seqs[id] + random.choice([0, 0, 0, 1, -1]), claimed[id].epoch + random.choice([0, 0, 0, 1])
            records = []
            for number in range(seq + 1, seq + 1 + random.randint(1, 3)):
                name, value = random.choice(["customer", "state", "amount"]), random.choice([None, "x", "y", 1, 2])
                records.append(setting(number, **{name: value}) if random.random() < 0.8 else record(number))
            commits.append(ExecutionCommit(id, epoch, records))
        for commit, answer in zip(commits, store.commit(node, commits, NOW), strict=True):
            seqs[commit.id] += len(commit.records) if answer else 0
        if random.random() < 0.3:
            some = random.choice(ids)
            crash = [ExecutionCommit(some, claimed[some].epoch, [], End("crashed"))]
            assert store.commit(node, crash, NOW)[0]
            claimed[some] = msgspec.structs.replace(claimed[some], epoch=claimed[some].epoch + 1)
    for n, id in enumerate(ids):
        said = keys(customer=f"c-{n}")
        for each in store.records(id):
            if each.name == ATTRIBUTES:
                said |= attributes.decode_changes(each.payload or b"")
        assert len(store.records(id)) == seqs[id]
        now = {name: key for name, key in said.items() if key is not None}
        assert of(store, id) == {name: attributes.value_of(key) for name, key in now.items()}
        for name, key in now.items():
            assert id in found(store, Sought(name, key, key + b"\0"))
