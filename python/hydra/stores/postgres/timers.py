"""Makes due what a timer held, and ends what ran out of time. Bounded batches, conditional writes, no fence needed."""

from __future__ import annotations

from collections.abc import Callable

from hydra.stores.admitting import admit_called
from hydra.stores.postgres.admitting import Keys
from hydra.stores.postgres.session import Result

Write = Callable[..., list[Result]]


def promote(write: Write, namespace: str, now: int, limit: int) -> tuple[int, list[str]]:
    """Time-outs first: what is both late and due to wake has failed. How many changed, at most `limit` of a kind, and
    which failed.
    """
    values = {"namespace": namespace, "now": now, "limit": limit}
    late, woken = write(("fail_timeouts", values), ("promote", values))
    (changed_count, failed) = late.rows[0]
    admitted = admit_called(Keys(write, namespace), now)
    return int(changed_count) + woken.row_count + admitted, failed
