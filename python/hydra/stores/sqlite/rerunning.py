"""Runs ended executions again as new ones, under their keys."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.stores.rerunning import Reran, Rerun, acts_of, sort_out
from hydra.stores.rows import to_source
from hydra.stores.sqlite.acts import add_acts
from hydra.stores.sqlite.attributes import copy
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.submission import submit
from hydra.stores.sqlite.transaction import Transaction


def rerun(transaction: Transaction, orders: Sequence[Rerun], now: int) -> list[Reran | None]:
    """All of them under the write lock."""
    ids = to_json([order.source_id for order in orders])
    rows = transaction.select("rerun_sources", ids=ids)
    answers, wanted = sort_out(orders, {row[0]: to_source(row[1:]) for row in rows})
    if wanted:
        submit(transaction, [submission for _, submission in wanted], now)
        copy(transaction, [(order.source_id, order.id) for order, _ in wanted])
        transaction.execute("add_former", ids=to_json([order.source_id for order, _ in wanted]))
    add_acts(transaction, [act for order, _ in wanted for act in acts_of(order)])
    return answers
