"""Makes an execution that has recorded what another had."""

from __future__ import annotations

from hydra.errors import NotFound
from hydra.execution import Submitted
from hydra.records.forks import Fork
from hydra.stores.postgres import attributes
from hydra.stores.postgres.arrays import uuids
from hydra.stores.postgres.news import READY
from hydra.stores.postgres.submission import add
from hydra.stores.postgres.transaction import Transaction


def fork(transaction: Transaction, fork: Fork, now: int) -> Submitted:
    """For an open transaction: all of it or nothing, NotFound voids it."""
    (answer,) = add(transaction, [fork.submission], now)
    if not answer.created:
        transaction.announce(READY)
        return answer
    own = {"id": answer.id, "record_count": fork.record_count}
    begun = [attributes.copying([(fork.source_id, answer.id)])] if fork.takes_attributes else []
    copied, *_ = transaction.run(
        ("fork_records", {**own, "sources": uuids([fork.source_id])}),
        ("fork_claim", {"id": answer.id, "detail": fork.detail, "now": now}),
        ("fork_mark", own),
        *begun,
        *attributes.changing([(answer.id, fork.changes)]),
    )
    if copied.row_count != fork.record_count:
        message = f"execution `{fork.source_id}` has {copied.row_count} records of {fork.record_count} left to fork"
        raise NotFound(message)
    transaction.announce(READY)
    return answer
