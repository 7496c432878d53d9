"""Ends what does not run, and asks what runs to end. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import Status
from hydra.stores.postgres.arrays import uuids
from hydra.stores.postgres.news import DONE, READY
from hydra.stores.postgres.orders import id_values, in_order
from hydra.stores.postgres.session import Result
from hydra.stores.postgres.transaction import Transaction


def request_cancel(transaction: Transaction, ids: Sequence[str], now: int, *, undo: bool = True) -> list[Status | None]:
    """For an open transaction. The status after, read by a later statement: what committed first stands (R15). The
    children they made go the same way. Without `undo` these end at once."""
    roots = ("descendants", {"ids": id_values(ids)["ids"]})
    forced = uuids([]) if undo else id_values(ids)["ids"]
    own: Result | None = None
    (tree,) = transaction.run(roots)
    known: set[str] = set()
    # guard R14: a cancel looks again for children once it has the rows
    while found := {id for (id,) in tree.rows} - known:
        values = id_values(sorted(found))
        orders = {**values, "now": now, "forced": forced}
        _, states, tree = transaction.run(("request_cancel", orders), ("states", values), roots)
        own = own or states
        known |= found
    transaction.announce(DONE)
    transaction.announce(READY)
    return [None for _ in ids] if own is None else in_order(ids, own)
