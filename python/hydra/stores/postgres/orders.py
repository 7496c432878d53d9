"""What a person orders: cancel, retry, resume, resolve. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hydra.execution import Record, Status
from hydra.stores.postgres.arrays import is_uuid, uuids
from hydra.stores.postgres.session import Result

Write = Callable[..., list[Result]]
Read = Callable[..., list[list[tuple[Any, ...]]]]

_RESOLVED_FIELDS = ("seq", "kind", "branch", "name", "ordinal", "attempt", "digest", "payload")


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


def resolve(write: Write, namespace: str, resolutions: Sequence[tuple[str, Record]], now: int) -> list[Status | None]:
    """The status before; PENDING for what was parked with another number of records."""
    answers: list[Status | None] = []
    for id, record in resolutions:
        if not is_uuid(id):
            answers.append(None)
            continue
        fields = {name: getattr(record, name) for name in _RESOLVED_FIELDS}
        settled, states = write(
            ("resolve", {**fields, "id": id, "namespace": namespace, "now": now}), ("states", _values(namespace, [id]))
        )
        if settled.rows:
            answers.append(Status.PARKED if settled.rows[0][1] else Status.PENDING)
        else:
            answers += _in_order([id], states)
    return answers


def _values(namespace: str, ids: Sequence[str]) -> dict[str, object]:
    return {"namespace": namespace, "ids": uuids(sorted({id for id in ids if is_uuid(id)}))}


def _in_order(ids: Sequence[str], states: Result) -> list[Status | None]:
    found = {id: Status(status) for id, status in states.rows}
    return [found.get(id) for id in ids]


def _before(ids: Sequence[str], moved: Result, states: Result, source: Status) -> list[Status | None]:
    changed = {row[0] for row in moved.rows}
    return [source if id in changed else status for id, status in zip(ids, _in_order(ids, states), strict=True)]
