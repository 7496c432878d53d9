"""Writes what a node's executions recorded and how their claims ended: locks and reads the rows, decides item by item
in memory, then writes each table in as few statements as possible. An item whose claim is over writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from hydra.attributes import KeyChanges, decode_changes
from hydra.errors import LeaseLost
from hydra.execution import CommitAnswer, ExecutionCommit, NodeRef, Record, RecordKind, Status
from hydra.records import child_records
from hydra.records.placed import stopped_by
from hydra.stores.arrivals import Arrivals, consumed_id
from hydra.stores.key_pauses import cooling
from hydra.stores.mysql import attributes
from hydra.stores.mysql.admitting import cool_down, give_up, hold_back
from hydra.stores.mysql.cancelling import request_cancel
from hydra.stores.mysql.child_executions import spawn, tell_parents
from hydra.stores.mysql.mailbox import consume, read_arrivals
from hydra.stores.mysql.nodes import is_dead
from hydra.stores.mysql.statements import NO_NODE, Word, id_list, id_literal, id_text, literal
from hydra.stores.mysql.transaction import Transaction
from hydra.stores.rows import changes_attributes
from hydra.stores.transitions import Change, Owned, apply

SESSION_LOOKS = 5  # at a node that begins one after the other


def commit(transaction: Transaction, node: NodeRef, commits: Sequence[ExecutionCommit], now: int) -> list[CommitAnswer]:
    """In their order."""
    transaction.check_fence(node)  # guard R6: a commit takes the fence
    answers = write(transaction, node, commits, now)
    if items := cooling(commits, answers):
        cool_down(transaction, items, now)
    return answers


def write(transaction: Transaction, node: NodeRef, commits: Sequence[ExecutionCommit], now: int) -> list[CommitAnswer]:
    """For the node itself, or for a reaper that holds it for dead."""
    successors = _living(transaction, commits)
    owned = _read(transaction, node, commits)
    writes = _Writes(node, now, read_arrivals(transaction, commits))
    answers: list[CommitAnswer] = []
    for item in commits:
        execution = owned.get(item.id)
        change = None if execution is None else apply(execution, item, successors, now)
        if change is not None:
            writes.add(item, change)
        answers.append(CommitAnswer.REFUSED if change is None else change.answer)
    writes.queue(transaction, [execution for execution in owned.values() if execution.is_touched])
    _see_to_families(transaction, owned, writes, now)
    return answers


def record_crashes(transaction: Transaction, node_id: str, commits: Sequence[ExecutionCommit], now: int) -> list[bool]:
    """By a reaper: the tries that died with a node."""
    if not is_dead(transaction, node_id):
        return [False] * len(commits)
    written = write(transaction, NodeRef(node_id, 0), commits, now)
    transaction.flush()
    return [bool(answer) for answer in written]


def _see_to_families(transaction: Transaction, owned: dict[str, _Owned], writes: _Writes, now: int) -> None:
    """Children begin; parents learn of ends; what was cancelled, or ran out of time, takes its children along, and a
    step that is given up is cancelled."""
    if writes.spawns:
        spawn(transaction, writes.spawns, now)
    tell_parents(transaction, [e.id for e in owned.values() if e.tells_parent()], now)
    cancelled = [e.id for e in owned.values() if e.stops_children()] + writes.stopped
    if cancelled:
        request_cancel(transaction, cancelled, now)


class _Owned(Owned, array_like=True, gc=False):
    """With what the queues of this store are ordered by."""

    priority: int = 0
    timeout_at: int = 0  # 0: never
    first_record_count: int = 0
    first_attention: str | None = None
    gate: bytes = b""  # the key of a limit
    first_gate: bytes = b""
    limit_keys: bytes | None = None

    def is_in_full(self) -> bool:
        """Whether more than its end and its record count has changed in its row."""
        return self.epoch != self.first_epoch or self.has_new_deaths


def _read(transaction: Transaction, node: NodeRef, commits: Sequence[ExecutionCommit]) -> dict[str, _Owned]:
    if not commits:
        return {}
    ids = id_list(item.id for item in commits)
    owned = {}
    for row in transaction.select("commit_read", ids=ids, node=id_literal(node.id)):
        key, epoch, workflow, attempt, priority, timeout_at, claimed_at, wake_seq, attention = row[:9]
        deaths, alone_deaths, run_at, record_count, is_child, gate, first_gate, limit_keys = row[9:]
        id = id_text(key)
        place = (id, epoch, workflow.decode(), record_count, attempt, claimed_at, wake_seq)
        execution = _Owned(*place, attention or None, deaths, alone_deaths, epoch, is_child)
        execution.run_at = run_at
        execution.priority, execution.timeout_at = priority, timeout_at
        execution.gate, execution.first_gate, execution.limit_keys = gate, first_gate, limit_keys
        execution.first_record_count, execution.first_attention = record_count, execution.attention
        owned[id] = execution
    return owned


def _living(transaction: Transaction, commits: Sequence[ExecutionCommit]) -> set[str]:
    """The successors that are alive, and stay so until COMMIT: each is fenced like a writer (R8, R27)."""
    named = sorted({item.successor for item in commits if item.successor})
    return {id for id in named if _is_held_alive(transaction, id)}


def _is_held_alive(transaction: Transaction, id: str) -> bool:
    """Asked again where it has read back what it owns meanwhile, and so begun another session."""
    for _ in range(SESSION_LOOKS):
        for _, session in transaction.select("living_nodes", ids=id_list([id])):
            with suppress(LeaseLost):
                # guard R8: a successor's row is locked until the commit
                transaction.check_fence(NodeRef(id, session))
                transaction.flush_fence()
                return True
    return False


def record_row(execution_id: str, record: Record) -> str:
    r = record
    return (
        f"({id_literal(execution_id)}, {r.seq}, '{Word(r.kind)}', {literal(r.branch)}, {literal(r.name)}, {r.ordinal}, "
        f"{r.attempt}, {literal(r.digest)}, {literal(r.payload)}, {r.started_at}, {r.finished_at}, {r.due_at})"
    )


class _Writes:
    """Rows on their way into the tables."""

    def __init__(self, node: NodeRef, now: int, arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        self._node = id_literal(node.id)
        self._now = now
        self._records: list[str] = []
        self._claims: list[str] = []
        self._consumed: list[tuple[str, str]] = []
        self._inputs: dict[str, bytes | None] = {}
        self.spawns: list[child_records.Spawn] = []
        self.stopped: list[str] = []  # executions of steps that are given up
        self._attributes: list[tuple[str, KeyChanges]] = []

    def add(self, item: ExecutionCommit, change: Change) -> None:
        """What an accepted item writes beside its execution's own row."""
        for record in self.arrivals.decide(item):  # guard R14: an expiry gives way to a message that is there
            self._add_record(item.id, record)
        self.stopped += stopped_by(item.records)
        if change.supersede is not None:
            self._add_record(item.id, change.supersede)
        if change.claim is not None:
            c = change.claim
            self._claims.append(
                f"({id_literal(item.id)}, {c.epoch}, {c.attempt}, {self._node}, {item.worker}, {c.claimed_at}, "
                f"{self._now}, '{Word(c.ending)}', {literal(c.cause)}, {literal(c.payload)})"
            )
        if change.next_input is not None:
            (self._inputs[item.id],) = change.next_input

    def _add_record(self, execution_id: str, record: Record) -> None:
        if record.kind == RecordKind.SPAWN:
            record, asked = child_records.take_apart(execution_id, record)
            self.spawns.append(asked)
        self._records.append(record_row(execution_id, record))
        if changes_attributes(record):
            self._attributes.append((execution_id, decode_changes(record.payload or b"")))
        if record.kind == RecordKind.EVENT:
            self._consumed.append((execution_id, consumed_id(record)))

    def queue(self, transaction: Transaction, executions: Sequence[_Owned]) -> None:
        """Every table in turn; the executions' own rows are locked already."""
        transaction.queue_rows("add_records", self._records)
        transaction.queue_rows("add_claims", self._claims)
        consume(transaction, self._consumed)
        attributes.change(transaction, self._attributes)
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
        left, limited = [], []
        for e in executions:
            id = id_literal(e.id)
            added = e.record_count - e.first_record_count
            if not e.is_ended():
                if e.is_in_full():
                    self._queue_progress(transaction, e)
                elif added:
                    going_on.setdefault(added, []).append(e.id)
                continue
            if e.finished_at and not e.cause and not e.cause_seq and not e.is_in_full():
                alike.setdefault((e.status, added), []).append(e.id)
            else:
                self._queue_end(transaction, e)
            if e.finished_at:
                finished.append(f"({transaction.namespace}, {e.finished_at}, {id})")
            elif e.wake_at:
                timers.append(f"({transaction.namespace}, {e.wake_at}, {id})")
            elif e.status == Status.PENDING and e.gate and e.id in self._inputs:  # a new generation waits again
                assert e.run_at is not None
                limited.append((e.id, e.priority, e.first_gate.decode(), e.run_at))
                left.append(e.limit_keys)
            elif e.status == Status.PENDING:
                ready.append(f"({transaction.namespace}, {literal(e.workflow)}, {-e.priority}, {e.run_at}, {id})")
            if e.status == Status.RUNNING:
                continue
            if e.gate and (e.status != Status.PENDING or e.wake_at):
                left.append(e.limit_keys)
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
        hold_back(transaction, limited)
        give_up(transaction, left)
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
        return self._node if execution.successor is None else id_literal(execution.successor)

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
            wake_at=e.wake_at or 0,
            claimed_at=e.claimed_at,
            finished_at=e.finished_at or 0,
            attention=literal(Word(e.attention or "")),
            death_count=e.death_count,
            alone_death_count=e.alone_death_count,
            cause=literal(e.cause),
            cause_seq=e.cause_seq,
        )
