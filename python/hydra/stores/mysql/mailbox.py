"""Messages: put before an execution, which wakes or is marked; read by its next claim; consumed by a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hydra.execution import FINAL, Message, Status
from hydra.stores.mysql.locking import enter_ready, leave, lock_executions
from hydra.stores.mysql.statements import id_list, id_literal, id_text, literal, new_id_literal
from hydra.stores.mysql.transaction import Transaction
from hydra.stores.rows import MESSAGES_PER_BEAT


def signal(transaction: Transaction, messages: Sequence[Message], now: int) -> list[Status | None]:
    """The status before. The rows are locked first, in id order, so nothing suspends in between (R14)."""
    found = {e.id: e for e in lock_executions(transaction, {message.execution_id for message in messages})}
    statuses = [Status(found[m.execution_id].status) if m.execution_id in found else None for m in messages]
    open_ones = [e for e in found.values() if e.status not in FINAL]
    if open_ones:
        ids = id_list(e.id for e in open_ones)
        consumed = {(id, digest) for id, digest in transaction.select("consumed", ids=ids)}
        rows = []
        for message, status in zip(messages, statuses, strict=True):
            place = bytes.fromhex(message.execution_id.replace("-", "")), bytes.fromhex(message.id.replace("-", ""))
            if status is not None and status not in FINAL and place not in consumed:
                rows.append(_row(message))
        transaction.queue_rows("put_messages", sorted(rows))
        waiting = [e for e in open_ones if e.status == Status.WAITING]
        leave(transaction, "remove_timers", [e for e in waiting if e.wake_at])
        transaction.queue("wake", ids=ids, now=now)
        enter_ready(transaction, [(e, now) for e in waiting])
        for execution in waiting:
            transaction.move(execution.workflow, Status.WAITING, Status.PENDING)
        transaction.flush()
    return statuses


def _row(message: Message) -> str:
    m = message
    ids = f"{id_literal(m.execution_id)}, {new_id_literal(m.id)}"
    return f"({ids}, {literal(m.name)}, {literal(m.payload)}, {m.sent_at})"


def read_messages(transaction: Transaction, ids: Iterable[str]) -> dict[str, list[Message]]:
    """By execution, in the order of arrival."""
    found: dict[str, list[Message]] = {}
    wanted = id_list(ids)
    for message in map(_to_message, transaction.select("claimed_messages", ids=wanted) if wanted else ()):
        found.setdefault(message.execution_id, []).append(message)
    return found


def owned_messages(transaction: Transaction, node: str) -> list[Message]:
    rows = transaction.select("owned_messages", node=id_literal(node), limit=MESSAGES_PER_BEAT)
    return [_to_message(row) for row in rows]


def consume(transaction: Transaction, consumed: Sequence[tuple[str, str]]) -> None:
    """Pairs of execution and message."""
    rows = sorted(f"({id_literal(execution_id)}, {id_literal(id)})" for execution_id, id in consumed)
    transaction.queue_rows("consume_messages", rows)


def _to_message(row: Sequence[Any]) -> Message:
    id, execution_id, name, payload, sent_at = row
    return Message(id_text(id), id_text(execution_id), name.decode(), payload, sent_at)
