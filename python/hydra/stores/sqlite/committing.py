"""Writes what a node's executions recorded and how their claims ended: reads what is true under the write lock, decides
item by item in memory, then writes each table in one statement. An item whose claim is over writes nothing.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence

import msgspec

from hydra import family
from hydra.execution import End, Ending, ExecutionCommit, NodeRef, Record, RecordKind, Status
from hydra.stores.rows import consumed_id
from hydra.stores.sqlite.claiming import check_fence
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.family import spawn, tell_parents
from hydra.stores.sqlite.mailbox import consume
from hydra.stores.sqlite.orders import request_cancel
from hydra.stores.sqlite.statements import execute, execute_rows, select, statements, to_json


def commit(
    connection: sqlite3.Connection, namespace: str, node: NodeRef, commits: Sequence[ExecutionCommit], now: int
) -> list[bool]:
    """True where it was written."""
    check_fence(connection, namespace, node)
    ids = to_json(sorted({item.id for item in commits}))
    heirs = _living(connection, namespace, commits)
    owned = {execution.id: execution for execution in _read_owned(connection, node, ids)}
    writes = _Writes(connection, node, now)
    answers: list[bool] = []
    for item in commits:
        execution = owned.get(item.id)
        accepted = execution is not None and _accepts(execution, item)
        if execution is not None and accepted:
            if item.heir in heirs:
                _hand_over(execution, item, writes, now)
            else:
                _apply(execution, item, writes, now)
        answers.append(accepted)
    writes.finish(namespace, [execution for execution in owned.values() if execution.touched])
    _see_to_families(connection, namespace, owned, writes.spawns, now)
    return answers


_FINALS = {
    "completed": Status.COMPLETED,
    "failed": Status.FAILED,
    "cancelled": Status.CANCELLED,
}
_SUSPENSIONS = ("sleeping", "waiting")
_EVENT, _SPAWN = str(RecordKind.EVENT), str(RecordKind.SPAWN)


def _see_to_families(
    connection: sqlite3.Connection, namespace: str, owned: dict[str, _Owned], spawns: list[family.Spawn], now: int
) -> None:
    """Children begin; parents learn of ends; what was cancelled takes its children along."""
    if spawns:
        spawn(connection, namespace, spawns, now)
    ended = [e.id for e in owned.values() if e.is_child and e.finished_at is not None]
    if ended:
        tell_parents(connection, namespace, ended, now)
    cancelled = [e.id for e in owned.values() if e.status == Status.CANCELLED]
    if cancelled:
        request_cancel(connection, namespace, cancelled, now)


class _Owned(msgspec.Struct, array_like=True, gc=False):
    """An execution as this node owns it; the fields after `first_epoch` are what the commit makes of it."""

    id: str
    epoch: int
    workflow: str
    record_count: int
    attempt: int
    claimed_at: int
    wake_seq: int
    attention: str | None
    death_count: int
    alone_death_count: int
    first_epoch: int
    is_child: int
    status: Status = Status.RUNNING
    run_at: int | None = None
    wake_at: int | None = None
    finished_at: int | None = None
    cause: str = ""
    cause_seq: int = 0
    touched: bool = False
    heir: str | None = None  # who has it from now on, under its new epoch

    def is_ended(self) -> bool:
        return self.epoch != self.first_epoch or self.status != Status.RUNNING


_decode_owned = msgspec.json.Decoder(list[_Owned]).decode


def _read_owned(connection: sqlite3.Connection, node: NodeRef, ids: str) -> list[_Owned]:
    return _decode_owned(connection.execute(statements()["commit_read"], {"node": node.id, "ids": ids}).fetchone()[0])


def _living(connection: sqlite3.Connection, namespace: str, commits: Sequence[ExecutionCommit]) -> set[str]:
    """The heirs that are alive; nobody can declare one dead under the write lock (R8, R27)."""
    if not any(item.heir for item in commits):
        return set()
    ids = to_json(sorted({item.heir for item in commits if item.heir}))
    return {id for (id,) in select(connection, "living_nodes", namespace=namespace, ids=ids)}


def _hand_over(execution: _Owned, item: ExecutionCommit, writes: _Writes, now: int) -> None:
    """Its claim ends as released, and the heir has it under the next epoch."""
    assert item.end is not None
    attention = execution.attention
    end = msgspec.structs.replace(item.end, kind=Ending.RELEASED)
    _apply(execution, msgspec.structs.replace(item, end=end), writes, now)
    execution.status, execution.epoch, execution.claimed_at = Status.RUNNING, execution.epoch + 1, now
    execution.attention, execution.heir = attention, item.heir


def _accepts(execution: _Owned, item: ExecutionCommit) -> bool:
    """Still this claim's, and its records are the next ones (R13)."""
    if execution.status != Status.RUNNING or execution.epoch != item.epoch or execution.heir:
        return False
    next_seq = execution.record_count
    for record in item.records:
        next_seq += 1
        if record.seq != next_seq:
            return False
    return True


def _apply(execution: _Owned, item: ExecutionCommit, writes: _Writes, now: int) -> None:
    execution.touched = True
    if item.records:
        writes.add_records(execution.id, item.records)
        execution.record_count += len(item.records)
    if item.death_count is not None:
        execution.death_count = item.death_count
    if item.alone_death_count is not None:
        execution.alone_death_count = item.alone_death_count
    if item.end is not None:
        end = item.end
        if end.kind == Ending.CONTINUED:
            end = writes.begin_anew(execution, end)
        writes.add_claim(execution, item.worker, end)
        _end(execution, item.end, writes, now)


