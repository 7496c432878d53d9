"""Messages: put before an execution, which wakes or is marked; read by its next claim; consumed by a record."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from hydra.execution import FINAL, ExecutionCommit, Message, Status
from hydra.stores.arrivals import PAGE_BYTES, PAGE_MESSAGES, Arrivals, Known, by_arrival, cut_page, expiring
from hydra.stores.clash import Clash
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.statements import RowStatement, to_json
from hydra.stores.sqlite.transaction import Reading, Transaction

_PUT_MESSAGES = RowStatement("put_messages")


def signal(transaction: Transaction, messages: Sequence[Message], now: int) -> list[Status | Clash | None]:
    """The status before. Under the write lock, so nothing suspends in between (R14)."""
    ids = to_json(sorted({message.execution_id for message in messages}))
    rows = transaction.select_json("wake_states", ids=ids)
    found = {id: (workflow, Status(status), wake_seq) for id, workflow, status, wake_seq in rows}
    wake_seqs = {id: wake_seq for id, (_, status, wake_seq) in found.items() if status not in FINAL}
    open_ones = [message for message in messages if message.execution_id in wake_seqs]
    known = Known(_read_known(transaction, open_ones))
    new = known.number(open_ones, wake_seqs)
    contents = [(m.execution_id, m.id, m.name, m.payload, m.sent_at, m.number) for m in new]
    transaction.execute_rows(_PUT_MESSAGES, contents)
    transaction.execute("wake", woken=to_json(sorted(known.woken.items())), now=now)
    changes = Changes()
    for id in known.woken:
        workflow, status, _ = found[id]
        if status is Status.WAITING:
            changes.move(workflow, status, Status.PENDING)
    changes.write(transaction)
    before = {id: status for id, (_, status, _) in found.items()}
    return known.answers(messages, before)


def select_states(reading: Reading, ids: str) -> list[list[str]]:
    return reading.select_json("states", ids=ids)


def read_messages(reading: Reading, wanted: Mapping[str, int]) -> dict[str, tuple[list[Message], bool]]:
    """By execution its first messages after a number, in the order of arrival; whether there are more."""
    found: dict[str, tuple[list[Message], bool]] = {}
    limits = {"limit": PAGE_MESSAGES + 1, "bytes": PAGE_BYTES}
    for execution_id, number in wanted.items():
        rows = reading.select_json_shown("claimed_messages", execution_id=execution_id, number=number, **limits)
        page = [Message(id, at, name, bytes.fromhex(payload), *times) for id, at, name, payload, *times in rows]
        found[execution_id] = cut_page(sorted(page, key=by_arrival))
    return found


def read_owned(reading: Reading, node_id: str, listening: Mapping[str, int]) -> tuple[list[Message], list[str]]:
    """The next page of each execution that this node runs and that was told something; which of them have more."""
    if not listening:
        return [], []
    woken = reading.select("owned_wakes", node=node_id, listening=to_json(list(listening.items())))
    pages = read_messages(reading, dict(woken)) if woken else {}
    return [message for page, _ in pages.values() for message in page], [id for id, (_, more) in pages.items() if more]


def read_arrivals(reading: Reading, commits: Sequence[ExecutionCommit]) -> Arrivals:
    """What is there for the waits that these say are over."""
    expected = [(id, name) for id, names in expiring(commits).items() for name in sorted(set(names))]
    rows = reading.select("expected_messages", rows=to_json(expected)) if expected else []
    return Arrivals(Message(*row) for row in rows)


def consume(transaction: Transaction, consumed: Sequence[tuple[str, str]]) -> None:
    """Pairs of execution and message."""
    if consumed:
        transaction.execute("consume_messages", rows=to_json(list(consumed)))


def _read_known(reading: Reading, messages: Sequence[Message]) -> list[tuple[str, str, str | None, bytes]]:
    if not messages:
        return []
    rows = [(m.execution_id, m.id, uuid.UUID(m.id).hex.upper()) for m in messages]
    ids = {hexed: id for _, id, hexed in rows}
    known = reading.select_json("known_messages", rows=to_json(rows))
    return [(id, ids.get(message, message), name, bytes.fromhex(payload or "")) for id, message, name, payload in known]
