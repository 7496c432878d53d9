"""Ends what does not run, and asks what runs to end. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hydra.execution import Status
from hydra.stores.postgres.arrays import is_uuid, uuids
from hydra.stores.postgres.orders import id_values, in_order
from hydra.stores.postgres.session import Result

Write = Callable[..., list[Result]]


def request_cancel(
    write: Write, namespace: str, ids: Sequence[str], now: int, forced: Sequence[str]
) -> list[Status | None]:
    """For an open transaction. The status after, read by a later statement: what committed first stands (R15). The
    children they made go the same way. `forced` is not undone."""
    roots = ("descendants", {"ids": id_values(namespace, ids)["ids"]})
    own: Result | None = None
    (tree,) = write(roots)
    known: set[str] = set()
    # guard R14: a cancel looks again for children once it has the rows
    while found := {id for (id,) in tree.rows} - known:
        values = id_values(namespace, sorted(found))
        orders = {**values, "now": now, "forced": uuids(sorted({id for id in forced if is_uuid(id)}))}
        _, states, tree = write(("request_cancel", orders), ("states", values), roots)
        own = own or states
        known |= found
    return [None for _ in ids] if own is None else in_order(ids, own)
