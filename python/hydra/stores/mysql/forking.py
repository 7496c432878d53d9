"""Makes an execution that has recorded what another had."""

from __future__ import annotations

from hydra.errors import NotFound
from hydra.execution import Ending, Submitted
from hydra.records.forks import Fork
from hydra.stores.mysql import attributes
from hydra.stores.mysql.statements import NO_NODE, Word, id_literal, literal
from hydra.stores.mysql.submission import submit
from hydra.stores.mysql.transaction import Transaction


def fork(transaction: Transaction, fork: Fork, now: int) -> Submitted:
    """All of it or nothing: NotFound voids the transaction."""
    (answer,) = submit(transaction, [fork.submission], now)
    if not answer.created:
        return answer
    id, count = id_literal(answer.id), fork.record_count
    copied = transaction.execute("fork_records", id=id, source=id_literal(fork.source_id), record_count=count)
    if copied != count:
        raise NotFound(f"execution `{fork.source_id}` has {copied} records of {count} left to fork")
    if fork.takes_attributes:
        attributes.copy(transaction, fork.source_id, answer.id)
    attributes.change(transaction, [(answer.id, fork.changes)])
    ending = f"'{Word(Ending.RELEASED)}'"
    line = f"({id}, 1, 1, {NO_NODE}, null, {now}, {now}, {ending}, {literal(fork.detail)}, null)"
    transaction.queue_rows("add_claims", [line])
    transaction.queue("fork_mark", id=id, record_count=count)
    return answer
