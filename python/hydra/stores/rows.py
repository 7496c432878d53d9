"""What a row means, the same on each database. Reads no database.

Columns come in the order of the SQL files `claim`, `claimed_records` and `snapshots`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from hydra._core import decode, encode
from hydra.attributes import ATTRIBUTES, KeyChanges, decode_changes, value_of
from hydra.execution import (
    Claimed,
    ExecutionCommit,
    Message,
    NodeInfo,
    Progress,
    Record,
    RecordKind,
    Snapshot,
    Status,
)
from hydra.interruptions import let_out
from hydra.payload_keys import encrypted_with
from hydra.records.ends import failure_line
from hydra.schedules import ScheduleProgress, ScheduleSpec, ScheduleState
from hydra.stores.limit_states import KeyUse
from hydra.stores.node_states import Advanced, Attention, NodeState
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.rerunning import Source
from hydra.stores.workflow_info import WorkflowInfo
from hydra.values.failures import decode_failure

T = TypeVar("T")

log = logging.getLogger("hydra.store")

_VALUE = str(RecordKind.VALUE)

decode_texts = msgspec.json.Decoder(tuple[str, ...]).decode
decode_tags = msgspec.json.Decoder(dict[str, str]).decode
decode_spec = msgspec.json.Decoder(ScheduleSpec).decode
decode_progress = msgspec.json.Decoder(ScheduleProgress).decode


DAMAGED = "damaged"  # the cause where the keys of limits cannot be read
NO_NODE = "00000000-0000-0000-0000-000000000000"  # of a park that no claim came before
DECODING = (ValueError, TypeError, LookupError, msgspec.MsgspecError)  # what content raises, and no connection
UNREADABLE = "(cannot be read)"  # stands for what a row holds and nobody can decode, wherever it is shown
DRAIN = "drain"  # the kind of an `attention` that is for the node itself
NEVER = (1 << 31) - 1  # no record and no epoch has that number


def changes_attributes(record: Record) -> bool:
    """Whether it is of a `hydra.set_attributes`: whoever writes it changes them."""
    return record.kind == _VALUE and record.name == ATTRIBUTES


def unreadable_limits() -> bytes:
    """Why an execution that waits at a limit is parked instead."""
    return encode("its row in the database is damaged: the keys of its limits cannot be read")


def never_so_far(id: str) -> Advanced:
    """Of an execution that is to be parked however far it has come."""
    return Advanced(id, NEVER, NEVER)


def choose_trees(roots: Mapping[str, T], members: Iterable[tuple[str, T]], limit: int) -> list[T]:
    """What one purge takes: the oldest trees, each whole, its root last. Of one tree that is larger than the limit a
    part without its root, so that it stays one. `members` are of these roots, and as many as the limit if there are."""
    trees: dict[str, list[T]] = {root_id: [] for root_id in roots}
    for root_id, member in members:
        trees[root_id].append(member)
    chosen: list[T] = []
    for root_id, tree in trees.items():
        whole = [*tree, roots[root_id]]
        if len(chosen) + len(whole) > limit:
            return chosen or whole[:limit]
        chosen += whole
    return chosen


def place_of(progress: Progress) -> bytes:
    """What the table of progress is ordered by, beside the execution."""
    key = f"{progress.branch}\0{progress.name}\0{progress.ordinal}"
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


def to_claimed(
    row: Sequence[Any], records: list[Record], messages: Sequence[Message] = (), *, has_more: bool = False
) -> Claimed:
    id, epoch, workflow, key, input, attempt, priority, run_at, claimed_at, submitted_at = row[:10]
    timeout_at, wake_seq, attention, death_count, alone_death_count, stored_tags = row[10:16]
    tags, unreadable = _read_tags(stored_tags)
    return Claimed(
        id,
        epoch,
        workflow,
        key,
        input,
        attempt,
        priority,
        run_at,
        claimed_at,
        submitted_at,
        0 if attention == "timeout" else timeout_at,  # it is over, whatever this node's clock says
        wake_seq,
        attention == "cancel",
        death_count,
        alone_death_count,
        tags,
        records,
        list(messages),
        has_more,
        unreadable,
    )


def damaged(id: str, epoch: int, error: Exception, workflow: str = "") -> Claimed:
    """In place of an execution of which something cannot be decoded: its node parks it, and takes the others (G7)."""
    reason = f"what is recorded of it cannot be read: {type(error).__name__}: {error}"
    return Claimed(id, epoch, workflow, None, b"", 1, 0, 0, 0, 0, None, 0, False, 0, 0, {}, [], unreadable=reason)


def _read_tags(stored: Any) -> tuple[dict[str, str], str]:
    """The tags, or what is wrong with them: one damaged row hides no other, and ends no claim (G7)."""
    try:
        return (decode_tags(stored) if stored else {}), ""
    except (msgspec.MsgspecError, UnicodeError, TypeError) as error:
        let_out(error)
        return {}, f"its tags cannot be read: {error}"


def shown(text: str | bytes) -> str:
    """A text for somebody to read: what is not UTF-8 in it hides no other row (G7)."""
    return text if isinstance(text, str) else text.decode(errors="replace")


def read_texts(stored: str | bytes | None) -> tuple[str, ...] | None:
    """A JSON array of texts; None where it is none."""
    try:
        return decode_texts(stored or b"")
    except DECODING:
        return None


def shown_texts(stored: str | bytes) -> tuple[str, ...]:
    """The same of a JSON array of texts."""
    try:
        return decode_texts(stored)
    except DECODING:
        return (UNREADABLE,)


def changed_attributes(commits: Iterable[ExecutionCommit]) -> list[tuple[str, KeyChanges]]:
    """By the records of these, in their order: the executions, and what they change."""
    return [
        (commit.id, decode_changes(record.payload or b""))
        for commit in commits
        for record in commit.records
        if changes_attributes(record)
    ]


def to_attributes(rows: Iterable[tuple[str, str, bytes]]) -> dict[str, dict[str, Any]]:
    """By execution, from its rows: id, name and key."""
    found: dict[str, dict[str, Any]] = {}
    for id, name, key in rows:
        try:
            found.setdefault(id, {})[name] = value_of(key)
        except DECODING:
            found[id][name] = UNREADABLE
    return found


def to_snapshot(row: Sequence[Any], attributes: dict[str, Any] | None = None) -> Snapshot:
    id, workflow, key, status, priority, attempt, epoch, owner, attention, cause, payload, tags = row[:12]
    return Snapshot(
        id,
        workflow,
        key,
        Status(status),
        priority,
        attempt,
        epoch,
        owner,
        attention == "cancel",
        reason_of(Status(status), cause, payload),
        _read_tags(tags)[0],
        *_with_limits(row[12:], attributes or {}, payload if encrypted_with(payload) is not None else b""),
    )


def to_source(row: Sequence[Any]) -> Source:
    """A row of the SQL file `rerun_sources`, behind its id."""
    status, attempt, workflow, key, digest, input, tags, priority, limit_keys, timeout_us, holder, rerun_id = row
    limits: tuple[str, ...] = ()
    unreadable = ""
    try:
        limits = decode_texts(limit_keys) if limit_keys else ()
    except DECODING as error:
        unreadable = f"the keys of its limits cannot be read: {error}"
    rest = (priority, limits, timeout_us, holder, rerun_id, unreadable)
    return Source(Status(status), attempt, workflow, key, digest, input, _read_tags(tags)[0], *rest)


def encode_labels(labels: Sequence[str]) -> str:
    return msgspec.json.encode(labels).decode()


def _with_limits(columns: Sequence[Any], attributes: dict[str, Any], encrypted_reason: bytes | None) -> tuple[Any, ...]:
    *times, limit_keys, gate, timeout_us = columns
    return (*times, shown_texts(limit_keys) if limit_keys else (), gate, attributes, encrypted_reason, timeout_us)


def encode_spec(spec: ScheduleSpec) -> str:
    """The same text for the same spec: rows are compared by it."""
    return msgspec.json.encode(spec).decode()


def encode_progress(progress: ScheduleProgress | None) -> str:
    """None: of a schedule that has not begun."""
    return msgspec.json.encode(progress or ScheduleProgress()).decode()


def to_schedules(rows: Iterable[Sequence[Any]]) -> list[ScheduleState]:
    """Rows of the SQL file `schedules`. One that cannot be read is told of, once, and keeps no other from its ticks."""
    found = []
    for row in rows:
        try:
            found.append(_to_schedule(row))
        except DECODING as error:
            _tell_unreadable(shown(row[0]), f"{type(error).__name__}: {error}")
    return found


@lru_cache(maxsize=1024)
def _tell_unreadable(name: str, error: str) -> None:
    log.error(
        "schedule `%s` fires no more: its row in the database cannot be read (%s); put it right, or delete the row and "
        "start a node that has its code",
        name,
        error,
    )


def _to_schedule(row: Sequence[Any]) -> ScheduleState:
    name, spec, revision, mark_at, next_at, paused_at, progress, is_served = row
    known = decode_spec(spec), revision, mark_at, next_at, paused_at
    return ScheduleState(name, *known, decode_progress(progress), bool(is_served))


def to_node(row: Sequence[Any]) -> NodeState:
    """A row of the SQL file `nodes`."""
    labels, places = row[15:]
    id, host, boot_id, pid, pid_started, code_version, workers, lock_path = row[:8]
    texts = id, host, boot_id, pid, pid_started, code_version, workers, lock_path
    return NodeState(NodeInfo(*texts, shown_texts(labels), places), *row[8:15])


def to_workflow(row: Sequence[Any]) -> WorkflowInfo:
    """A row of the SQL file `workflows`."""
    name, signature, timeout_us, code_version, labels = row
    return WorkflowInfo(name, signature, timeout_us, code_version, labels=shown_texts(labels))


def to_servers(rows: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Rows of the SQL file `servers`."""
    servers: dict[str, list[str]] = {}
    for workflow, node in sorted(rows):
        servers.setdefault(workflow, []).append(node)
    return servers


