"""Makes due what a timer held, and ends what ran out of time. Bounded batches, conditional writes, no fence needed."""

from __future__ import annotations

from functools import partial

from hydra.stores.admitting import Turn, admit_called
from hydra.stores.postgres.admitting import Keys
from hydra.stores.postgres.arrays import uuids
from hydra.stores.postgres.cancelling import request_cancel
from hydra.stores.postgres.news import DONE, READY
from hydra.stores.postgres.parking import park
from hydra.stores.postgres.transaction import Reading, Transaction
from hydra.stores.rows import NO_NODE


def promote(transaction: Transaction, turn: Turn, now: int, limit: int) -> tuple[int, list[str]]:
    """Time-outs first: what is both late and due to wake has failed. How many changed, at most `limit` of a kind, and
    which failed.
    """
    values = {"now": now, "limit": limit}
    late, due = transaction.run(("fail_timeouts", values), ("promote", values))
    (changed_count, failed) = late.rows[0]
    (woken_count, limited) = due.rows[0]
    if limited:
        transaction.execute("wait_at_gates", ids=uuids(limited))
    moved = (
        int(changed_count)
        + int(woken_count)
        + len(limited)
        + admit_called(Keys(transaction), turn, now, partial(park, transaction, NO_NODE, now=now))
    )
    if failed:
        request_cancel(transaction, failed, now)  # of their children; they have ended themselves
    if moved:
        transaction.announce(READY, moved)
        transaction.announce(DONE)
    return moved, failed


def next_due_at(reading: Reading) -> int | None:
    answers = reading.rows_of(("next_due", {}), ("next_gate_call", {}))
    return min((rows[0][0] for rows in answers if rows[0][0] is not None), default=None)
