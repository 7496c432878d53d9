"""What a person has done to one execution, and its change of time and priority."""

from __future__ import annotations

import sqlite3

import msgspec

from hydra.execution import Status
from hydra.stores.acts import Act
from hydra.stores.rescheduling import Place, Reschedule, Rescheduled, act_of, move
from hydra.stores.sqlite.statements import execute, select, select_shown


def read_acts(connection: sqlite3.Connection, namespace: str, id: str) -> list[Act]:
    return [Act(*row) for row in select_shown(connection, "acts", namespace=namespace, id=id)]


def add_act(connection: sqlite3.Connection, namespace: str, act: Act) -> None:
    execute(connection, "add_act", namespace=namespace, **msgspec.structs.asdict(act))


def reschedule(connection: sqlite3.Connection, namespace: str, order: Reschedule, now: int) -> Rescheduled | None:
    own = {"namespace": namespace, "id": order.id}
    rows = select(connection, "waiting_place", **own, act_id=order.act.id)
    if not rows:
        return None
    status, priority, run_at, wake_at, timeout_at, attention, epoch, timeout_us, is_done = rows[0]
    before = Place(priority, run_at, wake_at, timeout_at)
    after = None if is_done else move(order, Status(status), before, attention, epoch, timeout_us, now)
    if after is not None:
        execute(connection, "reschedule", **own, **msgspec.structs.asdict(after))
        add_act(connection, namespace, act_of(order, before, after, now))
    return Rescheduled(Status(status), bool(is_done) or after is not None)
