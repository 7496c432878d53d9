"""Takes due executions for a node: one statement locks and marks, a later one of the flush reads the records (R12)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hydra.execution import Claimed, NodeRef, Record
from hydra.stores.claim_sizes import CLAIM_BYTES, MAX_EXECUTION_BYTES, TOO_LARGE, first_part, too_large
from hydra.stores.postgres.arrays import bigints, is_uuid, texts, uuids
from hydra.stores.postgres.fence import check_fence, fence
from hydra.stores.postgres.heads import Heads
from hydra.stores.postgres.mailbox import FIRST_PAGE, pages
from hydra.stores.postgres.parking import park
from hydra.stores.postgres.replacing import inputs_again
from hydra.stores.postgres.session import Result
from hydra.stores.postgres.transaction import Transaction
from hydra.stores.rows import never_so_far, to_claimed

LIMITS = {"bytes": CLAIM_BYTES, "bytes_max": MAX_EXECUTION_BYTES}


def claim(
    transaction: Transaction, heads: Heads, node: NodeRef, workflows: Sequence[str], slots: int, now: int
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
    # guard R12: the records are read by a later statement than the claim
    marked, recorded, messages = transaction.run(
        ("claim", {**fence(node), **queues, "slots": slots, "now": now, **LIMITS}),
        ("claimed_records", {"node": node.id, "now": now}),
        ("claimed_messages", {"node": node.id, "now": now, **FIRST_PAGE}),
    )
    marked = inputs_again(transaction, marked)  # guard R12: what was replaced after the claim had looked is read again
    claimed = _claimed(node, marked, recorded, messages)
    places_taken = {row[0]: (row[16], row[17]) for row in marked.rows}  # in the queue: those of a turn are not its own
    for row in marked.rows:
        if row[0] is not None and (size := row[-1]) is not None:
            park(transaction, node.id, [never_so_far(row[0])], TOO_LARGE, too_large(int(size)), now)
    ended = time.monotonic()
    heads.learn(places, ((each.workflow, *places_taken[each.id]) for each in claimed), ended - began, ended)
    claimed.sort(key=lambda execution: (-places_taken[execution.id][0], places_taken[execution.id][1], execution.id))
    return claimed


def recover(transaction: Transaction, node: NodeRef, ids: Sequence[str]) -> list[Claimed]:
    """The first of what a claim took whose reply was lost (R16), as many as a claim may bring."""
    asked = [id for id in ids if is_uuid(id)]
    sized = transaction.select("recovered_sizes", ids=uuids(asked))
    wanted = uuids(first_part(asked, {id: int(size) for id, size in sized}))
    owned, recorded, messages = transaction.run(
        ("recovered_executions", {**fence(node), "ids": wanted}),
        ("recovered_records", {"ids": wanted}),
        ("recovered_messages", {"ids": wanted, **FIRST_PAGE}),
    )
    return _claimed(node, owned, recorded, messages)


def _claimed(node: NodeRef, executions: Result, recorded: Result, arrived: Result) -> list[Claimed]:
    check_fence(node, executions.rows)
    records: dict[str, list[Record]] = {}
    for id, *values in recorded.rows:
        records.setdefault(id, []).append(Record(*values))
    arrivals = pages(arrived)
    claimed = []
    for row in executions.rows:
        if row[0] is not None and row[1] is not None:
            messages, has_more = arrivals.get(row[0], ((), False))
            claimed.append(to_claimed(row, records.get(row[0], []), messages, has_more=has_more))
    return claimed
