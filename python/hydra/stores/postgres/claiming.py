"""Takes due executions for a node: one statement locks and marks, a later one of the flush reads the records (R12)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hydra.execution import Claimed, NodeRef, Record
from hydra.stores.postgres.arrays import bigints, is_uuid, texts, uuids
from hydra.stores.postgres.fence import check_fence, fence
from hydra.stores.postgres.heads import Heads
from hydra.stores.postgres.mailbox import by_execution
from hydra.stores.postgres.session import Result
from hydra.stores.rows import to_claimed

Write = Callable[..., list[Result]]


def claim(
    write: Write, heads: Heads, namespace: str, node: NodeRef, workflows: Sequence[str], slots: int, now: int
) -> list[Claimed]:
    """The best of the heads of each workflow's queue: priority, then age, as `_core.select` orders one group."""
    names = sorted(set(workflows))
    began = time.monotonic()
    places = heads.choose(names, began)
    queues = {
        "workflows": texts(names),
        "ranks": bigints([rank for rank, _ in places]),
        "run_ats": bigints([run_at for _, run_at in places]),
    }
    marked, recorded, messages = write(
        ("claim", {**fence(namespace, node), **queues, "slots": slots, "now": now}),
        ("claimed_records", {"node": node.id, "now": now}),
        ("claimed_messages", {"node": node.id, "now": now}),
    )
    claimed = _claimed(node, marked, recorded, messages)
    ended = time.monotonic()
    heads.learn(places, ((each.workflow, each.priority, each.run_at) for each in claimed), ended - began, ended)
    claimed.sort(key=lambda execution: (-execution.priority, execution.run_at, execution.id))
    return claimed


def recover(write: Write, namespace: str, node: NodeRef, ids: Sequence[str]) -> list[Claimed]:
    """What a claim took whose reply was lost (R16)."""
    wanted = uuids([id for id in ids if is_uuid(id)])
    owned, recorded, messages = write(
        ("recovered_executions", {**fence(namespace, node), "ids": wanted}),
        ("recovered_records", {"ids": wanted}),
        ("recovered_messages", {"ids": wanted}),
    )
    return _claimed(node, owned, recorded, messages)


def _claimed(node: NodeRef, executions: Result, recorded: Result, arrived: Result) -> list[Claimed]:
    check_fence(node, executions.rows)
    records: dict[str, list[Record]] = {}
    for id, *values in recorded.rows:
        records.setdefault(id, []).append(Record(*values))
    messages = by_execution(arrived)
    return [
        to_claimed(row, records.get(row[0], []), messages.get(row[0], ()))
        for row in executions.rows
        if row[0] is not None
    ]
