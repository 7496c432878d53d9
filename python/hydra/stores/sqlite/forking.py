"""Makes an execution that has recorded what another had."""

from __future__ import annotations

import sqlite3

from hydra.errors import NotFound
from hydra.execution import Submitted
from hydra.records.forks import Fork
from hydra.stores.sqlite.statements import execute
from hydra.stores.sqlite.submission import submit


def fork(connection: sqlite3.Connection, namespace: str, fork: Fork, now: int) -> Submitted:
    """All of it or nothing: NotFound voids the transaction."""
    (answer,) = submit(connection, namespace, [fork.submission], now)
    if not answer.created:
        return answer
    own = {"id": answer.id, "record_count": fork.record_count}
    copied = execute(connection, "fork_records", **own, source=fork.source_id, namespace=namespace)
    if copied != fork.record_count:
        raise NotFound(f"execution `{fork.source_id}` has {copied} records of {fork.record_count} left to fork")
    execute(connection, "fork_claim", id=answer.id, detail=fork.detail, now=now)
    execute(connection, "fork_mark", **own)
    return answer
