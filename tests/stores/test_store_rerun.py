"""Reruns: a new execution from an ended one's input, under its key, in one transaction; once, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from hydra import _core
from hydra.execution import Claimed, KeyReuse, NodeRef, Status
from hydra.stores.acts import ActKind
from hydra.stores.deleting import Tree
from hydra.stores.rerunning import OF_TAG, Reran, Rerun, Source, judge, sort_out
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, UNKNOWN, claim, end, record, register, running, status, submission
from tests.stores.test_store_damaged_listings import execute, quoted


def order(source_id: str, attempt: int = 1, id: str = "") -> Rerun:
    return Rerun(source_id, id or _core.uuid7(), attempt, NOW, "ana@host", "bug 81 is fixed")


def failed(store: Store, node: NodeRef, **fields: object) -> Claimed:
    claimed = running(store, node, **fields)
    assert end(store, node, claimed, "failed", record(1, kind="failure"), payload=b"", cause_seq=1)
    return claimed


@pytest.mark.parametrize("ending", ["failed", "cancelled", "completed"])
def test_what_has_ended_runs_again_under_its_key_from_its_input(store: Store, ending: str) -> None:
    node = register(store)
    source = running(store, node, key="inv-1", priority=3, tags={"run": "11"}, timeout_us=9 * SECOND, input=b"call")
    assert end(store, node, source, ending, record(1), payload=b"")
    wanted = order(source.id)
    assert store.rerun([wanted], NOW + SECOND) == [Reran(wanted.id, True, Status(ending))]
    (again,) = claim(store, node, now=NOW + SECOND)
    assert (again.id, again.key, again.input, again.priority, again.records) == (wanted.id, "inv-1", b"call", 3, [])
    assert (again.tags, again.timeout_at) == ({"run": "11", OF_TAG: source.id}, NOW + 10 * SECOND)
    found = store.find(source.workflow, "inv-1")
    assert found is not None and found.id == wanted.id
    (repeated,) = store.submit([submission(key="inv-1")], NOW + SECOND)  # the digest is that of the first arguments
    assert (repeated.id, repeated.created, repeated.conflict) == (wanted.id, False, False)
    assert store.retry([source.id], NOW) == [Status(ending)] and status(store, source.id) == ending
    (line,), (other,) = store.acts(source.id), store.acts(wanted.id)
    assert (line.kind, line.id, line.done_by, line.reason) == (ActKind.RERUN, wanted.id, "ana@host", "bug 81 is fixed")
    assert (other.kind, other.id, other.done_by) == (ActKind.RERUN_OF, source.id, "ana@host")


def test_what_has_no_key_runs_again_too_and_is_never_retried(store: Store) -> None:
    node = register(store)
    source = failed(store, node)
    wanted = order(source.id)
    assert store.rerun([wanted], NOW) == [Reran(wanted.id, True, Status.FAILED)]
    store.retry([source.id], NOW)
    assert status(store, source.id) == "failed"
    assert [one.id for one in claim(store, node)] == [wanted.id]


def test_r17_a_rerun_happens_once_whoever_asks_and_however_often(
    store: Store, open_another: Callable[..., Store]
) -> None:
    node = register(store)
    source = failed(store, node, key="inv-1")
    first, second = order(source.id), order(source.id)
    assert store.rerun([first], NOW) == [Reran(first.id, True, Status.FAILED)]
    assert open_another().rerun([first], NOW) == [Reran(first.id, True, Status.FAILED)]  # its answer was lost
    assert store.rerun([second], NOW) == [Reran(first.id, False, Status.FAILED)]
    (claimed,) = claim(store, node)
    assert end(store, node, claimed, "failed", record(1, kind="failure"), payload=b"", cause_seq=1)
    assert store.rerun([second], NOW) == [Reran(first.id, False, Status.FAILED)]  # the one to run again is `first` now
    third = order(first.id)
    assert store.rerun([third], NOW) == [Reran(third.id, True, Status.FAILED)]
    assert store.get([second.id]) == [None]
    ids = [source.id, first.id, third.id, UNKNOWN, "no id"]
    assert store.superseded(ids) == {source.id, first.id} and store.superseded([]) == set()


def test_one_whose_limits_cannot_be_read_is_refused_and_the_others_run_again(store: Store, url: str) -> None:
    node = register(store)
    sources = [failed(store, node, key=f"inv-{n}").id for n in range(3)]
    table, key = ("hydra_execution", "id") if url.startswith("mysql") else ("hydra_submission", "execution_id")
    execute(url, f"update {table} set limit_keys = '7' where {key} = {quoted(url, sources[1])}")
    orders = [order(id) for id in sources]
    first, damaged, last = store.rerun(orders, NOW)
    assert (first, last) == tuple(Reran(orders[n].id, True, Status.FAILED) for n in (0, 2))
    assert damaged is not None and damaged.id is None and damaged.unreadable.startswith("the keys of its limits")
    assert store.superseded(sources) == {sources[0], sources[2]}
    assert [each.execution_id for each in store.audit()] == [sources[1]]
    execute(url, f"update {table} set limit_keys = null where {key} = {quoted(url, sources[1])}")


def test_a_tree_is_told_of_from_its_root_and_from_what_is_in_it(store: Store) -> None:
    node = register(store)
    id = failed(store, node).id
    assert store.tree(id) == Tree(Status.FAILED)
    assert store.tree(UNKNOWN) is None and store.tree("no id") is None


def test_r17_of_two_persons_who_ask_at_once_one_begins_it(store: Store, open_another: Callable[..., Store]) -> None:
    node, other = register(store), open_another()
    sources = [failed(store, node, key=f"inv-{n}" if n % 2 else None).id for n in range(20)]
    mine, yours = [order(id) for id in sources], [order(id) for id in sources]
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(lambda: [other.rerun([each], NOW)[0] for each in reversed(yours)][::-1])
        answers = [store.rerun([each], NOW)[0] for each in mine]
    for mine_, yours_, answer, other_answer in zip(mine, yours, answers, asking.result(), strict=True):
        assert answer is not None and other_answer is not None
        assert answer.id == other_answer.id and answer.is_new is not other_answer.is_new
        begun = {mine_.id, yours_.id} & {one.id for one in store.get([mine_.id, yours_.id]) if one is not None}
        assert begun == {answer.id}
    assert len(claim(store, node)) == len(sources)


def test_what_goes_on_or_was_retried_since_is_left_alone(store: Store) -> None:
    node = register(store)
    parked = running(store, node)
    end(store, node, parked, "parked", payload=b"")
    source = failed(store, node, key="inv-1")
    store.retry([source.id], NOW)
    orders = [order(parked.id), order(source.id), order(UNKNOWN), order("no id")]
    assert store.rerun(orders, NOW) == [
        Reran(None, False, Status.PARKED),
        Reran(None, False, Status.PENDING),
        None,
        None,
    ]
    (claimed,) = claim(store, node)
    end(store, node, claimed, "failed", record(3, kind="failure"), payload=b"", cause_seq=3)
    assert store.rerun([order(source.id, attempt=1)], NOW) == [Reran(None, False, Status.FAILED)]
    assert store.acts(source.id) == [] and claim(store, node) == []


def test_r24_what_gave_its_key_to_another_does_not_take_it_back(
    store: Store, open_another: Callable[..., Store]
) -> None:
    node = register(store)
    source = failed(store, node, key="inv-1")
    later = msgspec.structs.replace(submission(key="inv-1"), key_reuse=KeyReuse.AFTER_END)
    assert store.submit([later], NOW)[0].created
    assert store.rerun([order(source.id)], NOW) == [Reran(None, False, Status.FAILED, later.id)]
    assert open_another("elsewhere").rerun([order(source.id)], NOW) == [None]


def test_a_batch_is_answered_in_its_order_and_names_a_source_once(store: Store) -> None:
    node = register(store)
    sources = [failed(store, node, key=f"inv-{n}").id for n in range(30)]
    orders = [order(id) for id in sources]
    twice = order(sources[3])
    answers = store.rerun([*orders, twice], NOW)
    assert answers == [
        *(Reran(each.id, True, Status.FAILED) for each in orders),
        Reran(orders[3].id, False, Status.FAILED),
    ]
    assert {one.id for one in claim(store, node)} == {each.id for each in orders}
    assert store.stats(NOW).counts["bill"] == {"failed": 30, "running": 30}


def test_whether_it_may_run_again_is_decided_in_one_place() -> None:
    def source(state: Status, attempt: int = 1, holder: str | None = None, rerun_id: str | None = None) -> Source:
        return Source(state, attempt, "bill", "k", b"", b"", {}, 0, (), None, holder, rerun_id)

    wanted = order("a", 2)
    for state in Status:
        is_final = state in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
        assert judge(wanted, source(state, 2, "a")) == (None if is_final else Reran(None, False, state))
    assert judge(wanted, source(Status.FAILED, 3, "a")) == Reran(None, False, Status.FAILED)
    assert judge(wanted, source(Status.FAILED, 2, "b")) == Reran(None, False, Status.FAILED, "b")
    assert judge(wanted, source(Status.FAILED, 2, "b", "b")) == Reran("b", False, Status.FAILED)
    assert sort_out([wanted], {}) == ([None], [])
