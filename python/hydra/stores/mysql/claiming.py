"""Takes due executions for a node. Locks and marks first, reads the records in a later statement (R12)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from hydra._core import select as choose
from hydra.execution import Claimed, NodeRef, Record
from hydra.limit_keys import FAIR
from hydra.stores.claim_sizes import TOO_LARGE, first_part, fitting, too_large
from hydra.stores.mysql.admitting import call
from hydra.stores.mysql.heads import Heads
from hydra.stores.mysql.mailbox import read_messages
from hydra.stores.mysql.parking import park
from hydra.stores.mysql.statements import id_list, id_literal, id_text, literal
from hydra.stores.mysql.transaction import Transaction
from hydra.stores.rows import DECODING, damaged, never_so_far, shown, to_claimed

FAIR_KEYS = f"{FAIR}:".encode()


def claim(
    transaction: Transaction, heads: Heads, node: NodeRef, workflows: Sequence[str], slots: int, now: int
) -> list[Claimed]:
    """The best of the heads of each workflow's queue, marked as this node's. What others hold now is left to them."""
    if heads.is_idle and _is_nothing_ready(transaction, workflows):
        return []
    transaction.check_fence(node)  # guard R6: a claim takes the fence
    chosen = _lock_ready(transaction, heads, workflows, slots)
    heads.is_idle = not chosen
    if not chosen:
        return []
    sizes = {id_text(id): int(size) for id, size in transaction.select("claim_sizes", ids=id_list(chosen))}
    chosen, oversized = fitting(chosen, sizes)
    for id, size in oversized.items():
        park(transaction, node.id, [never_so_far(id)], TOO_LARGE, too_large(size), now)
    if not chosen:
        return []
    # guard R12: the records are read after the lock
    rows = transaction.select("claim_executions", ids=id_list(chosen), now=now)
    ids = [id_text(row[0]) for row in rows]
    if not ids:
        return []
    transaction.queue("remove_ready", ids=id_list(ids))  # before its priority is its own again
    transaction.queue("claim_mark", ids=id_list(ids), node=id_literal(node.id), now=now)
    turns_used = {gate.decode() for *_, gate in rows if gate.startswith(FAIR_KEYS)}
    if turns_used:
        call(transaction, turns_used)
    claimed = {execution.id: execution for execution in _to_claimed(transaction, [row[:-1] for row in rows])}
    for execution in claimed.values():
        transaction.move(execution.workflow, "pending", "running")  # guard R12: what is claimed has those records
    return [claimed[id] for id in chosen if id in claimed]


def recover(transaction: Transaction, node: NodeRef, ids: Sequence[str]) -> list[Claimed]:
    """What the node owns of the first of these, as `claim` would give it, and as many."""
    transaction.check_fence(node)  # guard R6: reading back takes the fence
    if not ids:
        return []
    sizes = {id_text(id): int(size) for id, size in transaction.select("claim_sizes", ids=id_list(ids))}
    part = first_part(ids, sizes)
    rows = transaction.select("claimed_executions", ids=id_list(part), node=id_literal(node.id))
    return _to_claimed(transaction, rows)


def read_records(transaction: Transaction, ids: Sequence[str]) -> dict[str, list[Record]]:
    """By execution, in order."""
    if not ids:
        return {}
    records: dict[str, list[Record]] = {}
    for row in transaction.select("claimed_records", ids=id_list(ids)):
        records.setdefault(id_text(row[0]), []).append(to_record(row[1:]))
    return records


def to_record(row: Sequence[Any], text: Callable[[bytes], str] = bytes.decode) -> Record:
    seq, kind, branch, name, ordinal, attempt, digest, payload, started_at, finished_at, due_at = row
    return Record(
        seq, kind, text(branch), text(name), ordinal, attempt, digest, payload, started_at, finished_at, due_at
    )


def _to_claimed(transaction: Transaction, rows: Sequence[Sequence[Any]]) -> list[Claimed]:
    """In halves where something of one is damaged."""
    try:
        return _decode(transaction, rows)
    except DECODING as error:
        if len(rows) == 1:
            id, epoch, workflow = rows[0][:3]
            return [damaged(id_text(id), epoch, error, shown(workflow))]
        middle = len(rows) // 2
        return _to_claimed(transaction, rows[:middle]) + _to_claimed(transaction, rows[middle:])


def _decode(transaction: Transaction, rows: Sequence[Sequence[Any]]) -> list[Claimed]:
    """With the records and messages of those that have any; a fresh execution costs nothing."""
    records = read_records(transaction, [id_text(row[0]) for row in rows if row[-1]])
    messages = read_messages(transaction, [id_text(row[0]) for row in rows if row[11]])
    found = []
    for key, epoch, workflow, idempotency_key, *values, timeout_at, wake_seq, attention, deaths, alone, tags, _ in rows:
        id = id_text(key)
        name = None if idempotency_key is None else idempotency_key.decode()
        start = (id, epoch, workflow.decode(), name, *values)
        page, has_more = messages.get(id, ((), False))
        found.append(
            to_claimed(
                (*start, timeout_at or None, wake_seq, attention, deaths, alone, tags),
                records.get(id, []),
                page,
                has_more=has_more,
            )
        )
    return found


def _is_nothing_ready(transaction: Transaction, workflows: Sequence[str]) -> bool:
    """What an idle node asks once a second costs one statement, and neither a lock nor a transaction."""
    if not workflows:
        return False
    found = transaction.peek("claim_peek", workflows=", ".join(sorted(map(literal, workflows))))
    return found is not None and not found[0][0]


def _lock_ready(transaction: Transaction, heads: Heads, workflows: Sequence[str], slots: int) -> list[str]:
    """The chosen executions, in the order to run them."""
    if transaction.has_writes:
        transaction.flush()  # so that a look is timed alone
    if not heads.is_full_look_due():
        chosen = _look_past(transaction, heads, workflows, slots)
        if len(chosen) < slots:
            heads.came_up_short()
        return chosen
    chosen, seconds = _look(transaction, heads, dict.fromkeys(workflows, "true"), slots)
    if heads.looked(seconds):
        _look_past(transaction, heads, workflows, slots)
    return chosen


def _look_past(transaction: Transaction, heads: Heads, workflows: Sequence[str], slots: int) -> list[str]:
    """The same past the heads."""
    started = time.monotonic()
    chosen, _ = _look(transaction, heads, {name: heads.bounds(name) for name in workflows}, slots)
    heads.looked_past(time.monotonic() - started)
    return chosen


def _look(transaction: Transaction, heads: Heads, bounds: dict[str, str], slots: int) -> tuple[list[str], float]:
    """What is chosen and locked of each workflow within its bounds, and how long that took."""
    started = time.monotonic()
    shares = _shares(transaction, bounds, slots) if len(bounds) > 1 else dict.fromkeys(bounds, slots)
    ids: list[str] = []
    priorities: list[int] = []
    run_ats: list[int] = []
    groups: list[int] = []
    for group, (workflow, share) in enumerate(shares.items()):
        rows = transaction.select("claim_lock", workflow=literal(workflow), bounds=bounds[workflow], slots=share)
        heads.saw(workflow, [(negated_priority, run_at, id) for negated_priority, run_at, id in rows])
        for negated_priority, run_at, id in rows:
            ids.append(id_text(id))
            priorities.append(-negated_priority)
            run_ats.append(run_at)
            groups.append(group)
    seconds = time.monotonic() - started
    return [ids[index] for index in choose(priorities, run_ats, groups, slots)] if ids else [], seconds


def _shares(transaction: Transaction, bounds: dict[str, str], slots: int) -> dict[str, int]:
    """How many to lock of each workflow, chosen from the heads of their queues without locking any."""
    workflows = list(bounds)
    looks = [
        transaction.render("claim_head", group=group, workflow=literal(name), bounds=bounds[name], slots=slots)
        for group, name in enumerate(workflows)
    ]
    rows = transaction.rows_of(" union all ".join(looks)) if looks else []
    if not rows:
        return {}
    groups, priorities, run_ats = [list(column) for column in zip(*rows, strict=True)]
    chosen = Counter(groups[index] for index in choose(priorities, run_ats, groups, slots))
    return {workflows[group]: count for group, count in sorted(chosen.items())}
