"""R27: what differs from a node's code goes over to a live node with the recorder's, or is parked."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable

import pytest
from hydra._core import encode
from hydra.clock import DatabaseClock
from hydra.dispatch.events import ClaimDone, Register, SendClaim
from hydra.dispatch.handover import Handover
from hydra.execution import DIVERGED, Claimed, End, Ending, ExecutionCommit, NodeInfo, NodeRef
from hydra.node.reaper import Reaper
from hydra.node.requests import RegisterWorkflows, Report
from hydra.node.store_thread import StoreThread
from hydra.stores.mysql.transaction import Rows, Transaction
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, end, record, running, status, submit, write

PARKED = End(Ending.PARKED, encode("they differ"), cause=DIVERGED)


def register(store: Store, code: str) -> NodeRef:
    node = store.register_node(NodeInfo(str(uuid.uuid4()), "host", "boot", os.getpid(), 1, code, 2), NOW)
    serve(store, node, code)
    return node


def serve(store: Store, node: NodeRef, code: str) -> None:
    store.register_workflows(node, [WorkflowInfo(WORKFLOW, b"{}", None, code)], NOW)


def recorded_by(store: Store, node: NodeRef, by: NodeRef) -> Claimed:
    """An execution that `by` began and recorded in, and that `node` has claimed now."""
    begun = running(store, by)
    assert end(store, by, begun, Ending.RELEASED, record(1))
    (claimed,) = claim(store, node)
    return claimed


def diverge(store: Store, node: NodeRef, claimed: Claimed, now: int = NOW) -> str | None:
    """As the node's store thread does it; who has it then."""
    handover = Handover(store.nodes(), node.id)
    successor = handover.choose(claimed.id, handover.candidates(store.claims(claimed.id)))
    commit = ExecutionCommit(claimed.id, claimed.epoch, [], PARKED, successor=successor)
    assert store.commit(node, [commit], now) == [True]
    (seen,) = store.get([claimed.id])
    assert seen is not None
    return seen.owner


def test_r27_it_goes_over_to_the_live_node_with_the_recorders_code(store: Store) -> None:
    old, new, other = register(store, "v1"), register(store, "v2"), register(store, "v2")
    claimed = recorded_by(store, new, old)
    assert diverge(store, new, claimed, NOW + 5) == old.id
    assert status(store, claimed.id) == "running"
    assert claim(store, new) == claim(store, other) == claim(store, old) == [], "nobody meets it in the queue"
    lines = [(line.ending, line.detail, line.node) for line in store.claims(claimed.id)]
    assert lines == [(Ending.RELEASED, "", old.id), (Ending.RELEASED, DIVERGED, new.id), (None, "", old.id)]
    assert store.heartbeat_node(old, NOW + 6).running_count == 1
    assert store.heartbeat_node(new, NOW + 6).running_count == 0
    old, owned = store.resync(old)
    assert [(each.id, each.epoch, each.record_count) for each in owned] == [(claimed.id, claimed.epoch + 1, 1)]
    (taken,) = store.recover(old, [claimed.id])
    assert (taken.records, taken.claimed_at) == ([record(1)], NOW + 5)
    assert not write(store, new, claimed, record(2))
    assert end(store, old, taken, Ending.COMPLETED, record(2))


def test_r27_a_store_thread_asks_for_what_its_own_code_has_though_others_registered_more(store: Store) -> None:
    register(store, "v1")
    posted: list[Report] = []
    clock = DatabaseClock()
    thread = StoreThread(store, clock, Reaper(store, 10 * 10**9, store.path), posted.append, lease_ttl_ns=10 * 10**9)
    thread.membership.info = NodeInfo(str(uuid.uuid4()), "host", "boot", os.getpid(), 1, "v2", 2)
    thread.perform([RegisterWorkflows([WorkflowInfo("ours", b"{}", None, "v2")]), Register()])
    (ours,) = submit(store, workflow="ours", now=clock.now())
    submit(store, now=clock.now())
    thread.perform([SendClaim(10)])
    (answer,) = [report for report in posted if isinstance(report, ClaimDone)]
    assert [execution.id for execution in answer.executions] == [ours]


def test_r27_with_nobody_left_of_the_old_code_it_is_parked_and_says_why(store: Store) -> None:
    old, new = register(store, "v1"), register(store, "v2")
    claimed = recorded_by(store, new, old)
    store.unregister_node(old, NOW)
    assert diverge(store, new, claimed) is None
    (seen,) = store.get([claimed.id])
    assert seen is not None
    assert (seen.status, seen.reason) == ("parked", "they differ")


