"""Writes what a node's executions recorded and how their claims ended: locks and reads the rows, decides item by item
in memory, then writes each table in as few statements as possible. An item whose claim is over writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from hydra import family
from hydra.errors import LeaseLost
from hydra.execution import FINAL, End, Ending, ExecutionCommit, NodeRef, Record, RecordKind, Status
from hydra.stores.mysql.cancelling import request_cancel
from hydra.stores.mysql.family import spawn, tell_parents
from hydra.stores.mysql.mailbox import consume
from hydra.stores.mysql.statements import NO_NODE, Word, id_list, id_literal, id_text, literal
from hydra.stores.mysql.transaction import Transaction
from hydra.stores.rows import consumed_id


def commit(transaction: Transaction, node: NodeRef, commits: Sequence[ExecutionCommit], now: int) -> list[bool]:
    """True where it was written."""
    transaction.check_fence(node)
    heirs = _living(transaction, commits)
    owned = _read(transaction, node, commits)
    writes = _Writes(node, now)
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
    writes.queue(transaction, [execution for execution in owned.values() if execution.touched])
    _see_to_families(transaction, owned, writes.spawns, now)
    return answers


def _see_to_families(
    transaction: Transaction, owned: dict[str, _Owned], spawns: Sequence[family.Spawn], now: int
) -> None:
    """Children begin; parents learn of ends; what was cancelled takes its children along."""
    if spawns:
        spawn(transaction, spawns, now)
    tell_parents(transaction, [e.id for e in owned.values() if e.is_child and e.finished_at], now)
    cancelled = [e.id for e in owned.values() if e.status == Status.CANCELLED]
    if cancelled:
        request_cancel(transaction, cancelled, now)


@dataclass(slots=True)
class _Owned:
    """An execution as this node owns it; the fields after `record_count` are what the commit makes of it.

    `in_full`: more than its end and its record count has changed in its row.
    """

    id: str
    epoch: int
    workflow: str
    attempt: int
    priority: int
    timeout_at: int
    claimed_at: int
    wake_seq: int
    attention: str
    death_count: int
    alone_death_count: int
    run_at: int
    record_count: int
    is_child: int
    first_record_count: int = 0
    first_attention: str = ""
    touched: bool = False
    ended: bool = False
    in_full: bool = False
    status: Status = Status.RUNNING
    wake_at: int = 0
    finished_at: int = 0
    cause: str = ""
    cause_seq: int = 0
    heir: str | None = None  # who has it from now on, under its new epoch


def _read(transaction: Transaction, node: NodeRef, commits: Sequence[ExecutionCommit]) -> dict[str, _Owned]:
    if not commits:
        return {}
    ids = id_list(item.id for item in commits)
    rows = transaction.select("commit_read", ids=ids, node=id_literal(node.id))
    owned = {}
    for key, epoch, workflow, *values in rows:
        id = id_text(key)
        execution = owned[id] = _Owned(id, epoch, workflow.decode(), *values)
        execution.first_record_count, execution.first_attention = execution.record_count, execution.attention
    return owned


def _living(transaction: Transaction, commits: Sequence[ExecutionCommit]) -> set[str]:
    """The heirs that are alive, and stay so until COMMIT: each is fenced like a writer (R8, R27)."""
    named = sorted({item.heir for item in commits if item.heir})
    if not named:
        return set()
    living = set()
    for key, session in transaction.select("living_nodes", ids=id_list(named)):
        with suppress(LeaseLost):
            transaction.check_fence(NodeRef(id_text(key), session))
            transaction.flush_fence()
            living.add(id_text(key))
    return living


def _hand_over(execution: _Owned, item: ExecutionCommit, writes: _Writes, now: int) -> None:
    """Its claim ends as released, and the heir has it under the next epoch."""
    assert item.end is not None
    attention = execution.attention
    end = msgspec.structs.replace(item.end, kind=Ending.RELEASED)
    _apply(execution, msgspec.structs.replace(item, end=end), writes, now)
    execution.status, execution.epoch, execution.claimed_at = Status.RUNNING, execution.epoch + 1, now
    execution.attention, execution.heir, execution.in_full = attention, item.heir, True


def _accepts(execution: _Owned, item: ExecutionCommit) -> bool:
    """Still this claim's, and its records are the next ones (R13)."""
    if execution.status != Status.RUNNING or execution.epoch != item.epoch or execution.heir:
        return False
    return all(record.seq == execution.record_count + place for place, record in enumerate(item.records, 1))


