"""What a person orders of one execution: another time or priority while it waits, its deletion. With who and why."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from hydra import _core, identity
from hydra.client.database_access import DatabaseAccess
from hydra.client.pause_orders import check_reason
from hydra.client.submissions import check_request
from hydra.client.views import to_datetime
from hydra.client.why import explain
from hydra.errors import ConfigError, IllegalMove
from hydra.execution import Status
from hydra.stores.acts import Act, ActKind
from hydra.stores.deleting import Deleted, refusal
from hydra.stores.rescheduling import Reschedule, Rescheduled
from hydra.stores.store import Store

DELETE_CHUNK_SIZE = 500  # executions of a tree that go in one transaction


class ActView(msgspec.Struct, frozen=True):
    """What a person has done to an execution: kind is "reschedule", "delete", "rerun" (it was run again, as `other_id`)
    or "rerun_of" (it runs `other_id` again)."""

    kind: str
    done_at: datetime
    done_by: str
    reason: str
    detail: str
    other_id: str | None = None


def read_acts(engine: DatabaseAccess, id: str) -> list[ActView]:
    acts = engine.read(lambda store: store.acts(id))
    return [
        ActView(
            act.kind,
            to_datetime(act.done_at),
            act.done_by,
            act.reason,
            act.detail,
            act.id if act.kind in (ActKind.RERUN, ActKind.RERUN_OF) else None,
        )
        for act in acts
    ]


def reschedule(
    engine: DatabaseAccess,
    id: str,
    delay: timedelta | float | None,
    at: datetime | None,
    priority: int | None,
    reason: str,
) -> None:
    if delay is None and at is None and priority is None:
        raise ConfigError("say what to change: `delay` (0: at once), `at` or `priority`")
    if delay is not None and at is not None:
        raise ConfigError("`delay` and `at` cannot both be given; choose one")
    check_reason(reason)
    request = check_request(delay, at, priority or 0, None, engine.session().now())
    act = _act(engine, id, ActKind.RESCHEDULE, reason)
    order = Reschedule(id, act, request.run_at, priority)
    answer: Rescheduled | None = engine.write(lambda store, now: store.reschedule(order, now))
    if answer is None:
        raise engine.not_found(id)
    if answer.is_changed:
        return
    if answer.status is Status.PENDING:
        doing = "it was cancelled or ran out of time, and is about to be undone"
    else:
        snapshot = engine.snapshot(id)
        doing = engine.read(lambda store: explain(store, snapshot)).sentence
    raise IllegalMove(
        f"execution `{id}` is {answer.status}; only one that is pending can be given another time or priority ({doing})"
    )


def delete(engine: DatabaseAccess, id: str, reason: str) -> int:
    """How many executions went."""
    check_reason(reason)
    act = _act(engine, id, ActKind.DELETE, reason)
    count = try_count = 0

    def give(store: Store, now: int) -> Deleted | None:
        nonlocal try_count
        try_count += 1
        return store.delete(act, DELETE_CHUNK_SIZE)

    while answer := engine.write(give):
        count += answer.count
        if answer.is_whole:
            return count
        if not answer.count:
            raise IllegalMove(refusal(id, answer.tree))
    if try_count == 1:
        raise engine.not_found(id)
    return max(1, count)  # a reply was lost: it is gone all the same


def _act(engine: DatabaseAccess, id: str, kind: ActKind, reason: str) -> Act:
    return Act(id, _core.uuid7(), kind, engine.session().now(), identity.person(), reason)
