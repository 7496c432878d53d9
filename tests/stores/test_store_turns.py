"""Turns between the values of a key on every database: whose execution begins, in which order, with which weights."""

from __future__ import annotations

from hydra import _core
from hydra.execution import End, Ending, ExecutionCommit, NodeRef, Submission
from hydra.limits import LimitSpec
from hydra.stores.acts import Act, ActKind
from hydra.stores.rescheduling import Reschedule
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, register

FAIR = LimitSpec("by_turns", "fair", 8)
ONE = LimitSpec("concurrency", "one", 1)
A, B = "by_turns:fair:a", "by_turns:fair:b"


def serving(store: Store, *limits: LimitSpec) -> NodeRef:
    node = register(store)
    info = WorkflowInfo(WORKFLOW, b"{}", None, "code", limits=list(limits) or [FAIR, ONE])
    store.register_workflows(node, [info], NOW)
    return node


def submit(store: Store, *keys: str, count: int = 1, now: int = NOW, priority: int = 0) -> list[str]:
    submissions = [
        Submission(_core.uuid7(), WORKFLOW, b"input", b"d" * 16, priority=priority, limit_keys=tuple(sorted(keys)))
        for _ in range(count)
    ]
    assert all(answer.created for answer in store.submit(submissions, now))
    return [each.id for each in submissions]


def let_go(store: Store, now: int = NOW) -> None:
    for _ in range(20):
        if not store.promote(now, 100):
            return


def end(store: Store, node: NodeRef, id: str, epoch: int, kind: str = Ending.COMPLETED, wake_at: int = 0) -> None:
    commit = ExecutionCommit(id, epoch, [], End(kind, wake_at=wake_at))
    assert store.commit(node, [commit], NOW)[0]


def begin(store: Store, node: NodeRef, count: int, now: int = NOW) -> list[str]:
    """In the order in which they begin, one by one; each ends at once."""
    ids = []
    while len(ids) < count:
        let_go(store, now)
        (claimed,) = claim(store, node, slots=1, now=now)
        ids.append(claimed.id)
        end(store, node, claimed.id, claimed.epoch)
    return ids


def test_who_comes_last_with_a_few_is_delayed_by_nobodys_backlog(store: Store) -> None:
    node = serving(store)
    backlog = submit(store, A, count=200)
    assert begin(store, node, 20) == backlog[:20]
    late = submit(store, B, count=5, now=NOW + 1)
    seen = begin(store, node, 12, NOW + 1)
    assert [id for id in seen if id in late] == late
    assert [id for id in seen if id not in late] == backlog[20:27]
    assert store.audit() == []


def test_a_value_with_a_weight_of_3_begins_three_times_as_often(store: Store) -> None:
    node = serving(store, LimitSpec("by_turns", "fair", 8, weights={"a": 3000}))
    many, others = submit(store, A, count=60), submit(store, B, count=60)
    seen = begin(store, node, 40)
    assert 27 <= len([id for id in seen if id in many]) <= 33
    (weight,) = store.weights("fair")
    assert (weight.key, weight.weight, weight.set_weight) == (A, 3000, None)
    store.set_weight(A, None, NOW)
    store.set_weight(B, 9000, NOW)
    begin(store, node, 30)  # what was let go before has its turns
    seen = begin(store, node, 12)
    assert len([id for id in seen if id in others]) >= 7
    serving(store)  # the code names no value any more
    assert [(each.weight, each.set_weight) for each in store.weights("fair")] == [(None, None), (None, 9000)]


def test_a_larger_priority_is_first_within_its_value_and_counts_nothing_beside_others(store: Store) -> None:
    node = serving(store)
    calm = submit(store, A, count=3)
    urgent = submit(store, B, count=30, priority=9)
    (first,) = submit(store, A, priority=5, now=NOW + 1)
    seen = begin(store, node, 8, NOW + 1)
    assert [id for id in seen if id not in urgent] == [first, *calm]


def test_the_lowest_priority_of_a_value_begins_with_each_eighth_turn(store: Store) -> None:
    node = serving(store)
    (low,) = submit(store, A, priority=-5)
    submit(store, A, count=40, priority=5, now=NOW + 1)
    assert low in begin(store, node, 8, NOW + 1)