def to_pause(row: Sequence[Any]) -> Pause:
    """A row of the SQL file `pauses`."""
    kind, name, paused_at, paused_by, reason = row
    return Pause(PauseKind(kind), name, paused_at, paused_by, reason)


def to_attention(rows: Iterable[tuple[str, int, str]]) -> tuple[list[Attention], bool]:
    """Rows of the SQL file `attention`: what of the node's executions, and whether the node itself is to drain."""
    found = [Attention(*row) for row in rows]
    return [each for each in found if each.kind != DRAIN], any(each.kind == DRAIN for each in found)


def to_labels(rows: Iterable[tuple[str, str | bytes]]) -> dict[str, tuple[str, ...]]:
    """Rows of the SQL file `labels`: of each workflow that needs some."""
    return {name: shown_texts(labels) for name, labels in rows}


def reason_of(status: Status, cause: str, payload: bytes | None) -> str:
    """Why it failed or is parked, in one sentence."""
    if status is Status.FAILED and cause == "timeout":
        return "it did not finish within its time-out"
    if payload is None:
        return cause
    if (key_id := encrypted_with(payload)) is not None:
        return f"(encrypted with the key `{key_id}`)"
    try:
        if status is Status.PARKED:
            return str(decode(payload))
        failure = decode_failure(payload)
    except Exception as error:  # one that cannot be read must not hide the others
        let_out(error)
        return f"its reason cannot be read: {error}"
    return failure_line(failure)


def to_key_use(rows: Iterable[Sequence[Any]]) -> KeyUse:
    """Rows of (when the key is looked at next, None), and of (None, who holds a place of it)."""
    found = list(rows)
    holders = [id for _, id in found if id is not None]
    return KeyUse(holders, next((look_at for look_at, id in found if id is None), None))
