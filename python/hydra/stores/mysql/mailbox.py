"""Messages: put before an execution, which wakes or is marked; read by its next claim; consumed by a record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.execution import FINAL, Message, Status
from hydra.stores.mysql.locking import enter_ready, leave, lock_executions
from hydra.stores.mysql.statements import id_list, id_literal, id_text, literal, new_id_literal
from hydra.stores.mysql.transaction import Transaction


def signal(transaction: Transaction, messages: Sequence[Message], now: int) -> list[Status | None]:
    """The status before. Nothing suspends between the message and the mark: its row is locked (R14)."""
    found = {e.id: e for e in lock_executions(transaction, {message.execution_id for message in messages})}
    open_ones = [e for e in found.values() if e.status not in FINAL]
    if open_ones:
        _put(transaction, [m for m in messages if m.execution_id in {e.id for e in open_ones}])
        waiting = [e for e in open_ones if e.status == Status.WAITING]
        if waiting:
            leave(transaction, "remove_timers", [e for e in waiting if e.wake_at])
            transaction.queue("wake", ids=id_list(e.id for e in waiting), now=now)
            enter_ready(transaction, [(e, now) for e in waiting])
        others = [e.id for e in open_ones if e.status != Status.WAITING]
        if others:
            transaction.queue("mark_woken", ids=id_list(others))
        for execution in waiting:
            transaction.move(execution.workflow, Status.WAITING, Status.PENDING)
        transaction.flush()
    return [Status(found[m.execution_id].status) if m.execution_id in found else None for m in messages]


def read_messages(transaction: Transaction, ids: Sequence[str]) -> dict[str, list[Message]]:
    """By execution, in the order of arrival."""
    found: dict[str, list[Message]] = {}
    if ids:
        for row in transaction.select("claimed_messages", ids=id_list(ids)):
            message = to_message(row)
            found.setdefault(message.execution_id, []).append(message)
    return found


def consume(transaction: Transaction, consumed: Sequence[tuple[str, str]]) -> None:
    """Pairs of execution and message."""
    if consumed:
        executions, messages = zip(*consumed, strict=True)
        transaction.queue("consume_messages", ids=id_list(executions), messages=id_list(messages))


def _put(transaction: Transaction, messages: Sequence[Message]) -> None:
    rows = transaction.select("consumed_messages", ids=id_list(m.execution_id for m in messages))
    consumed = {(id_text(execution_id), id_text(digest)) for execution_id, digest in rows}
    transaction.queue_rows("put_messages", [_row(m) for m in messages if (m.execution_id, m.id) not in consumed])


def _row(message: Message) -> str:
    ids = f"{id_literal(message.execution_id)}, {new_id_literal(message.id)}"
    return f"({ids}, {literal(message.name)}, {literal(message.payload)}, {message.sent_at})"


def to_message(row: Sequence[Any]) -> Message:
    id, execution_id, name, payload, sent_at = row
    return Message(id_text(id), id_text(execution_id), name.decode(), payload, sent_at)
