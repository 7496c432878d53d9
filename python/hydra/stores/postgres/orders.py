"""What a person orders of what stopped: retry, resume, resolve. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hydra.execution import Record, Status
from hydra.stores.postgres.arrays import is_uuid, uuids
from hydra.stores.postgres.child_executions import announce_again
from hydra.stores.postgres.session import Result

Write = Callable[..., list[Result]]

_RESOLVED_FIELDS = ("seq", "kind", "branch", "name", "ordinal", "attempt", "digest", "payload")


def retry(write: Write, namespace: str, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before. What gave its key up to another stays failed."""
    values = id_values(namespace, ids)
    _, retried, states = write(("lock_outcomes", values), ("retry", {**values, "now": now}), ("states", values))
    announce_again(write, [id for (id,) in retried.rows], now)
    return _before(ids, retried, states, Status.FAILED)


def resume(write: Write, namespace: str, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before."""
    values = id_values(namespace, ids)
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
            ("resolve", {**fields, "id": id, "namespace": namespace, "now": now}),
            ("states", id_values(namespace, [id])),
        )
        if settled.rows:
            answers.append(Status.PARKED if settled.rows[0][1] else Status.PENDING)
        else:
            answers += in_order([id], states)
    return answers


def id_values(namespace: str, ids: Sequence[str]) -> dict[str, object]:
    return {"namespace": namespace, "ids": uuids(sorted({id for id in ids if is_uuid(id)}))}


def in_order(ids: Sequence[str], states: Result) -> list[Status | None]:
    found = {id: Status(status) for id, status in states.rows}
    return [found.get(id) for id in ids]


def _before(ids: Sequence[str], moved: Result, states: Result, source: Status) -> list[Status | None]:
    changed = {row[0] for row in moved.rows}
    return [source if id in changed else status for id, status in zip(ids, in_order(ids, states), strict=True)]
