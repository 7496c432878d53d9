"""What a person orders of what stopped: retry, resume, resolve. Never touches the owner or epoch of what runs (R10)."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import Record, Status
from hydra.stores.postgres.arrays import is_uuid, uuids
from hydra.stores.postgres.child_executions import announce_again
from hydra.stores.postgres.news import READY
from hydra.stores.postgres.session import Result
from hydra.stores.postgres.transaction import Transaction

_RESOLVED_FIELDS = ("seq", "kind", "branch", "name", "ordinal", "attempt", "digest", "payload")


def retry(transaction: Transaction, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before. What gave its key up to another stays failed."""
    values = id_values(ids)
    _, retried, states = transaction.run(
        ("lock_outcomes", values), ("retry", {**values, "now": now}), ("states", values)
    )
    announce_again(transaction, [id for (id,) in retried.rows], now)
    transaction.announce(READY)
    return _before(ids, retried, states, Status.FAILED)


def resume(transaction: Transaction, ids: Sequence[str], now: int) -> list[Status | None]:
    """The status before."""
    values = id_values(ids)
    resumed, states = transaction.run(("resume", {**values, "now": now}), ("states", values))
    transaction.announce(READY)
    return _before(ids, resumed, states, Status.PARKED)


def resolve(transaction: Transaction, resolutions: Sequence[tuple[str, Record]], now: int) -> list[Status | None]:
    """The status before; PENDING for what was parked with another number of records."""
    answers: list[Status | None] = []
    for id, record in resolutions:
        if not is_uuid(id):
            answers.append(None)
            continue
        fields = {name: getattr(record, name) for name in _RESOLVED_FIELDS}
        settled, states = transaction.run(
            ("resolve", {**fields, "id": id, "now": now}),
            ("states", id_values([id])),
        )
        if settled.rows:
            answers.append(Status.PARKED if settled.rows[0][1] else Status.PENDING)
        else:
            answers += in_order([id], states)
    transaction.announce(READY)
    return answers


def id_values(ids: Sequence[str]) -> dict[str, object]:
    return {"ids": uuids(sorted({id for id in ids if is_uuid(id)}))}


def in_order(ids: Sequence[str], states: Result) -> list[Status | None]:
    found = {id: Status(status) for id, status in states.rows}
    return [found.get(id) for id in ids]


def _before(ids: Sequence[str], moved: Result, states: Result, source: Status) -> list[Status | None]:
    changed = {row[0] for row in moved.rows}
    return [source if id in changed else status for id, status in zip(ids, in_order(ids, states), strict=True)]
