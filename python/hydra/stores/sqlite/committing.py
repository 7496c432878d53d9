"""Writes what a node's executions recorded and how their claims ended: reads what is true under the write lock, decides
item by item in memory, then writes each table in one statement. An item whose claim is over writes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from hydra.attributes import KeyChanges, decode_changes
from hydra.execution import CommitAnswer, ExecutionCommit, NodeRef, Record, RecordKind, Status
from hydra.records import child_records
from hydra.records.placed import stopped_by
from hydra.stores.arrivals import Arrivals, consumed_id
from hydra.stores.batches import have_successors, ids_of, kinds_of
from hydra.stores.key_pauses import cooling
from hydra.stores.rows import changes_attributes
from hydra.stores.sqlite import attributes
from hydra.stores.sqlite.admitting import cool_down
from hydra.stores.sqlite.cancelling import request_cancel
from hydra.stores.sqlite.child_executions import spawn, tell_parents
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.fence import check_fence
from hydra.stores.sqlite.mailbox import consume, read_arrivals
from hydra.stores.sqlite.nodes import is_dead
from hydra.stores.sqlite.statements import RowStatement, to_json
from hydra.stores.sqlite.transaction import BLOB, NULL, Reading, Transaction
from hydra.stores.transitions import Change, ClaimLine, Owned, apply

_COMMIT_RECORDS = RowStatement("commit_records")
_COMMIT_CLAIMS = RowStatement("commit_claims")
_CONTINUE_INPUTS = RowStatement("continue_inputs")
_COMMIT_FINALS = RowStatement("commit_finals")
_COMMIT_ENDS = RowStatement("commit_ends")
_COMMIT_DEATHS = RowStatement("commit_deaths")


def commit(transaction: Transaction, node: NodeRef, commits: Sequence[ExecutionCommit], now: int) -> list[CommitAnswer]:
    """In their order."""
    check_fence(transaction, node)  # guard R6: a commit takes the fence
    answers = write(transaction, node, commits, now)
    if items := cooling(commits, answers):
        cool_down(transaction, items, now)
    return answers


def write(transaction: Transaction, node: NodeRef, commits: Sequence[ExecutionCommit], now: int) -> list[CommitAnswer]:
    """For the node itself, or for a reaper that holds it for dead."""
    ids = to_json(sorted(ids_of(commits)))
    successors = _living(transaction, commits)
    executions = _read_owned(transaction, node, ids)
    find = {execution.id: execution for execution in executions}.get
    writes = _Writes(transaction, node, now, commits)
    answers: list[CommitAnswer] = []
    for item in commits:
        execution = find(item.id)
        change = None if execution is None else apply(execution, item, successors, now)
        if change is None:
            answers.append(CommitAnswer.REFUSED)
            continue
        writes.add(item, change)
        answers.append(change.answer)
    writes.finish(executions)
    _see_to_families(transaction, writes, now)
    return answers


def record_crashes(transaction: Transaction, node_id: str, commits: Sequence[ExecutionCommit], now: int) -> list[bool]:
    """By a reaper: the tries that died with a node."""
    if not is_dead(transaction, node_id):
        return [False] * len(commits)
    return [bool(answer) for answer in write(transaction, NodeRef(node_id, 0), commits, now)]


_EVENT, _EXPIRY = str(RecordKind.EVENT), str(RecordKind.EXPIRY)
_SPAWN, _VALUE = str(RecordKind.SPAWN), str(RecordKind.VALUE)
_ASKING = frozenset((_EVENT, _EXPIRY, _SPAWN, _VALUE))  # may ask for more than to be written
_RUNNING = Status.RUNNING
_as_tuple = msgspec.structs.astuple
_FIELDS = Record.__struct_fields__
_DIGEST, _PAYLOAD = (_FIELDS.index(name) - len(_FIELDS) for name in ("digest", "payload"))  # from a row's end


def _see_to_families(transaction: Transaction, writes: _Writes, now: int) -> None:
    """Children begin; parents learn of ends; what was cancelled, or ran out of time, takes its children along, and a
    step that is given up is cancelled."""
    if writes.spawns:
        spawn(transaction, writes.spawns, now)
    ended = [e.id for e in writes.over if e.tells_parent()]
    if ended:
        tell_parents(transaction, ended, now)
    cancelled = [e.id for e in writes.over if e.stops_children()] + writes.stopped
    if cancelled:
        request_cancel(transaction, cancelled, now)


_decode_owned = msgspec.json.Decoder(list[Owned]).decode


def _read_owned(reading: Reading, node: NodeRef, ids: str) -> list[Owned]:
    return _decode_owned(reading.select("commit_read", node=node.id, ids=ids)[0][0])


def _living(reading: Reading, commits: Sequence[ExecutionCommit]) -> set[str]:
    """The successors that are alive; nobody can declare one dead under the write lock (R8, R27)."""
    if not have_successors(commits):
        return set()
    ids = to_json(sorted({item.successor for item in commits if item.successor}))
    return {id for (id,) in reading.select("living_nodes", ids=ids)}


class _Writes:
    """Rows on their way into the tables."""

    def __init__(self, transaction: Transaction, node: NodeRef, now: int, commits: Sequence[ExecutionCommit]) -> None:
        kinds = kinds_of(commits)
        self._arrivals = read_arrivals(transaction, commits) if _EXPIRY in kinds else Arrivals()
        self._asks = not _ASKING.isdisjoint(kinds)  # some of the records, perhaps
        self._transaction = transaction
        self._node = node.id
        self._now = now
        self._records: list[object] = []  # the values of all rows, one row behind the other
        self._claims: list[tuple[object, ...]] = []
        self._consumed: list[tuple[str, str]] = []
        self._inputs: list[tuple[bytes | None, str]] = []
        self.spawns: list[child_records.Spawn] = []
        self.stopped: list[str] = []  # executions of steps that are given up
        self.over: list[Owned] = []
        self._attributes: list[tuple[str, KeyChanges]] = []

    def add(self, item: ExecutionCommit, change: Change) -> None:
        """What an accepted item writes beside its execution's own row."""
        id, records = item.id, item.records
        if self._asks and records:
            # guard R14: an expiry gives way to a message that is there
            records = [self._asked(id, record) for record in self._arrivals.decide(item)]
        if change.supersede is not None:
            records = [*records, change.supersede]
        values = self._records
        for record in records:
            payload = record.payload
            values.append(id)
            values.extend(_as_tuple(record))
            values[_DIGEST] = BLOB(record.digest)
            values[_PAYLOAD] = NULL if payload is None else BLOB(payload)
        if change.claim is not None:
            self._end(item, change.claim, change)

    def _asked(self, execution_id: str, record: Record) -> Record:
        """The record as it is written; what it asks for beside that is kept."""
        kind = record.kind
        if kind == _SPAWN:
            record, asked = child_records.take_apart(execution_id, record)
            self.spawns.append(asked)
        elif kind == _EVENT:
            self._consumed.append((execution_id, consumed_id(record)))
        elif kind == _VALUE:
            self.stopped += stopped_by([record])
            if changes_attributes(record):
                self._attributes.append((execution_id, decode_changes(record.payload or b"")))
        return record

    def _end(self, item: ExecutionCommit, c: ClaimLine, change: Change) -> None:
        claim = (item.id, c.epoch, c.attempt, self._node, item.worker, c.claimed_at)
        self._claims.append((*claim, self._now, c.ending, c.cause, NULL if c.payload is None else BLOB(c.payload)))
        if change.next_input is not None:
            self._inputs.append((*change.next_input, item.id))

    def finish(self, executions: Sequence[Owned]) -> None:
        """Write everything; each row must still be as it was read, or the transaction is void."""
        self._transaction.execute_values(_COMMIT_RECORDS, self._records)
        self._transaction.execute_rows(_COMMIT_CLAIMS, self._claims)
        consume(self._transaction, self._consumed)
        if self._attributes:
            attributes.change(self._transaction, self._attributes)
        if self._inputs:
            self._transaction.execute_rows(_CONTINUE_INPUTS, self._inputs)
            ids = to_json([id for _, id in self._inputs])
            self._transaction.execute("keep_consumed", ids=ids)
            self._transaction.execute("purge_records", ids=ids)
            self._transaction.execute("purge_progress", ids=ids)
            self._transaction.execute("forget_children", ids=ids)
        changes = Counter[tuple[str, str]]()
        finals: list[tuple[object, ...]] = []
        ends: list[tuple[object, ...]] = []
        deaths: list[tuple[object, ...]] = []
        node = self._node
        for e in executions:
            if not e.is_touched:
                continue
            if e.status is _RUNNING and e.epoch == e.first_epoch:
                if e.has_new_deaths:
                    deaths.append((e.id, e.epoch, node, e.death_count, e.alone_death_count))
                continue  # its records alone say how many it has
            key = (e.id, e.first_epoch, node)
            changes[e.workflow, e.status] += 1
            if e.finished_at is not None:
                self.over.append(e)
            if e.finished_at is not None and e.epoch == e.first_epoch and not e.has_new_deaths:
                attention = NULL if e.attention is None else e.attention
                finals.append((*key, e.status.value, e.record_count, attention, e.cause, e.cause_seq, e.finished_at))
                continue
            counts = (e.record_count, e.death_count, e.alone_death_count)
            owner = (e.successor or node) if e.status is _RUNNING else None
            times = (e.run_at, e.wake_at, e.attention, e.finished_at)
            rest = (e.cause, e.cause_seq, e.claimed_at)
            ends.append((*key, *counts, e.status, owner, e.epoch, e.attempt, *times, *rest))
        self._update(_COMMIT_FINALS, finals)
        self._update(_COMMIT_ENDS, ends)
        self._update(_COMMIT_DEATHS, deaths)
        if self._inputs and self._transaction.execute("delay_gates", ids=ids):
            self._transaction.execute("promote", ids=ids, now=self._now)
        self._count(changes)

    def _count(self, ended: Counter[tuple[str, str]]) -> None:
        changes = Changes()
        for (workflow, status), count in ended.items():
            changes.move(workflow, Status.RUNNING, status, count)
        changes.write(self._transaction)

    def _update(self, statement: RowStatement, rows: Sequence[tuple[object, ...]]) -> None:
        if self._transaction.execute_rows(statement, rows) != len(rows):
            raise AssertionError(f"`{statement.name}` did not find every row it had read under the write lock")
