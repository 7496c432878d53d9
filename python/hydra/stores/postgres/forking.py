"""Makes an execution that has recorded what another had."""

from __future__ import annotations

from collections.abc import Callable

from hydra.errors import NotFound
from hydra.execution import Submitted
from hydra.records.forks import Fork
from hydra.stores.postgres.arrays import uuids
from hydra.stores.postgres.session import Result
from hydra.stores.postgres.submission import submit

Write = Callable[..., list[Result]]


def fork(write: Write, namespace: str, fork: Fork, now: int) -> Submitted:
    """For an open transaction: all of it or nothing, NotFound voids it."""
    (answer,) = submit(write, namespace, [fork.submission], now)
    if not answer.created:
        return answer
    own = {"id": answer.id, "record_count": fork.record_count}
    copied, _, _ = write(
        ("fork_records", {**own, "sources": uuids([fork.source_id]), "namespace": namespace}),
        ("fork_claim", {"id": answer.id, "detail": fork.detail, "now": now}),
        ("fork_mark", own),
    )
    if copied.row_count != fork.record_count:
        message = f"execution `{fork.source_id}` has {copied.row_count} records of {fork.record_count} left to fork"
        raise NotFound(message)
    return answer