def _apply(execution: _Owned, item: ExecutionCommit, writes: _Writes, now: int) -> None:
    execution.touched = True
    for record in item.records:
        writes.add_record(execution.id, record)
    execution.record_count += len(item.records)
    for name, count in (("death_count", item.death_count), ("alone_death_count", item.alone_death_count)):
        if count is not None and count != getattr(execution, name):
            setattr(execution, name, count)
            execution.in_full = True
    if item.end is not None:
        end = item.end
        if end.kind == Ending.CONTINUED:
            end = writes.begin_anew(execution, end)
        writes.add_claim(execution, item.worker, end)
        _end(execution, item.end, writes, now)


def _end(execution: _Owned, end: End, writes: _Writes, now: int) -> None:
    execution.ended = True
    kind = Ending(end.kind)
    if kind is Ending.CRASHED:
        execution.epoch += 1
        execution.claimed_at = now
        execution.in_full = True
        return
    execution.status = _status_after(execution, kind, end.wake_seq)
    if execution.attention == "timeout" and kind is not Ending.RELEASED:
        execution.attention = ""  # what is handed back is to end, whatever the clock says next
    if execution.status in FINAL:
        execution.finished_at = now
    elif execution.status == Status.PENDING:
        execution.run_at = now
    if execution.status == Status.FAILED:
        execution.cause, execution.cause_seq = end.cause, end.cause_seq
    elif execution.status in (Status.SLEEPING, Status.WAITING):
        execution.wake_at = end.wake_at
    elif kind is Ending.RETRY:
        _retry(execution, end, writes, now)
    elif kind is Ending.CONTINUED:
        execution.record_count, execution.attempt = 0, 1


def _status_after(execution: _Owned, kind: Ending, seen_wake_seq: int) -> Status:
    """A suspended execution that was meanwhile woken or cancelled is due again at once (R14)."""
    if kind in (Ending.RETRY, Ending.RELEASED, Ending.CONTINUED):
        return Status.PENDING
    if kind in (Ending.SLEEPING, Ending.WAITING) and (
        execution.wake_seq != seen_wake_seq or execution.attention == "cancel"
    ):
        return Status.PENDING
    return Status(kind.value)


def _retry(execution: _Owned, end: End, writes: _Writes, now: int) -> None:
    execution.attempt += 1
    if end.wake_at > now and not execution.attention:
        execution.run_at = execution.wake_at = end.wake_at
    if end.cause_seq:
        execution.record_count += 1
        writes.add_record(execution.id, supersede(execution.record_count, end.cause_seq, execution.attempt, now))


def supersede(seq: int, cause_seq: int, attempt: int, now: int) -> Record:
    """The record by which a new attempt forgets the failure that left the body."""
    return Record(seq, RecordKind.SUPERSEDE, "", "", cause_seq, attempt, b"", None, now, now)


def record_row(execution_id: str, record: Record) -> str:
    r = record
    return (
        f"({id_literal(execution_id)}, {r.seq}, '{Word(r.kind)}', {literal(r.branch)}, {literal(r.name)}, {r.ordinal}, "
        f"{r.attempt}, {literal(r.digest)}, {literal(r.payload)}, {r.started_at}, {r.finished_at}, {r.due_at})"
    )


