"""A value that the database will never take parks its execution, so that it ends neither the node nor its other work.

What came before the value is written; the value's step runs again once a person has resumed the execution.
"""

from __future__ import annotations

import logging

from hydra.codec import encode
from hydra.dispatch.events import CommitDone, SendCommit
from hydra.errors import PayloadError
from hydra.execution import End, Ending, ExecutionCommit, NodeRef, Record
from hydra.stores.store import Store

log = logging.getLogger("hydra.store")


def write_or_park(store: Store, node: NodeRef, action: SendCommit, now: int) -> CommitDone:
    """One execution's commit by itself."""
    (commit,) = action.commits
    try:
        with store.transaction():
            return CommitDone(action.batch, store.commit(node, [commit], now), frozenset())
    except PayloadError as error:
        sentence = f"{error}; then `hydra resume {commit.id}`, which runs again whatever gave the value"
        log.error("parked execution `%s`: %s", commit.id, sentence)
        end = End(Ending.PARKED, payload=encode(sentence))
        with store.transaction():
            store.commit(node, [ExecutionCommit(commit.id, commit.epoch, _before_largest(commit), end)], now)
        return CommitDone(action.batch, [False], frozenset())  # it is this node's no longer


def _before_largest(commit: ExecutionCommit) -> list[Record]:
    sizes = [len(record.payload or b"") for record in commit.records]
    if commit.end is not None and len(commit.end.payload or b"") > max(sizes, default=0):
        return list(commit.records)
    return list(commit.records[: sizes.index(max(sizes))]) if sizes else []