@pytest.mark.parametrize("url", ["mysql"], indirect=True)
def test_r27_an_heir_that_reads_back_what_it_owns_meanwhile_gets_it(
    store: Store, open_another: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session is another by then. It was taken for dead, and the execution was parked."""
    old, new = register(store, "v1"), register(store, "v2")
    claimed = recorded_by(store, new, old)
    other = open_another()
    select = Transaction.select
    sessions = []

    def resyncing(transaction: Transaction, name: str, /, **values: object) -> Rows:
        rows = select(transaction, name, **values)
        if name == "living_nodes" and not sessions:
            sessions.append(other.resync(old)[0])
        return rows

    monkeypatch.setattr(Transaction, "select", resyncing)
    assert diverge(store, new, claimed, NOW + 5) == old.id
    assert sessions[0].session != old.session
    assert status(store, claimed.id) == "running"


def test_r27_an_heir_that_died_meanwhile_gets_nothing(store: Store) -> None:
    old, new = register(store, "v1"), register(store, "v2")
    claimed = recorded_by(store, new, old)
    assert store.mark_dead(old.id, None, NOW)
    assert store.return_executions(NOW, 10) == 0
    assert store.commit(new, [ExecutionCommit(claimed.id, claimed.epoch, [], PARKED, successor=old.id)], NOW) == [True]
    assert status(store, claimed.id) == "parked"


def test_r8_r27_an_heir_that_dies_before_it_knows_loses_nothing(store: Store) -> None:
    old, new = register(store, "v1"), register(store, "v2")
    claimed = recorded_by(store, new, old)
    assert diverge(store, new, claimed) == old.id
    assert store.mark_dead(old.id, None, NOW)
    assert store.return_executions(NOW, 10) == 1
    (again,) = claim(store, new)
    assert again.records == [record(1)]
    assert diverge(store, new, again) is None
    assert status(store, claimed.id) == "parked"


def test_r27_the_same_code_parks_what_it_recorded_itself(store: Store) -> None:
    first, second, old = register(store, "v2"), register(store, "v2"), register(store, "v1")
    claimed = recorded_by(store, second, first)
    assert diverge(store, second, claimed) is None
    assert status(store, claimed.id) == "parked"
    assert store.heartbeat_node(old, NOW).running_count == 0


def test_r27_code_that_only_handed_it_back_is_not_the_recorders(store: Store) -> None:
    old, new, other = register(store, "v1"), register(store, "v2"), register(store, "v2")
    claimed = recorded_by(store, new, old)
    assert end(store, new, claimed, Ending.RELEASED)
    (again,) = claim(store, other)
    assert diverge(store, other, again) == old.id


def test_r27_when_both_codes_differ_it_is_parked_and_goes_in_no_circle(store: Store) -> None:
    old, new = register(store, "v1"), register(store, "v2")
    begun = running(store, old)
    assert end(store, old, begun, Ending.SLEEPING, record(1), wake_at=NOW + SECOND)
    assert store.promote(NOW + SECOND, 10) == 1
    (second,) = claim(store, new)
    assert end(store, new, second, Ending.SLEEPING, record(2), wake_at=NOW + 2 * SECOND)
    assert store.promote(NOW + 2 * SECOND, 10) == 1
    (third,) = claim(store, old)
    assert diverge(store, old, third) == new.id
    new, _ = store.resync(new)
    (fourth,) = store.recover(new, [third.id])
    assert diverge(store, new, fourth) is None
    assert status(store, third.id) == "parked"


def test_r27_a_reload_changes_what_a_node_can_take_over(store: Store) -> None:
    old, new = register(store, "v1"), register(store, "v2")
    claimed = recorded_by(store, new, old)
    serve(store, old, "v2")
    assert {node.code_version for node in store.nodes()} == {"v2"}
    assert diverge(store, new, claimed) is None
    late = register(store, "v1")
    store.resume([claimed.id], NOW)
    (again,) = claim(store, new)
    assert diverge(store, new, again) == late.id, "the trail names a node of which it is known what it ran first"


def test_r27_code_of_a_recorder_that_was_purged_may_be_any(store: Store) -> None:
    old, new = register(store, "v1"), register(store, "v2")
    claimed = recorded_by(store, new, old)
    store.unregister_node(old, NOW)
    assert store.return_executions(NOW, 10) == store.return_executions(NOW, 10) == 0
    store.purge(NOW + SECOND, 10)
    assert old.id not in {node.info.id for node in store.nodes()}
    late = register(store, "v1")
    assert diverge(store, new, claimed) == late.id
    late, _ = store.resync(late)
    (again,) = store.recover(late, [claimed.id])
    assert diverge(store, late, again) is None
    assert status(store, claimed.id) == "parked"


@pytest.mark.parametrize("attention", ["cancel", "timeout"])
def test_r10_r27_who_asked_it_to_stop_is_heard_by_the_heir(store: Store, attention: str) -> None:
    old, new = register(store, "v1"), register(store, "v2")
    begun = running(store, old, timeout_us=5 * SECOND)
    assert end(store, old, begun, Ending.RELEASED, record(1))
    (claimed,) = claim(store, new)
    if attention == "cancel":
        store.request_cancel([claimed.id], NOW)
    else:
        store.promote(NOW + 6 * SECOND, 10)
    assert diverge(store, new, claimed, NOW + 6 * SECOND) == old.id
    assert [each.kind for each in store.heartbeat_node(old, NOW + 7 * SECOND).attention] == [attention]
