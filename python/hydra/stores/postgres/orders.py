"""What a person orders: cancel, retry, resume. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hydra.execution import Status
from hydra.stores.postgres.arrays import is_uuid, uuids
from hydra.stores.postgres.session import Result

Write = Callable[..., list[Result]]
Read = Callable[..., list[list[tuple[Any, ...]]]]


def request_cancel(
    write: Write, namespace: str, ids: Sequence[str], now: int, forced: Sequence[str]
) -> list[Status | None]:
    """The status after, read by a later statement: what committed first stands (R15). `forced` is not undone."""
    values = _values(namespace, ids)
    orders = {**values, "now": now, "forced": uuids(sorted({id for id in forced if is_uuid(id)}))}
    _, states = write(("request_cancel", orders), ("states", values))
    return _in_order(ids, states)


def with_descendants(read: Read, ids: Sequence[str]) -> list[str]:
    """These and the children they made that have not ended, and theirs."""
    known = uuids(sorted({id for id in ids if is_uuid(id)}))
    return [id for (id,) in read(("descendants", {"ids": known}))[0]]


def retry(write: Write, namespace: str, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before."""
    values = _values(namespace, ids)
    retried, states = write(("retry", {**values, "now": now}), ("states", values))
    return _before(ids, retried, states, Status.FAILED)


def resume(write: Write, namespace: str, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before."""
    values = _values(namespace, ids)
    resumed, states = write(("resume", {**values, "now": now}), ("states", values))
    return _before(ids, resumed, states, Status.PARKED)


def _values(namespace: str, ids: Sequence[str]) -> dict[str, object]:
    return {"namespace": namespace, "ids": uuids(sorted({id for id in ids if is_uuid(id)}))}


def _in_order(ids: Sequence[str], states: Result) -> list[Status | None]:
    found = {id: Status(status) for id, status in states.rows}
    return [found.get(id) for id in ids]


def _before(ids: Sequence[str], moved: Result, states: Result, source: Status) -> list[Status | None]:
    changed = {row[0] for row in moved.rows}
    return [source if id in changed else status for id, status in zip(ids, _in_order(ids, states), strict=True)]
