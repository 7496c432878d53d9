"""The fence (R2, R3, R6-R8, R16) between a node and its reaper: each race on two connections, in the order that hurts.

Where a guard is a lock, the test beside it takes the lock out and shows what happens then. What is of one database's
own kind stands in `test_postgres_fence` and `test_mysql_fence`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hydra import schedules
from hydra.cron import Cron
from hydra.errors import LeaseLost
from hydra.execution import DIVERGED, Claimed, Progress, Status
from hydra.schedules import ScheduleSpec
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.racing import NOW, ServerStage, Stage, ended, node_info, record, recorded

on_servers = pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)


@on_servers
def test_r2_a_heartbeat_does_not_wait_for_a_commit_of_its_own_node(stage: ServerStage) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        stage.sent()
        assert stage.b.heartbeat_node(stage.node_a, NOW).running_count == 1


@on_servers
def test_r2_it_would_wait_if_it_wrote_the_row_the_fence_is_on(
    stage: ServerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        stage.sent()
        stage.without(monkeypatch, "a beat shares the fence")
        beat = stage.in_thread(stage.b.heartbeat_node, stage.node_a, NOW)
        stage.until_blocked()
    beat.result()


def test_r6_a_commit_that_waited_for_its_reaper_is_refused(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with stage.b.transaction():
        assert stage.b.mark_dead(stage.node_a.id, None, NOW)
        late = stage.in_thread(stage.a.commit, stage.node_a, [recorded(execution, record(1))], NOW)
        stage.until_blocked()
    with pytest.raises(LeaseLost):
        late.result()
    assert stage.a.records(id) == []


Write = Callable[[Stage, Claimed], object]

# A statement, or a way through the statements, each: what is sent in one flush is not stopped by what stands before it.
WRITES: dict[str, Write] = {
    "claim": lambda stage, _: stage.claim_a(1),
    "commit_records": lambda stage, one: stage.a.commit(stage.node_a, [recorded(one, record(1))], NOW),
    "commit_finals": lambda stage, one: stage.a.commit(stage.node_a, [ended(one, "completed")], NOW),
    "commit_ends": lambda stage, one: stage.a.commit(stage.node_a, [ended(one, "released")], NOW),
    "commit_deaths": lambda stage, one: stage.a.commit(stage.node_a, [recorded(one)], NOW),
    "heartbeat": lambda stage, _: stage.a.heartbeat_node(stage.node_a, NOW),
    "recovered_executions": lambda stage, one: stage.a.recover(stage.node_a, [one.id]),
    "report_progress": lambda stage, one: stage.a.report_progress(
        stage.node_a, [Progress(one.id, "", "copy", 0, 1, b"half", NOW, NOW)], NOW
    ),
    "register_workflows": lambda stage, _: stage.a.register_workflows(
        stage.node_a, [WorkflowInfo("dun", b"{}", None, "code", is_served=False)], NOW
    ),  # not served, so that no foreign key locks the node's row, too
    "upsert_schedules": lambda stage, _: stage.a.upsert_schedules(stage.node_a, [], NOW),
    "fire_schedules": lambda stage, _: fire(stage),
}


def fire(stage: Stage) -> list[bool]:
    """The one tick that is due of the schedule that `register_schedule` has registered."""
    (state,) = stage.a.schedules()
    change = schedules.fire(state, (), NOW, "default")
    assert change is not None
    return stage.a.fire_schedules(stage.node_a, [change], NOW)


def register_schedule(stage: Stage) -> None:
    spec = ScheduleSpec.of(Cron("* * * * *"), None)
    stage.a.upsert_schedules(stage.node_a, [schedules.register("bill", spec, None, NOW - 120_000_000)], NOW)


def begin(stage: Stage) -> Claimed:
    """Node a is a new one, and runs an execution; another is due."""
    stage.node_a = stage.a.register_node(node_info(), NOW)
    stage.submit(2)
    (execution,) = stage.claim_a(1)
    return execution


def test_r6_every_write_of_a_node_waits_for_its_reaper_and_is_refused(stage: Stage) -> None:
    register_schedule(stage)
    for name, write in WRITES.items():
        execution = begin(stage)
        with stage.b.transaction():
            assert stage.b.mark_dead(stage.node_a.id, None, NOW)
            late = stage.in_thread(write, stage, execution)
            stage.until_blocked()
        assert isinstance(late.exception(), LeaseLost), name
        assert stage.status(execution.id) is Status.RUNNING, name
        assert stage.a.records(execution.id) == [], name
        assert stage.b.return_executions(NOW, 10) == 1, name


@on_servers
def test_r6_every_write_of_a_node_keeps_its_reaper_out_until_it_commits(stage: ServerStage) -> None:
    register_schedule(stage)
    let_in: list[str] = []
    for name, write in WRITES.items():
        execution = begin(stage)
        with stage.a.transaction():
            write(stage, execution)
            if stage.b.mark_dead(stage.node_a.id, stage.counter(stage.node_a), NOW):
                let_in.append(name)
    assert let_in == []
    assert stage.b.mark_dead(stage.node_a.id, stage.counter(stage.node_a), NOW)


def test_r16_every_write_of_the_session_before_is_refused(stage: Stage) -> None:
    register_schedule(stage)
    accepted: list[str] = []
    for name, write in WRITES.items():
        execution = begin(stage)
        stage.b.resync(stage.node_a)
        try:
            write(stage, execution)
            accepted.append(name)
        except LeaseLost:
            assert stage.a.records(execution.id) == []
    assert accepted == []


@on_servers
def test_r6_a_node_whose_transaction_is_under_way_keeps_what_it_claims(stage: ServerStage) -> None:
    stage.submit()
    with stage.a.transaction():
        stage.a.heartbeat_node(stage.node_a, NOW)
        stage.b.mark_dead(stage.node_a.id, stage.counter(stage.node_a), NOW)
        stage.give_back()
        assert len(stage.claim_a()) == 1
    assert stage.node_state(stage.node_a) == "alive"
    assert stage.a.audit() == []


@on_servers
def test_r3_a_node_that_beats_while_it_is_judged_lives(stage: ServerStage) -> None:
    before = stage.counter(stage.node_a)
    with stage.a.transaction():
        stage.a.heartbeat_node(stage.node_a, NOW)
        assert not stage.b.mark_dead(stage.node_a.id, before, NOW)
    assert not stage.b.mark_dead(stage.node_a.id, before, NOW)


@on_servers
def test_r7_a_reaper_that_does_not_lock_first_would_kill_it(
    stage: ServerStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.without(monkeypatch, "a reaper locks first")
    before = stage.counter(stage.node_a)
    with stage.a.transaction():
        stage.a.heartbeat_node(stage.node_a, NOW)
        marked = stage.in_thread(stage.b.mark_dead, stage.node_a.id, before, NOW)
        stage.until_blocked()
    assert marked.result() and stage.counter(stage.node_a) == before + 1


def test_r7_a_reaper_that_waited_for_the_nodes_last_beat_sees_it(stage: Stage) -> None:
    """Where it waits: SQLite has one writer, elsewhere it passes over a node that is just writing."""
    before = stage.counter(stage.node_a)
    with stage.a.transaction():
        stage.a.heartbeat_node(stage.node_a, NOW)
        marked = stage.in_thread(stage.b.mark_dead, stage.node_a.id, before, NOW)
        if not isinstance(stage, ServerStage):
            stage.until_blocked()
        else:
            assert not marked.result()
    assert not marked.result()
    assert stage.node_state(stage.node_a) == "alive"


def test_r8_a_reaper_that_dies_after_marking_leaves_nothing_behind(stage: Stage) -> None:
    (id,) = stage.submit()
    stage.claim_a()
    assert stage.b.mark_dead(stage.node_a.id, None, NOW)
    stage.b.close()
    assert stage.a.return_executions(NOW, 10) == 1  # whoever sees a dead node returns its work
    assert [execution.id for execution in stage.claim_b()] == [id]


def test_r8_a_reaper_that_dies_half_way_leaves_the_rest_to_the_next(stage: Stage) -> None:
    ids = stage.submit(3)
    stage.claim_a()
    assert stage.b.mark_dead(stage.node_a.id, None, NOW)
    assert stage.b.return_executions(NOW, 2) == 2
    stage.b.close()
    assert (stage.a.return_executions(NOW, 2), stage.a.return_executions(NOW, 2)) == (1, 0)
    assert sorted(execution.id for execution in stage.claim_b()) == sorted(ids)
    assert stage.node_state(stage.node_a) == "empty"


def test_r8_a_node_is_empty_only_when_a_later_look_finds_nothing(stage: Stage) -> None:
    stage.submit(3)
    stage.claim_a()
    stage.b.mark_dead(stage.node_a.id, None, NOW)
    assert (stage.b.return_executions(NOW, 2), stage.node_state(stage.node_a)) == (2, "dead")
    assert (stage.b.return_executions(NOW, 2), stage.node_state(stage.node_a)) == (1, "dead")
    assert (stage.b.return_executions(NOW, 2), stage.node_state(stage.node_a)) == (0, "empty")


def test_r8_what_a_living_node_runs_is_not_given_back(stage: Stage) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    assert stage.b.return_executions(NOW, 10) == 0
    assert stage.status(execution.id) is Status.RUNNING
    assert stage.node_state(stage.node_a) == "alive"


@on_servers
def test_r8_an_heir_is_kept_alive_by_the_commit_that_names_it(stage: ServerStage) -> None:
    """Otherwise its reaper could have passed over what it is given (R27)."""
    stage.submit()
    (execution,) = stage.claim_a()
    parked = ended(execution, "parked", payload=b"they differ", cause=DIVERGED)
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [msgspec.structs.replace(parked, successor=stage.node_b.id)], NOW)
        assert not stage.b.mark_dead(stage.node_b.id, stage.counter(stage.node_b), NOW)
    assert stage.b.mark_dead(stage.node_b.id, stage.counter(stage.node_b), NOW)
    assert stage.b.return_executions(NOW, 10) == 1


def test_r16_a_dead_nodes_resync_is_refused(stage: Stage) -> None:
    assert stage.b.mark_dead(stage.node_a.id, None, NOW)
    with pytest.raises(LeaseLost):
        stage.a.resync(stage.node_a)


def test_r16_a_raised_session_refuses_the_old_one(stage: Stage) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    node, owned = stage.b.resync(stage.node_a)
    assert [one.id for one in owned] == [execution.id]
    with pytest.raises(LeaseLost):
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
    assert stage.a.commit(node, [recorded(execution, record(1))], NOW) == [True]


def test_r16_a_resync_waits_for_what_the_old_connection_still_does(stage: Stage) -> None:
    (id,) = stage.submit()
    with stage.a.transaction():
        stage.claim_a()
        resynced = stage.in_thread(stage.b.resync, stage.node_a)
        stage.until_blocked()
    assert [one.id for one in resynced.result()[1]] == [id]