class _Writes:
    """Rows on their way into the tables."""

    def __init__(self, node: NodeRef, now: int) -> None:
        self._node = id_literal(node.id)
        self._now = now
        self._records: list[str] = []
        self._claims: list[str] = []
        self._consumed: list[tuple[str, str]] = []
        self._inputs: dict[str, bytes | None] = {}
        self.spawns: list[family.Spawn] = []

    def begin_anew(self, execution: _Owned, end: End) -> End:
        """The end as the audit trail has it, which keeps no input of a generation."""
        self._inputs[execution.id] = end.payload
        return msgspec.structs.replace(end, payload=None)

    def add_record(self, execution_id: str, record: Record) -> None:
        if record.kind == RecordKind.SPAWN:
            record, asked = family.take_apart(execution_id, record)
            self.spawns.append(asked)
        self._records.append(record_row(execution_id, record))
        if record.kind == RecordKind.EVENT:
            self._consumed.append((execution_id, consumed_id(record)))

    def add_claim(self, execution: _Owned, worker: int, end: End) -> None:
        e = execution
        self._claims.append(
            f"({id_literal(e.id)}, {e.epoch}, {e.attempt}, {self._node}, {worker}, {e.claimed_at}, {self._now}, "
            f"'{Word(end.kind)}', {literal(end.cause)}, {literal(end.payload)})"
        )

    def queue(self, transaction: Transaction, executions: Sequence[_Owned]) -> None:
        """Every table in turn; the executions' own rows are locked already."""
        transaction.queue_rows("add_records", self._records)
        transaction.queue_rows("add_claims", self._claims)
        consume(transaction, self._consumed)
        if self._inputs:
            for id, input in self._inputs.items():
                transaction.queue("continue_input", id=id_literal(id), input=literal(input))
            transaction.queue("keep_consumed", ids=id_list(self._inputs))
            transaction.queue("purge_records", ids=id_list(self._inputs))
            transaction.queue("purge_progress", ids=id_list(self._inputs))
            transaction.queue("forget_children", ids=id_list(self._inputs))
        going_on: dict[int, list[str]] = {}
        alike: dict[tuple[Status, int], list[str]] = {}
        ready, timers, lost_deadlines, kept_deadlines, finished = [], [], [], [], []
        for e in executions:
            id = id_literal(e.id)
            added = e.record_count - e.first_record_count
            if not e.ended:
                if e.in_full:
                    self._queue_progress(transaction, e)
                elif added:
                    going_on.setdefault(added, []).append(e.id)
                continue
            if e.finished_at and not e.cause and not e.cause_seq and not e.in_full:
                alike.setdefault((e.status, added), []).append(e.id)
            else:
                self._queue_end(transaction, e)
            if e.finished_at:
                finished.append(f"({transaction.namespace}, {e.finished_at}, {id})")
            elif e.wake_at:
                timers.append(f"({transaction.namespace}, {e.wake_at}, {id})")
            elif e.status == Status.PENDING:
                ready.append(f"({transaction.namespace}, {literal(e.workflow)}, {-e.priority}, {e.run_at}, {id})")
            if e.status == Status.RUNNING:
                continue
            transaction.move(e.workflow, Status.RUNNING, e.status)
            if e.timeout_at and (e.finished_at or e.status == Status.PARKED):
                lost_deadlines.append(e.id)
            elif e.timeout_at and e.first_attention and not e.attention:
                kept_deadlines.append(f"({transaction.namespace}, {e.timeout_at}, {id})")
        for added, ids in going_on.items():
            transaction.queue("commit_records", added=added, node=self._node, ids=id_list(ids))
        for (status, added), ids in alike.items():
            transaction.queue(
                "commit_final",
                status=literal(Word(status)),
                added=added,
                no_node=NO_NODE,
                node=self._node,
                now=self._now,
                ids=id_list(ids),
            )
        transaction.queue_rows("add_ready", ready)
        transaction.queue_rows("add_timers", timers)
        transaction.queue_rows("add_finished", finished)
        if lost_deadlines:
            transaction.queue("remove_deadlines", ids=id_list(lost_deadlines))
        transaction.queue_rows("keep_deadlines", kept_deadlines)

    def _queue_progress(self, transaction: Transaction, execution: _Owned) -> None:
        transaction.queue(
            "commit_progress",
            id=id_literal(execution.id),
            node=self._node,
            record_count=execution.record_count,
            death_count=execution.death_count,
            alone_death_count=execution.alone_death_count,
        )

    def _owner_of(self, execution: _Owned) -> str:
        if execution.status != Status.RUNNING:
            return NO_NODE
        return self._node if execution.heir is None else id_literal(execution.heir)

    def _queue_end(self, transaction: Transaction, execution: _Owned) -> None:
        e = execution
        transaction.queue(
            "commit_end",
            id=id_literal(e.id),
            node=self._node,
            status=literal(Word(e.status)),
            owner=self._owner_of(e),
            epoch=e.epoch,
            attempt=e.attempt,
            record_count=e.record_count,
            run_at=e.run_at,
            wake_at=e.wake_at,
            claimed_at=e.claimed_at,
            finished_at=e.finished_at,
            attention=literal(Word(e.attention)),
            death_count=e.death_count,
            alone_death_count=e.alone_death_count,
            cause=literal(e.cause),
            cause_seq=e.cause_seq,
        )
