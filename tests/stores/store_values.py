"""What the store tests hand to a store. Instants count from `NOW`; nothing here sleeps or reads a clock."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence

import msgspec
from hydra import _core
from hydra.execution import (
    Claimed,
    Debounced,
    End,
    ExecutionCommit,
    KeyReuse,
    Message,
    NodeInfo,
    NodeRef,
    Record,
    Submission,
)
from hydra.stores.store import Store

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
WORKFLOW = "bill"
MAX_LOOKS = 20
UNKNOWN = str(uuid.UUID(int=0))  # no execution and no node has this id


def submission(
    workflow: str = WORKFLOW,
    *,
    key: str | None = None,
    input: bytes = b"input",
    digest: bytes = b"d" * 16,
    priority: int = 0,
    run_at: int | None = None,
    timeout_us: int | None = None,
    deadline_us: int | None = None,
    tags: dict[str, str] | None = None,
    id: str | None = None,
    key_reuse: KeyReuse = KeyReuse.FIRST,
    debounce: Debounced | None = None,
) -> Submission:
    own_id = id or _core.uuid7()
    times = (priority, run_at, timeout_us, tags, deadline_us)
    return Submission(own_id, workflow, input, digest, key, *times, key_reuse, debounce=debounce)


def unnumbered(messages: Sequence[Message]) -> list[Message]:
    """Messages as they were sent: their numbers are the database's."""
    return [msgspec.structs.replace(message, number=0) for message in messages]


def submit(store: Store, count: int = 1, now: int = NOW, **fields: object) -> list[str]:
    """Ids of new executions."""
    answers = store.submit([submission(**fields) for _ in range(count)], now)  # type: ignore[arg-type]
    assert all(answer.created for answer in answers)
    return [answer.id for answer in answers]


def register(store: Store, id: str | None = None, now: int = NOW) -> NodeRef:
    info = NodeInfo(id or str(uuid.uuid4()), "host", "boot", os.getpid(), 1, "code", 2)
    return store.register_node(info, now)


def claim(store: Store, node: NodeRef, slots: int = 100, now: int = NOW) -> list[Claimed]:
    return store.claim(node, [WORKFLOW], slots, now)


def take(store: Store, node: NodeRef, now: int = NOW) -> list[Claimed]:
    """What is due. A store may look only now and then for what became due behind the head of its queue."""
    for _ in range(MAX_LOOKS):
        if found := claim(store, node, now=now):
            return found
        store.wait_for_change(0.1)
    return []


def running(store: Store, node: NodeRef, **fields: object) -> Claimed:
    """One execution that this node has just taken; nothing else was due."""
    (id,) = submit(store, **fields)  # type: ignore[arg-type]
    (claimed,) = claim(store, node)
    assert claimed.id == id
    return claimed


def record(
    seq: int, name: str = "charge", kind: str = "step", *, ordinal: int | None = None, attempt: int = 1
) -> Record:
    return Record(seq, kind, "", name, ordinal or seq, attempt, b"digest", b"payload-%d" % seq, NOW, NOW + 1)


def end(
    store: Store,
    node: NodeRef,
    claimed: Claimed,
    kind: str,
    *records: Record,
    now: int = NOW,
    payload: bytes | None = None,
    **fields: object,
) -> bool:
    """Commit the end of a claim; whether it was written."""
    outcome = End(kind, payload, **fields)  # type: ignore[arg-type]
    commit = ExecutionCommit(claimed.id, claimed.epoch, list(records), outcome)
    commit.began_cancelled = claimed.cancel_requested
    return store.commit(node, [commit], now)[0]


def write(store: Store, node: NodeRef, claimed: Claimed, *records: Record, now: int = NOW) -> bool:
    """Commit records of a claim that goes on; whether they were written."""
    return store.commit(node, [ExecutionCommit(claimed.id, claimed.epoch, list(records))], now)[0]


def status(store: Store, id: str) -> str:
    (snapshot,) = store.get([id])
    assert snapshot is not None
    return snapshot.status.value
