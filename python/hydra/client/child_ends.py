"""What a parent is told of children by hand: when a person retries it, and when it is forked past them.

A retry of what failed of its children is told again how they ended. A fork has no children: the spawns it copies stand
for children of the first execution, which have ended, and whose ends it is told where its records lack them.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import msgspec

from hydra import _core, codec
from hydra.errors import HydraError, IllegalMove
from hydra.execution import CAUSES, FINAL, Message, Record, RecordKind, Status, Submitted
from hydra.records import child_records
from hydra.records.forks import Fork
from hydra.stores.acts import Act
from hydra.stores.store import Store


def retry(store: Store, id: str, now: int) -> list[Status | None]:
    """The status before, as `Store.retry`. IllegalMove while a child that it failed of has not completed."""
    told = ends_of_children(store, id, now)

    def write() -> list[Status | None]:
        (before,) = store.retry([id], now)
        if before is Status.FAILED and told:
            store.signal(told, now)
        return [before]

    return store.together(write)


def ends_of_children(store: Store, id: str, now: int) -> list[Message]:
    """What the children say now whose ends left the body in the attempt that failed."""
    (snapshot,) = store.get([id])
    if snapshot is None or snapshot.status is not Status.FAILED:
        return []
    records = store.records(id)
    causes = [record for record in records if record.name == CAUSES and record.attempt == snapshot.attempt]
    seqs = codec.decode(causes[-1].payload or b"") if causes else []
    names = [records[seq - 1].name for seq in seqs if records[seq - 1].name.startswith(child_records.CHILD_PREFIX)]
    requests = {name: name.removeprefix(child_records.CHILD_PREFIX) for name in names}
    found = {name: child_records.child_of(records, request) for name, request in requests.items()}
    children = {name: child for name, child in found.items() if child is not None}
    for child, known in zip(children.values(), store.get(list(children.values())), strict=True):
        if known is not None and known.status is not Status.COMPLETED:
            how = "retry that first" if known.status in FINAL else "wait for its end, or cancel it"
            raise IllegalMove(f"execution `{id}` failed of its child `{child}`, which is {known.status}; {how}")
    return [end_of(store, id, requests[name], child, now) for name, child in children.items()]


def end_of(store: Store, parent_id: str, request_id: str, child_id: str, now: int) -> Message:
    """Under an id of its own: the parent has consumed what that request was told before."""
    (outcome,) = store.outcomes([child_id])
    assert outcome is not None
    status, payload, cause = outcome
    end = child_records.ChildEnd(Status(status), cause, payload)
    told = child_records.tell_end(parent_id, request_id, end, now)
    return Message(_core.uuid7(), parent_id, told.name, told.payload, now)


def fork(store: Store, fork: Fork, lines: Sequence[Act], now: int) -> Submitted:
    """As `Store.fork`, with these lines; HydraError while a child that it copies the spawn of has not ended."""
    records = store.records(fork.source_id)
    told = ends_for_fork(store, fork.submission.id, fork.source_id, records, fork.record_count, now)

    def write() -> Submitted:
        answer = store.fork(fork, now)
        if told and answer.id == fork.submission.id:
            store.signal(told, now)
        if answer.id == fork.submission.id:
            store.add_acts(lines)
        return answer

    return store.together(write)


def ends_for_fork(
    store: Store, fork_id: str, source_id: str, records: list[Record], count: int, now: int
) -> list[Message]:
    """What the copied records lack of the children that they spawned; the same messages whenever it is repeated."""
    known = {record.name for record in records[:count] if record.kind == RecordKind.EVENT}
    messages: list[Message] = []
    for record in records[:count]:
        if record.kind != RecordKind.SPAWN:
            continue
        request = child_records.decode_id(record.payload or b"")
        child = child_records.child_of(records, request)
        if child is None:
            continue
        (found,) = store.get([child])
        if found is None or found.status not in FINAL:
            how = "was purged" if found is None else f"is {found.status}"
            raise HydraError(
                f"execution `{source_id}` cannot be forked there: its child `{child}` {how}, and a fork takes along "
                "only children that have ended; wait for its end, or fork from before its spawn"
            )
        answer = child_records.SPAWNED_PREFIX + request
        if answer not in known and any(each.name == answer for each in records):
            messages.append(Message("", fork_id, answer, codec.encode(child), now))
        if child_records.CHILD_PREFIX + request not in known:
            messages.append(end_of(store, fork_id, request, child, now))
    return [
        msgspec.structs.replace(message, id=str(uuid.uuid5(uuid.UUID(fork_id), message.name))) for message in messages
    ]
