"""Messages: put before an execution, which wakes or is marked; read by its next claim; consumed by a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from hydra.execution import ExecutionCommit, Message, RecordKind, Status
from hydra.stores.postgres.arrays import bigints, byteas, integers, is_uuid, texts, uuids
from hydra.stores.postgres.session import Result, Step

Write = Callable[..., list[Result]]


def signal(write: Write, namespace: str, messages: Sequence[Message], now: int) -> list[Status | None]:
    """The status before."""
    known = [message for message in messages if is_uuid(message.execution_id)]
    ids = {"namespace": namespace, "ids": uuids(sorted({message.execution_id for message in known}))}
    places = {
        "execution_ids": uuids([message.execution_id for message in known]),
        "message_ids": uuids([message.id for message in known]),
    }
    contents = {
        "sent_ats": bigints([message.sent_at for message in known]),
        "names": texts([message.name for message in known]),
        "payloads": byteas([message.payload for message in known]),
    }
    states, woken, _ = write(
        ("states", ids), ("signal", {**ids, **places, **contents, "now": now}), ("forget_consumed", places)
    )
    before = {id: Status(status) for id, status in (*states.rows, *woken.rows)}
    return [before.get(message.execution_id) for message in messages]


def by_execution(result: Result) -> dict[str, list[Message]]:
    """In the order of arrival."""
    found: dict[str, list[Message]] = {}
    for row in result.rows:
        message = Message(*row)
        found.setdefault(message.execution_id, []).append(message)
    return found


def consuming(commits: Sequence[ExecutionCommit]) -> list[Step]:
    """The statement that deletes what these records consumed, where they were accepted."""
    events = [(item.id, record) for item in commits for record in item.records if record.kind == RecordKind.EVENT]
    if not events:
        return []
    events.sort(key=lambda event: event[0])
    return [
        (
            "consume_messages",
            {
                "execution_ids": uuids([id for id, _ in events]),
                "message_ids": uuids([str(UUID(bytes=record.digest)) for _, record in events]),
                "seqs": integers([record.seq for _, record in events]),
            },
        )
    ]
