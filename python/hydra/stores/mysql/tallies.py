"""How many executions are in each state, and whether anything changed: written by every transaction, polled by watches.

Each store writes rows of one slot, so that committers of different processes do not queue for one row. Rows without a
workflow count transactions. A transaction of a caller's own, which may stay open, leaves rows nobody else writes;
heartbeats fold them.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter

from hydra.stores.mysql.statements import Word, literal
from hydra.stores.mysql.transaction import Reading

SLOT_COUNT = 64

# The transactions that a row without a workflow counts, in its place of the status.
ANYTHING = ""
NEW_WORK = "due"  # what a node waits for: others' claims and outcomes are no news to it

Changes = Counter[tuple[str, str]]


def read_changes(reading: Reading, kind: str) -> tuple[object, int]:
    """What is another after every transaction of the kind, and how many nodes are alive."""
    *counters, node_count = reading.select("tally_changes", kind=literal(Word(kind)))[0]
    return counters, node_count


def own_slot() -> int:
    return random.randrange(SLOT_COUNT)


def tally_rows(namespace: str, changes: Changes, slot: int, *, made_due: bool) -> list[str]:
    """Rows for `add_tallies`, the transaction counter first: who holds it has the slot. `namespace` is a literal."""
    if not changes and not made_due:
        return []
    counters = (ANYTHING, NEW_WORK) if made_due else (ANYTHING,)
    rows = [
        f"({namespace}, {literal(workflow)}, {literal(Word(status))}, {slot}, {count})"
        for (workflow, status), count in sorted(changes.items())
        if count
    ]
    return [f"({namespace}, x'', '{counter}', {slot}, 1)" for counter in counters] + rows


def delta_rows(namespace: str, changes: Changes) -> list[str]:
    """Rows for `add_deltas`."""
    return [
        f"({literal(uuid.uuid4().bytes)}, {namespace}, {literal(workflow)}, {literal(Word(status))}, {count})"
        for (workflow, status), count in changes.items()
        if count
    ]
