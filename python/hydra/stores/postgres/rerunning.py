"""Runs ended executions again as new ones, under their keys."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.stores.postgres.acts import acts_step
from hydra.stores.postgres.arrays import byteas, is_uuid, key_hash, texts, uuids
from hydra.stores.postgres.attributes import copying
from hydra.stores.postgres.news import READY
from hydra.stores.postgres.submission import add
from hydra.stores.postgres.transaction import Transaction
from hydra.stores.rerunning import Reran, Rerun, acts_of, sort_out
from hydra.stores.rows import to_source


def rerun(transaction: Transaction, orders: Sequence[Rerun], now: int) -> list[Reran | None]:
    """Keys are locked, then outcomes, then what they are is read. Keys and workflows never change, so which keys to
    lock is known before."""
    own = {"ids": uuids(sorted({o.source_id for o in orders if is_uuid(o.source_id)}))}
    seen = transaction.select("rerun_sources", **own)
    keys = sorted({(workflow, key_hash(key)) for _, _, _, workflow, key, *_ in seen if key is not None})
    named = {"workflows": texts([workflow for workflow, _ in keys]), "key_hashes": byteas([hash for _, hash in keys])}
    _, _, found, known = transaction.run(
        ("lock_keys", named), ("lock_outcomes", own), ("rerun_sources", own), ("submit_known_keys", named)
    )
    holders = {(workflow, key): id for workflow, key, id, *_ in known.rows}
    sources = {
        id: to_source((*facts, holders.get((facts[2], facts[3])), rerun_id)) for id, *facts, rerun_id in found.rows
    }
    answers, wanted = sort_out(orders, sources)
    if wanted:
        add(transaction, [submission for _, submission in wanted], now)
        lines = acts_step([act for order, _ in wanted for act in acts_of(order)])
        copied = copying([(order.source_id, order.id) for order, _ in wanted])
        transaction.run(("add_former", {"ids": uuids([order.source_id for order, _ in wanted])}), copied, lines)
    transaction.announce(READY)
    return answers
