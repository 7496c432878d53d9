"""Messages: put before an execution, which wakes or is marked; read by its next claim; consumed by a record."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence

from hydra.execution import FINAL, Message, Status
from hydra.stores.rows import MESSAGES_PER_BEAT, by_arrival
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.statements import execute, execute_rows, select, select_json, to_json


def signal(
    connection: sqlite3.Connection, namespace: str, messages: Sequence[Message], now: int
) -> list[Status | None]:
    """The status before. Under the write lock, so nothing suspends in between (R14)."""
    ids = to_json(sorted({message.execution_id for message in messages}))
    found = {id: (workflow, Status(status)) for id, workflow, status in select_states(connection, namespace, ids)}
    open_ones = {id for id, (_, status) in found.items() if status not in FINAL}
    rows = [
        (m.execution_id, m.id, m.name, m.payload, m.sent_at, uuid.UUID(m.id).bytes)
        for m in messages
        if m.execution_id in open_ones
    ]
    execute_rows(connection, "put_messages", rows)
    execute(connection, "wake", namespace=namespace, ids=to_json(sorted(open_ones)), now=now)
    changes = Changes()
    for workflow, status in found.values():
        if status is Status.WAITING:
            changes.move(workflow, status, Status.PENDING)
    changes.write(connection, namespace)
    return [found[m.execution_id][1] if m.execution_id in found else None for m in messages]


def select_states(connection: sqlite3.Connection, namespace: str, ids: str) -> list[list[str]]:
    return select_json(connection, "states", namespace=namespace, ids=ids)


def read_messages(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, list[Message]]:
    """By execution, in the order of arrival."""
    found: dict[str, list[Message]] = {}
    for id, execution_id, name, payload, sent_at in select_json(connection, "claimed_messages", ids=to_json(list(ids))):
        message = Message(id, execution_id, name, bytes.fromhex(payload), sent_at)
        found.setdefault(execution_id, []).append(message)
    for each in found.values():
        each.sort(key=by_arrival)
    return found


def owned_messages(connection: sqlite3.Connection, node_id: str) -> list[Message]:
    rows = select(connection, "owned_messages", node=node_id, limit=MESSAGES_PER_BEAT)
    return sorted((Message(*row) for row in rows), key=by_arrival)


def consume(connection: sqlite3.Connection, consumed: Sequence[tuple[str, str]]) -> None:
    """Pairs of execution and message."""
    if consumed:
        execute(connection, "consume_messages", rows=to_json(list(consumed)))
