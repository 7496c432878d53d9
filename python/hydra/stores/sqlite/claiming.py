"""Takes due executions for a node. Locks and marks first, reads the records in a later statement (R12)."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hydra._core import select as choose
from hydra.execution import Claimed, NodeRef, Record
from hydra.stores.arrivals import BEFORE_ALL
from hydra.stores.claim_sizes import TOO_LARGE, first_part, fitting, too_large
from hydra.stores.rows import DECODING, damaged, never_so_far, to_claimed
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.failures import primary_code
from hydra.stores.sqlite.fence import check_fence
from hydra.stores.sqlite.mailbox import read_messages
from hydra.stores.sqlite.parking import park
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Reading, Transaction

NOT_TEXT = "Could not decode to UTF-8"  # sqlite3 has no class and no code of its own for it


def claim(transaction: Transaction, node: NodeRef, workflows: Sequence[str], slots: int, now: int) -> list[Claimed]:
    """The best of the heads of each workflow's queue, marked as this node's."""
    check_fence(transaction, node)  # guard R6: a claim takes the fence
    ids: list[str] = []
    groups: list[int] = []
    priorities: list[int] = []
    run_ats: list[int] = []
    heads = transaction.select_json("claim_heads", workflows=to_json(list(workflows)), slots=slots)
    for group, head in enumerate(heads):
        for id, priority, run_at in head:
            ids.append(id)
            groups.append(group)
            priorities.append(priority)
            run_ats.append(run_at)
    if not ids:
        return []
    best = [ids[index] for index in choose(priorities, run_ats, groups, slots)]
    sizes: dict[str, int] = dict(transaction.select_json("claim_sizes", ids=to_json(best)))
    chosen, oversized = fitting(best, sizes)
    for id, size in oversized.items():
        park(transaction, node.id, [never_so_far(id)], TOO_LARGE, too_large(size), now)
    marked = transaction.execute("claim_mark", node=node.id, now=now, ids=to_json(sorted(chosen)))
    if marked != len(chosen):
        raise AssertionError(f"{len(chosen)} executions were ready under the write lock, {marked} were marked")
    claimed = read_claimed(transaction, node, chosen)
    changes = Changes()
    for workflow, count in Counter(execution.workflow for execution in claimed).items():
        changes.move(workflow, "pending", "running", count)
    changes.write(transaction)
    return claimed


def recover(transaction: Transaction, node: NodeRef, ids: Sequence[str]) -> list[Claimed]:
    """The first of what a claim took whose reply was lost (R16), as many as a claim may bring."""
    check_fence(transaction, node)  # guard R6: reading back takes the fence
    sizes: dict[str, int] = dict(transaction.select_json("claim_sizes", ids=to_json(list(ids))))
    return read_claimed(transaction, node, first_part(ids, sizes))


def read_claimed(reading: Reading, node: NodeRef, ids: Sequence[str]) -> list[Claimed]:
    """What a node owns of these, with the records; in halves when it is too much for one answer, or one is damaged."""
    try:
        return _read_claimed(reading, node, ids)
    except (sqlite3.DataError, sqlite3.OperationalError, *DECODING) as error:
        is_too_big = isinstance(error, sqlite3.DataError) and primary_code(error) == sqlite3.SQLITE_TOOBIG
        is_damaged = isinstance(error, DECODING) or NOT_TEXT in str(error)
        if not is_too_big and not is_damaged:
            raise
        if len(ids) == 1:
            if not is_damaged:
                raise
            found = reading.select("claimed_epochs", node=node.id, id=ids[0])
            return [damaged(id, epoch, error, workflow) for id, epoch, workflow in found]
        middle = len(ids) // 2
        return read_claimed(reading, node, ids[:middle]) + read_claimed(reading, node, ids[middle:])


def _read_claimed(reading: Reading, node: NodeRef, ids: Sequence[str]) -> list[Claimed]:
    rows = reading.select_json("claimed_executions", node=node.id, ids=to_json(list(ids)))
    records: dict[str, list[Record]] = {row[0]: [] for row in rows}
    if recorded := [row[0] for row in rows if row[16]]:
        for id, *values in reading.select_json("claimed_records", ids=to_json(recorded)):
            records[id].append(_to_record(values))
    for recorded_ones in records.values():
        recorded_ones.sort(key=_seq_of)
    woken = {row[0]: BEFORE_ALL for row in rows if row[11]}
    pages = read_messages(reading, woken) if woken else {}
    claimed = []
    for row in rows:
        messages, has_more = pages.get(row[0], ((), False))
        whole = [*row[:4], bytes.fromhex(row[4]), *row[5:]]
        claimed.append(to_claimed(whole, records[row[0]], messages, has_more=has_more))
    return claimed


def _seq_of(record: Record) -> int:
    return record.seq


def _to_record(values: list[Any]) -> Record:
    seq, kind, branch, name, ordinal, attempt, digest, payload, started_at, finished_at, due_at = values
    content = None if payload is None else bytes.fromhex(payload)
    return Record(
        seq, kind, branch, name, ordinal, attempt, bytes.fromhex(digest), content, started_at, finished_at, due_at
    )
