"""Messages: put before an execution, which wakes or is marked; read by its next claim; consumed by a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from hydra.execution import FINAL, ExecutionCommit, Message, NodeRef, RecordKind, Status
from hydra.records.wait_notes import message_in
from hydra.stores.arrivals import BEFORE_ALL, PAGE_BYTES, PAGE_MESSAGES, Arrivals, cut_page, expiring
from hydra.stores.batches import kinds_of
from hydra.stores.clash import Clash
from hydra.stores.postgres.arrays import bigints, byteas, integers, is_uuid, texts, uuids
from hydra.stores.postgres.fence import fence
from hydra.stores.postgres.news import READY
from hydra.stores.postgres.session import Result, Step
from hydra.stores.postgres.transaction import Transaction

PAGE = {"limit": PAGE_MESSAGES + 1, "bytes": PAGE_BYTES}
FIRST_PAGE = {**PAGE, "number": BEFORE_ALL}
TRIES = 3  # of a signal whose execution was not there, and is open again when that is looked at

_EVENT = RecordKind.EVENT.value


def signal(transaction: Transaction, messages: Sequence[Message], now: int) -> list[Status | Clash | None]:
    """`put`, and others are told."""
    answers = put(transaction, messages, now)
    transaction.announce(READY)
    return answers


def put(transaction: Transaction, messages: Sequence[Message], now: int) -> list[Status | Clash | None]:
    """The status before; of what is final, the status after the statement that found it so."""
    for _ in range(TRIES):
        answers, is_sure = _signal(transaction, messages, now)
        if is_sure:
            break
    return answers


def _signal(
    transaction: Transaction, messages: Sequence[Message], now: int
) -> tuple[list[Status | Clash | None], bool]:
    known = [message for message in messages if is_uuid(message.execution_id)]
    ids = {"ids": uuids(sorted({message.execution_id for message in known}))}
    places = {
        "execution_ids": uuids([message.execution_id for message in known]),
        "message_ids": uuids([message.id for message in known]),
    }
    contents = {
        "sent_ats": bigints([message.sent_at for message in known]),
        "places": integers(range(len(known))),
        "names": texts([message.name for message in known]),
        "payloads": byteas([message.payload for message in known]),
    }
    woken, _, clashing, states = transaction.run(
        ("signal", {**places, **contents, "now": now}),
        ("forget_consumed", places),  # guard R17: a message that was consumed is not put again
        ("clashing_messages", {**places, **contents}),
        ("states", ids),
    )
    took = {execution_id for execution_id, _ in woken.rows}
    before = {execution_id: Status(status) for execution_id, status in (*states.rows, *woken.rows)}
    clashes = {
        id(known[place])
        for place, name, payload in clashing.rows
        if name is None or message_in(name, payload) != (known[place].name, known[place].payload)
    }
    is_sure = all(execution_id in took or status in FINAL for execution_id, status in before.items())
    return [Clash.MESSAGE if id(m) in clashes else before.get(m.execution_id) for m in messages], is_sure


def pages(result: Result) -> dict[str, tuple[list[Message], bool]]:
    """By execution its first messages, in the order of arrival; whether there are more."""
    found: dict[str, list[Message]] = {}
    for row in result.rows:
        message = Message(*row)
        found.setdefault(message.execution_id, []).append(message)
    return {id: cut_page(messages) for id, messages in found.items()}


def owned_messages(node_id: str, listening: Mapping[str, int]) -> Step:
    """The next page of each execution that listens."""
    known = {id: number for id, number in listening.items() if is_uuid(id)}
    numbers = {"ids": uuids(list(known)), "numbers": bigints(list(known.values()))}
    return "owned_messages", {"node": node_id, **numbers, **PAGE}


def read_arrivals(transaction: Transaction, node: NodeRef, commits: Sequence[ExecutionCommit]) -> Arrivals:
    """What is there for the waits that these say are over; all their executions are locked from now on."""
    expected = [(id, name) for id, names in expiring(commits).items() if is_uuid(id) for name in sorted(set(names))]
    ids = uuids(sorted({commit.id for commit in commits if is_uuid(commit.id)}))
    waits = {"execution_ids": uuids([id for id, _ in expected]), "names": texts([name for _, name in expected])}
    locked, found = transaction.run(("lock_commit", {**fence(node), "ids": ids}), ("expected_messages", waits))
    return Arrivals((Message(*row) for row in found.rows), dict(locked.rows))


def consuming(commits: Sequence[ExecutionCommit]) -> list[Step]:
    """The statement that deletes what these records consumed, where they were accepted."""
    if _EVENT not in kinds_of(commits):
        return []
    events = [(item.id, record) for item in commits for record in item.records if record.kind == _EVENT]
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
