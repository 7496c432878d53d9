"""Writes what a node's executions recorded and how their claims ended: reads what is true under the write lock, decides
item by item in memory, then writes each table in one statement. An item whose claim is over writes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from hydra.execution import FINAL, End, Ending, ExecutionCommit, NodeRef, Record, RecordKind, Status
from hydra.stores.rows import consumed_id
from hydra.stores.sqlite.claiming import check_fence
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.mailbox import consume
from hydra.stores.sqlite.statements import execute_rows, statements, to_json


def commit(
    connection: sqlite3.Connection, namespace: str, node: NodeRef, commits: Sequence[ExecutionCommit], now: int
) -> list[bool]:
    """True where it was written."""
    check_fence(connection, namespace, node)
    ids = to_json(sorted({item.id for item in commits}))
    owned = {execution.id: execution for execution in _read_owned(connection, node, ids)}
    writes = _Writes(connection, node, now)
    answers: list[bool] = []
    for item in commits:
        execution = owned.get(item.id)
        accepted = execution is not None and _accepts(execution, item)
        if execution is not None and accepted:
            _apply(execution, item, writes, now)
        answers.append(accepted)
    writes.finish(namespace, [execution for execution in owned.values() if execution.touched])
    return answers


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
    status: Status = Status.RUNNING
    run_at: int | None = None
    wake_at: int | None = None
    finished_at: int | None = None
    cause: str = ""
    cause_seq: int = 0
    touched: bool = False

    def is_ended(self) -> bool:
        return self.epoch != self.first_epoch or self.status != Status.RUNNING


_decode_owned = msgspec.json.Decoder(list[_Owned]).decode


def _read_owned(connection: sqlite3.Connection, node: NodeRef, ids: str) -> list[_Owned]:
    return _decode_owned(connection.execute(statements()["commit_read"], {"node": node.id, "ids": ids}).fetchone()[0])


def _accepts(execution: _Owned, item: ExecutionCommit) -> bool:
    """Still this claim's, and its records are the next ones (R13)."""
    if execution.status != Status.RUNNING or execution.epoch != item.epoch:
        return False
    return all(record.seq == execution.record_count + place for place, record in enumerate(item.records, 1))


def _apply(execution: _Owned, item: ExecutionCommit, writes: _Writes, now: int) -> None:
    execution.touched = True
    for record in item.records:
        writes.add_record(execution.id, record)
    execution.record_count += len(item.records)
    if item.death_count is not None:
        execution.death_count = item.death_count
    if item.alone_death_count is not None:
        execution.alone_death_count = item.alone_death_count
    if item.end is not None:
        writes.add_claim(execution, item.worker, item.end)
        _end(execution, item.end, writes, now)


def _end(execution: _Owned, end: End, writes: _Writes, now: int) -> None:
    kind = Ending(end.kind)
    if kind is Ending.CRASHED:
        execution.epoch += 1
        execution.claimed_at = now
        return
    execution.status = _status_after(execution, kind, end.wake_seq)
    if execution.attention == "timeout":
        execution.attention = None
    if execution.status in FINAL:
        execution.finished_at = now
    elif execution.status == Status.PENDING:
        execution.run_at = now
    if execution.status == Status.FAILED:
        execution.cause, execution.cause_seq = end.cause, end.cause_seq
    elif execution.status in (Status.SLEEPING, Status.WAITING):
        execution.wake_at = end.wake_at or None
    elif kind is Ending.RETRY:
        _retry(execution, end, writes, now)


def _status_after(execution: _Owned, kind: Ending, seen_wake_seq: int) -> Status:
    """A suspended execution that was meanwhile woken or cancelled is due again at once (R14)."""
    if kind in (Ending.RETRY, Ending.RELEASED):
        return Status.PENDING
    if kind in (Ending.SLEEPING, Ending.WAITING) and (
        execution.wake_seq != seen_wake_seq or execution.attention == "cancel"
    ):
        return Status.PENDING
    return Status(kind.value)


def _retry(execution: _Owned, end: End, writes: _Writes, now: int) -> None:
    execution.attempt += 1
    if end.wake_at > now and execution.attention is None:
        execution.run_at = execution.wake_at = end.wake_at
    if end.cause_seq:
        execution.record_count += 1
        writes.add_record(execution.id, supersede(execution.record_count, end.cause_seq, execution.attempt, now))


def supersede(seq: int, cause_seq: int, attempt: int, now: int) -> Record:
    """The record by which a new attempt forgets the failure that left the body."""
    return Record(seq, RecordKind.SUPERSEDE, "", "", cause_seq, attempt, b"", None, now, now)


class _Writes:
    """Rows on their way into the tables."""

    def __init__(self, connection: sqlite3.Connection, node: NodeRef, now: int) -> None:
        self._connection = connection
        self._node = node.id
        self._now = now
        self._records: list[tuple[object, ...]] = []
        self._claims: list[tuple[object, ...]] = []
        self._consumed: list[tuple[str, str]] = []

    def add_record(self, execution_id: str, record: Record) -> None:
        self._records.append((execution_id, *msgspec.structs.astuple(record)))
        if record.kind == RecordKind.EVENT:
            self._consumed.append((execution_id, consumed_id(record)))

    def add_claim(self, execution: _Owned, worker: int, end: End) -> None:
        claim = (execution.id, execution.epoch, execution.attempt, self._node, worker, execution.claimed_at)
        self._claims.append((*claim, self._now, end.kind, end.cause, end.payload))

    def finish(self, namespace: str, executions: Sequence[_Owned]) -> None:
        """Write everything; each row must still be as it was read, or the transaction is void."""
        execute_rows(self._connection, "commit_records", self._records)
        execute_rows(self._connection, "commit_claims", self._claims)
        consume(self._connection, self._consumed)
        changes = Changes()
        ends: list[tuple[object, ...]] = []
        progress: list[tuple[object, ...]] = []
        for e in executions:
            row = (e.id, e.first_epoch, self._node, e.record_count, e.death_count, e.alone_death_count)
            if e.is_ended():
                owner = self._node if e.status == Status.RUNNING else None
                times = (e.run_at, e.wake_at, e.attention, e.finished_at)
                ends.append((*row, e.status, owner, e.epoch, e.attempt, *times, e.cause, e.cause_seq, e.claimed_at))
                changes.move(e.workflow, Status.RUNNING, e.status)
            else:
                progress.append(row)
        self._update("commit_ends", ends)
        self._update("commit_progress", progress)
        changes.write(self._connection, namespace)

    def _update(self, name: str, rows: Sequence[tuple[object, ...]]) -> None:
        if execute_rows(self._connection, name, rows) != len(rows):
            raise AssertionError(f"`{name}` did not find every row it had read under the write lock")
