"""The tries that died with a node are recorded before its work is given back; and work may be spared for a while."""

from __future__ import annotations

from concurrent.futures import wait

import msgspec
from hydra.execution import ExecutionCommit, Record, RecordKind, Status

from tests.stores.racing import NOW, Stage, record, recorded


def crash(seq: int, attempt: int = 1) -> Record:
    return msgspec.structs.replace(record(seq), kind=RecordKind.CRASH, attempt=attempt)


def test_crashes_of_a_dead_node_are_the_next_records_of_what_it_still_owns(stage: Stage) -> None:
    id, other = stage.submit(2)
    executions = {execution.id: execution for execution in stage.claim_a()}
    stage.a.commit(stage.node_a, [recorded(executions[id], record(1))], NOW)
    crashes = [
        ExecutionCommit(id, executions[id].epoch, [crash(2), crash(3, attempt=2)]),
        ExecutionCommit(other, executions[other].epoch + 1, [crash(1)]),
    ]
    assert stage.b.record_crashes(stage.node_a.id, crashes, NOW) == [False, False], "it is not dead"
    assert stage.b.mark_dead(stage.node_a.id, None, NOW)
    assert stage.b.record_crashes(stage.node_a.id, crashes, NOW) == [True, False], "the other's claim is another"
    assert stage.b.record_crashes(stage.node_a.id, crashes, NOW) == [False, False], "these numbers are taken"
    assert stage.b.return_executions(NOW, 10) == 2
    again = {execution.id: execution for execution in stage.claim_b()}
    assert [each.kind for each in again[id].records] == ["step", "crash", "crash"]
    assert again[other].records == []
    late = [ExecutionCommit(id, executions[id].epoch, [crash(4)])]
    assert stage.b.record_crashes(stage.node_a.id, late, NOW) == [False], "it is another node's"
    stage.b.commit(stage.node_b, [recorded(again[id], record(4))], NOW)
    assert stage.b.audit() == []


def test_two_reapers_record_a_crash_once(stage: Stage) -> None:
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    assert stage.b.mark_dead(stage.node_a.id, None, NOW)
    crashes = [ExecutionCommit(id, execution.epoch, [crash(1)])]
    both = [stage.in_thread(store.record_crashes, stage.node_a.id, crashes, NOW) for store in (stage.a, stage.b)]
    wait(both, 30)
    assert sorted(each.result() for each in both) == [[False], [True]]
    assert len(stage.a.records(id)) == 1


def test_r8_what_is_spared_stays_with_its_dead_node(stage: Stage) -> None:
    (id,) = stage.submit()
    stage.claim_a()
    assert stage.b.mark_dead(stage.node_a.id, None, NOW)
    assert stage.b.return_executions(NOW, 10, [stage.node_a.id]) == 0
    (snapshot,) = stage.b.get([id])
    assert snapshot is not None
    assert (snapshot.status, stage.node_state(stage.node_a)) == (Status.RUNNING, "dead")
    assert stage.b.return_executions(NOW, 10, [stage.node_b.id]) == 1
