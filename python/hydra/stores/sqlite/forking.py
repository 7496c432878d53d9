"""Makes an execution that has recorded what another had."""

from __future__ import annotations

from hydra.errors import NotFound
from hydra.execution import Submitted
from hydra.records.forks import Fork
from hydra.stores.sqlite import attributes
from hydra.stores.sqlite.submission import submit
from hydra.stores.sqlite.transaction import Transaction


def fork(transaction: Transaction, fork: Fork, now: int) -> Submitted:
    """All of it or nothing: NotFound voids the transaction."""
    (answer,) = submit(transaction, [fork.submission], now)
    if not answer.created:
        return answer
    own = {"id": answer.id, "record_count": fork.record_count}
    copied = transaction.execute("fork_records", **own, source=fork.source_id)
    if copied != fork.record_count:
        raise NotFound(f"execution `{fork.source_id}` has {copied} records of {fork.record_count} left to fork")
    if fork.takes_attributes:
        attributes.copy(transaction, [(fork.source_id, answer.id)])
    attributes.change(transaction, [(answer.id, fork.changes)])
    transaction.execute("fork_claim", id=answer.id, detail=fork.detail, now=now)
    transaction.execute("fork_mark", **own)
    return answer
