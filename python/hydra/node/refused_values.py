"""What the database never takes of one execution parks it, so that it ends neither the node nor its other work (G7).

A value it refuses, or a fault of hydra's own: what came before is written, and what was not runs again once a person
has resumed the execution.
"""

from __future__ import annotations

from hydra.codec import encode
from hydra.dispatch.events import CommitDone, SendCommit
from hydra.errors import LeaseLost, PayloadError
from hydra.execution import CommitAnswer, End, Ending, ExecutionCommit, NodeRef, Record
from hydra.node.membership import NO_ANSWER
from hydra.node.outcome_log import tell_found
from hydra.node.spawns_by_name import RefusedSpawn, Registered, completed
from hydra.stores.store import Store


def write_or_park(store: Store, node: NodeRef, action: SendCommit, registered: Registered, now: int) -> CommitDone:
    """One execution's commit by itself."""
    (asked,) = action.commits
    refused = CommitDone(action.batch, [CommitAnswer.REFUSED], given_up=frozenset((asked.id,)))
    try:
        (commit,) = completed([asked], registered)
    except RefusedSpawn as error:
        before = [record for record in asked.records if record.seq < error.seq]
        (commit,) = completed([ExecutionCommit(asked.id, asked.epoch, before)], registered)
        _park(store, node, commit, commit.records, _told(error, commit), now)
        return refused
    try:
        with store.transaction():
            written = store.commit(node, [commit], now)
            return CommitDone(action.batch, written, arrived=[(0, record) for record in commit.arrived])
    except (LeaseLost, *NO_ANSWER):
        raise
    except PayloadError as error:
        _park(store, node, commit, _before_largest(commit), _told(error, commit), now)
    except Exception as error:
        sentence = (
            f"hydra could not write what it did ({type(error).__name__}: {error}); please report this, then resume it"
        )
        _park(store, node, commit, list(commit.records), sentence, now)
    return refused


def _told(error: PayloadError, commit: ExecutionCommit) -> str:
    return f"{error}; then `hydra resume {commit.id}`"


def _park(store: Store, node: NodeRef, commit: ExecutionCommit, records: list[Record], sentence: str, now: int) -> None:
    """With as many of the first records as can be written, found by halves."""
    sentence = f"{sentence}, which runs again whatever was not written"
    end = End(Ending.PARKED, payload=encode(sentence))
    while True:
        try:
            with store.transaction():
                store.commit(node, [ExecutionCommit(commit.id, commit.epoch, records, end)], now)
            tell_found(store, [commit.id])
            return
        except (LeaseLost, *NO_ANSWER):
            raise
        except Exception:
            if not records:
                raise
            records = records[: len(records) // 2]


def _before_largest(commit: ExecutionCommit) -> list[Record]:
    sizes = [len(record.payload or b"") for record in commit.records]
    if commit.end is not None and len(commit.end.payload or b"") > max(sizes, default=0):
        return list(commit.records)
    return list(commit.records[: sizes.index(max(sizes))]) if sizes else []