def test_priority_and_instant_are_its_own_again_once_it_is_claimed(store: Store) -> None:
    node = serving(store)
    (id,) = submit(store, A, priority=7)
    later = NOW + 60 * SECOND
    let_go(store, later)
    (snapshot,) = store.get([id])
    assert snapshot is not None
    assert (snapshot.priority, snapshot.run_at) == (7, NOW)
    (claimed,) = claim(store, node, now=later)
    assert (claimed.priority, claimed.run_at) == (7, NOW)
    (snapshot,) = store.get([id])
    assert snapshot is not None
    assert (snapshot.priority, snapshot.run_at) == (7, NOW)
    assert store.audit() == []


def test_turns_are_kept_at_the_limits_behind_them(store: Store) -> None:
    node = serving(store)
    one = "concurrency:one:x"
    backlog = submit(store, A, one, count=50)
    assert begin(store, node, 5) == backlog[:5]
    late = submit(store, B, one, count=3, now=NOW + 1)
    seen = begin(store, node, 8, NOW + 1)
    assert [id for id in seen if id in late] == late
    assert store.audit() == []


def test_a_claim_of_many_calls_for_the_next_and_the_audit_holds(store: Store) -> None:
    node = serving(store)
    ids = submit(store, A, count=100)
    seen: list[str] = []
    sizes = []
    while len(seen) < len(ids):
        let_go(store)
        claimed = claim(store, node, slots=50)
        assert claimed, "nobody was let go"
        sizes.append(len(claimed))
        seen += [each.id for each in claimed]
        assert store.audit() == []
    assert seen == ids
    assert sizes[:3] == [8, 16, 32]


def test_who_waits_for_a_turn_is_counted_by_value_and_no_further_than_asked(store: Store) -> None:
    serving(store)
    submit(store, A, count=12)
    submit(store, B, count=3)
    assert [store.waiting_count(key, 10) for key in (A, B)] == [10, 3]
    let_go(store)
    assert [store.waiting_count(key, 10) for key in (A, B)] == [4, 0]


def test_what_sleeps_waits_for_its_turn_again_with_its_own_priority(store: Store) -> None:
    node = serving(store)
    (id,) = submit(store, A, priority=4)
    let_go(store)
    (claimed,) = claim(store, node)
    end(store, node, id, claimed.epoch, Ending.SLEEPING, NOW + SECOND)
    later = NOW + 2 * SECOND
    let_go(store, later)
    (claimed,) = claim(store, node, now=later)
    assert (claimed.id, claimed.priority, claimed.run_at) == (id, 4, NOW + SECOND)
    end(store, node, id, claimed.epoch)
    assert store.audit() == []


def test_what_was_given_a_turn_may_be_put_off_cancelled_or_made_urgent(store: Store) -> None:
    node = serving(store)
    off, cancelled, urgent, plain = submit(store, A, count=4)
    let_go(store)
    for id, at, priority in ((off, NOW + SECOND, 3), (urgent, None, 8)):
        act = Act(id, _core.uuid7(), ActKind.RESCHEDULE, NOW, "ops", "")
        done = store.reschedule(Reschedule(id, act, at, priority), NOW)
        assert done is not None
        assert done.is_changed
    store.request_cancel([cancelled], NOW)
    assert [each.id for each in claim(store, node)] == [urgent, plain]
    later = NOW + 2 * SECOND
    let_go(store, later)
    (claimed,) = claim(store, node, now=later)
    assert (claimed.id, claimed.priority) == (off, 3)
    assert store.audit() == []


def test_a_dead_nodes_executions_run_next_and_their_values_go_on(store: Store) -> None:
    node = serving(store)
    ids = submit(store, A, count=20, priority=2)
    let_go(store)
    lost = claim(store, node, slots=8)
    (state,) = [each for each in store.nodes() if each.info.id == node.id]
    assert store.mark_dead(node.id, state.counter, NOW)
    while store.return_executions(NOW, 100):
        pass
    node = serving(store)
    seen = begin(store, node, 20)
    assert seen[:8] == [each.id for each in lost]
    assert sorted(seen) == sorted(ids)
    assert store.audit() == []
