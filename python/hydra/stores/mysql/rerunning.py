"""Runs ended executions again as new ones, under their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.stores.mysql.acts import add_acts
from hydra.stores.mysql.attributes import copy
from hydra.stores.mysql.locking import lock_executions
from hydra.stores.mysql.statements import id_list, id_literal, id_text, key_hash, literal
from hydra.stores.mysql.submission import submit
from hydra.stores.mysql.transaction import Transaction
from hydra.stores.rerunning import Reran, Rerun, Source, acts_of, sort_out
from hydra.stores.rows import to_source


def rerun(transaction: Transaction, orders: Sequence[Rerun], now: int) -> list[Reran | None]:
    """Keys are locked, then executions, then what they are is read. Keys and workflows never change, so which keys to
    lock is known before."""
    ids = id_list(order.source_id for order in orders)
    hashes = {
        row[0]: key_hash(transaction.namespace_name, row[3].decode(), row[4].decode())
        for row in _rows(transaction, ids)
        if row[4] is not None
    }
    holders: dict[str, str] = {}
    if hashes:
        locked = transaction.select("lock_keys", hashes=", ".join(sorted(set(hashes.values()))))
        holders = {literal(hash): id_text(id) for hash, id, _ in locked}
    lock_executions(transaction, [order.source_id for order in orders])
    sources = {id_text(row[0]): _to_source(row, holders.get(hashes.get(row[0], ""))) for row in _rows(transaction, ids)}
    answers, wanted = sort_out(orders, sources)
    if wanted:
        submit(transaction, [submission for _, submission in wanted], now)
        for order, _ in wanted:
            copy(transaction, order.source_id, order.id)
        transaction.queue_rows("add_former_keys", sorted(f"({id_literal(order.source_id)})" for order, _ in wanted))
        add_acts(transaction, [act for order, _ in wanted for act in acts_of(order)])
        transaction.flush()
    return answers


def _rows(transaction: Transaction, ids: str) -> Sequence[tuple[Any, ...]]:
    return transaction.select("rerun_sources", ids=ids) if ids else ()


def _to_source(row: tuple[Any, ...], holder: str | None) -> Source:
    _, status, attempt, workflow, key, digest, input, tags, priority, limit_keys, *times, rerun_id = row
    timeout_us, timeout_at, submitted_at = times
    known = (timeout_us or timeout_at - submitted_at) if timeout_at else None
    name, text = workflow.decode(), None if key is None else key.decode()
    run_as = None if rerun_id is None else id_text(rerun_id)
    return to_source((status, attempt, name, text, digest, input, tags, priority, limit_keys, known, holder, run_as))
