"""Makes due what a timer held, and ends what ran out of time. Bounded batches, conditional writes, no fence needed."""

from __future__ import annotations

from collections.abc import Callable

from hydra.stores.postgres.session import Result

Write = Callable[..., list[Result]]


def promote(write: Write, namespace: str, now: int, limit: int) -> int:
    """Time-outs first: what is both late and due to wake has failed. How many changed, at most `limit` of a kind."""
    values = {"namespace": namespace, "now": now, "limit": limit}
    late, woken = write(("fail_timeouts", values), ("promote", values))
    rows = late.rows
    return int(rows[0][0]) + woken.row_count