def _end(execution: _Owned, end: End, writes: _Writes, now: int) -> None:
    final = _FINALS.get(end.kind)
    if final is not None:
        execution.status, execution.finished_at = final, now
        execution.cause, execution.cause_seq = end.cause, end.cause_seq
    elif end.kind == Ending.CRASHED:
        execution.epoch += 1
        execution.claimed_at = now
    else:
        _stop(execution, end, writes, now)
    if execution.attention == "timeout" and end.kind not in (Ending.CRASHED, Ending.RELEASED):
        execution.attention = None  # what is handed back is to end, whatever the clock says next


def _stop(execution: _Owned, end: End, writes: _Writes, now: int) -> None:
    """The ends after which it may go on. A suspended one that was meanwhile woken or cancelled is due at once (R14)."""
    if end.kind == Ending.PARKED:
        execution.status, execution.cause = Status.PARKED, end.cause
    elif end.kind in _SUSPENSIONS and execution.wake_seq == end.wake_seq and execution.attention != "cancel":
        execution.status, execution.wake_at = Status(end.kind), end.wake_at or None
    else:
        execution.status, execution.run_at = Status.PENDING, now
        if end.kind == Ending.RETRY:
            _retry(execution, end, writes, now)
        elif end.kind == Ending.CONTINUED:
            execution.record_count, execution.attempt = 0, 1


def _retry(execution: _Owned, end: End, writes: _Writes, now: int) -> None:
    execution.attempt += 1
    if end.wake_at > now and execution.attention != "cancel":
        execution.run_at = execution.wake_at = end.wake_at
    if end.cause_seq:
        execution.record_count += 1
        seq, kind = execution.record_count, RecordKind.SUPERSEDE
        writes.add_records(
            execution.id, [Record(seq, kind, "", "", end.cause_seq, execution.attempt, b"", None, now, now)]
        )


class _Writes:
    """Rows on their way into the tables."""

    def __init__(self, connection: sqlite3.Connection, node: NodeRef, now: int) -> None:
        self._connection = connection
        self._node = node.id
        self._now = now
        self._records: list[tuple[object, ...]] = []
        self._claims: list[tuple[object, ...]] = []
        self._consumed: list[tuple[str, str]] = []
        self._inputs: list[tuple[bytes | None, str]] = []
        self.spawns: list[family.Spawn] = []

    def begin_anew(self, execution: _Owned, end: End) -> End:
        """The end as the audit trail has it, which keeps no input of a generation."""
        self._inputs.append((end.payload, execution.id))
        return msgspec.structs.replace(end, payload=None)

    def add_records(self, execution_id: str, records: Sequence[Record]) -> None:
        for record in records:
            if record.kind == _SPAWN:
                record, asked = family.take_apart(execution_id, record)
                self.spawns.append(asked)
            self._records.append((execution_id, *msgspec.structs.astuple(record)))
            if record.kind == _EVENT:
                self._consumed.append((execution_id, consumed_id(record)))

    def add_claim(self, execution: _Owned, worker: int, end: End) -> None:
        claim = (execution.id, execution.epoch, execution.attempt, self._node, worker, execution.claimed_at)
        self._claims.append((*claim, self._now, end.kind, end.cause, end.payload))

    def finish(self, namespace: str, executions: Sequence[_Owned]) -> None:
        """Write everything; each row must still be as it was read, or the transaction is void."""
        execute_rows(self._connection, "commit_records", self._records)
        execute_rows(self._connection, "commit_claims", self._claims)
        consume(self._connection, self._consumed)
        if self._inputs:
            execute_rows(self._connection, "continue_inputs", self._inputs)
            ids = to_json([id for _, id in self._inputs])
            execute(self._connection, "keep_consumed", ids=ids)
            execute(self._connection, "purge_records", ids=ids)
            execute(self._connection, "purge_progress", ids=ids)
            execute(self._connection, "forget_children", ids=ids)
        changes = Counter[tuple[str, str]]()
        finals: list[tuple[object, ...]] = []
        ends: list[tuple[object, ...]] = []
        progress: list[tuple[object, ...]] = []
        for e in executions:
            key = (e.id, e.first_epoch, self._node)
            if e.finished_at is not None and e.epoch == e.first_epoch:
                finals.append((*key, e.status, e.record_count, e.attention, e.cause, e.cause_seq, e.finished_at))
                changes[e.workflow, e.status] += 1
                continue
            counts = (e.record_count, e.death_count, e.alone_death_count)
            if e.is_ended():
                owner = (e.heir or self._node) if e.status == Status.RUNNING else None
                times = (e.run_at, e.wake_at, e.attention, e.finished_at)
                rest = (e.cause, e.cause_seq, e.claimed_at)
                ends.append((*key, *counts, e.status, owner, e.epoch, e.attempt, *times, *rest))
                changes[e.workflow, e.status] += 1
            else:
                progress.append((*key, *counts))
        self._update("commit_finals", finals)
        self._update("commit_ends", ends)
        self._update("commit_progress", progress)
        self._count(namespace, changes)

    def _count(self, namespace: str, ended: Counter[tuple[str, str]]) -> None:
        changes = Changes()
        for (workflow, status), count in ended.items():
            changes.move(workflow, Status.RUNNING, status, count)
        changes.write(self._connection, namespace)

    def _update(self, name: str, rows: Sequence[tuple[object, ...]]) -> None:
        if execute_rows(self._connection, name, rows) != len(rows):
            raise AssertionError(f"`{name}` did not find every row it had read under the write lock")
