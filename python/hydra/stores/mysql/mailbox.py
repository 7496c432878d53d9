"""Messages: put before an execution, which wakes or is marked; read by its next claim; consumed by a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.execution import FINAL, ExecutionCommit, Message, Status
from hydra.stores.arrivals import BEFORE_ALL, PAGE_BYTES, PAGE_MESSAGES, Arrivals, Known, by_arrival, cut_page, expiring
from hydra.stores.clash import Clash
from hydra.stores.mysql.admitting import become_due
from hydra.stores.mysql.locking import Locked, leave, lock_executions
from hydra.stores.mysql.statements import id_list, id_literal, id_text, literal, new_id_literal
from hydra.stores.mysql.transaction import Transaction
from hydra.stores.rows import shown


def signal(transaction: Transaction, messages: Sequence[Message], now: int) -> list[Status | Clash | None]:
    """The status before. Nothing suspends between the message and the mark: its row is locked (R14)."""
    found = {e.id: e for e in lock_executions(transaction, {message.execution_id for message in messages})}
    open_ones = [e for e in found.values() if e.status not in FINAL]
    wake_seqs = {e.id: e.wake_seq for e in open_ones}
    to_open_ones = [m for m in messages if m.execution_id in wake_seqs]
    known = Known(_read_known(transaction, to_open_ones))
    transaction.queue_rows("put_messages", [_row(m) for m in known.number(to_open_ones, wake_seqs)])
    woken = [e for e in open_ones if e.id in known.woken]
    if woken:
        waiting = [e for e in woken if e.status == Status.WAITING]
        leave(transaction, "remove_timers", [e for e in waiting if e.wake_at])
        _wake(transaction, woken, known.woken, now)
        become_due(transaction, [(e, now) for e in waiting])
        for execution in waiting:
            transaction.move(execution.workflow, Status.WAITING, Status.PENDING)
        # who runs one and listens is to hear of it at once, like whoever may claim one that waits
        transaction.due_count += sum(e.status == Status.RUNNING for e in woken)
        transaction.flush()
    return known.answers(messages, {id: Status(execution.status) for id, execution in found.items()})


def _wake(transaction: Transaction, executions: Sequence[Locked], wake_seqs: Mapping[str, int], now: int) -> None:
    """Nearly always by one, so that it is one statement for all that wait, and one for the others."""
    alike: dict[tuple[str, int], list[str]] = {}
    for execution in executions:
        name = "wake" if execution.status == Status.WAITING else "mark_woken"
        alike.setdefault((name, wake_seqs[execution.id] - execution.wake_seq), []).append(execution.id)
    for (name, added), ids in alike.items():
        transaction.queue(name, ids=id_list(ids), now=now, added=added)


def read_messages(transaction: Transaction, ids: Sequence[str]) -> dict[str, tuple[list[Message], bool]]:
    """By execution its first messages, in the order of arrival; whether there are more."""
    return pages(transaction.rows_of(select_pages(transaction, dict.fromkeys(ids, BEFORE_ALL)))) if ids else {}


def select_pages(transaction: Transaction, wanted: Mapping[str, int], node: str | None = None) -> str:
    """A statement for the first messages of each after a number; of those only that `node` runs and that were told."""
    selects = []
    for id, number in sorted(wanted.items()):
        values: dict[str, object] = {"id": id_literal(id), "number": number}
        condition = "true" if node is None else transaction.render("is_woken", node=node, **values)
        limits = {"limit": PAGE_MESSAGES + 1, "bytes": PAGE_BYTES}
        selects.append(transaction.render("message_page", condition=condition, **values, **limits))
    return " union all ".join(selects)


def pages(rows: Sequence[Sequence[Any]]) -> dict[str, tuple[list[Message], bool]]:
    found: dict[str, list[Message]] = {}
    for row in rows:
        message = to_message(row)
        found.setdefault(message.execution_id, []).append(message)
    return {id: cut_page(sorted(each, key=by_arrival)) for id, each in found.items()}


def read_arrivals(transaction: Transaction, commits: Sequence[ExecutionCommit]) -> Arrivals:
    """What is there for the waits that these say are over; their executions are locked."""
    names = expiring(commits)
    if not names:
        return Arrivals()
    wanted = ", ".join(sorted({literal(name) for each in names.values() for name in each}))
    return Arrivals(map(to_message, transaction.select("expected_messages", ids=id_list(names), names=wanted)))


def consume(transaction: Transaction, consumed: Sequence[tuple[str, str]]) -> None:
    """Pairs of execution and message."""
    if consumed:
        executions, messages = zip(*consumed, strict=True)
        transaction.queue("consume_messages", ids=id_list(executions), messages=id_list(messages))


def _read_known(transaction: Transaction, messages: Sequence[Message]) -> list[tuple[str, str, str | None, bytes]]:
    if not messages:
        return []
    ids, message_ids = id_list(m.execution_id for m in messages), id_list(m.id for m in messages)
    rows = transaction.select("known_messages", ids=ids, messages=message_ids)
    return [
        (id_text(key), id_text(id), None if name is None else shown(name), payload) for key, id, name, payload in rows
    ]


def _row(message: Message) -> str:
    ids = f"{id_literal(message.execution_id)}, {new_id_literal(message.id)}"
    places = f"{message.sent_at}, {message.number}, {len(message.payload)}"
    return f"({ids}, {literal(message.name)}, {literal(message.payload)}, {places})"


def to_message(row: Sequence[Any]) -> Message:
    id, execution_id, name, payload, sent_at, number = row
    return Message(id_text(id), id_text(execution_id), shown(name), payload, sent_at, number)
