"""What a person orders of one execution: another time, priority or input while it waits, its deletion; and who did
what.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from hydra.attributes import changes_of
from hydra.client import recorded_orders
from hydra.client.acting import Author, author
from hydra.client.database_access import DatabaseAccess
from hydra.client.submissions import SubmitOptions, check_bound, check_request, prepare
from hydra.client.views import to_datetime
from hydra.client.why import explain
from hydra.definitions import BoundWorkflow
from hydra.errors import ConfigError, IllegalMove
from hydra.execution import Snapshot, Status
from hydra.records.placed import not_alone
from hydra.stores.acts import NO_END, THE_NAMESPACE, WITH_OTHER, Act, ActFilter, ActKind
from hydra.stores.deleting import Deleted, refusal
from hydra.stores.rescheduling import Replacement, Reschedule, Rescheduled
from hydra.stores.store import Store
from hydra.written import written

PURGE_CHUNK_SIZE = 1_000
PURGE_PAUSE_TIMES = 2  # as long as a transaction took, before the next: claims go on meanwhile (`benches/retention.py`)
DELETE_CHUNK_SIZE = 500  # executions of a tree that go in one transaction


class ActView(msgspec.Struct, frozen=True):
    """What somebody has ordered, of one execution or (where `execution_id` is None) of the namespace.

    kind: "retry", "resume", "cancel", "signal", "complete" (a callback), "resolve", "reschedule", "delete", "rerun" (it
    was run again, as `other_id`), "rerun_of" (it runs `other_id` again), "fork_of" (it began with what `other_id` had
    recorded), "debounce" (a later submission gave it its arguments), "key_passed" (its key went over to `other_id`,
    while it was open); "pause", "unpause", "drain", "limit", "schedule", "purge".

    `done_by` is who: `ana@host` by the command line, `program:billing.py`, `execution:ID` (a step's order), or what
    `Engine.acting` was told. `done_from` is the account and host of that process. `detail` says what was before. What
    one order did to many has one `order_id`.
    """

    kind: str
    done_at: datetime
    done_by: str
    reason: str
    detail: str
    other_id: str | None = None
    done_from: str = ""
    execution_id: str | None = None
    order_id: str | None = None


def read_acts(engine: DatabaseAccess, id: str) -> list[ActView]:
    return [act_view(act) for act in engine.read(lambda store: store.acts(id))]


def recent_acts(
    engine: DatabaseAccess, since: int | None, until: int | None, by: str | None, kind: str | None, limit: int
) -> list[ActView]:
    """Newest first."""
    if kind is not None and kind not in tuple(ActKind):
        raise ConfigError(f"`{written(kind)}` is not a kind of act; it is one of {', '.join(ActKind)}")
    chosen = ActFilter(0 if since is None else since, NO_END if until is None else until, by, kind, limit)
    return [act_view(act) for act in engine.read(lambda store: store.recent_acts(chosen))]


def act_view(act: Act) -> ActView:
    has_other = act.kind in WITH_OTHER
    return ActView(
        act.kind,
        to_datetime(act.done_at),
        act.done_by,
        act.reason,
        act.detail,
        act.id if has_other else None,
        act.done_from,
        None if act.execution_id == THE_NAMESPACE else act.execution_id,
        None if has_other else act.id,
    )


def reschedule(
    engine: DatabaseAccess,
    id: str,
    delay: timedelta | float | None,
    at: datetime | None,
    priority: int | None,
    input: BoundWorkflow[Any] | None,
    reason: str,
) -> None:
    if delay is None and at is None and priority is None and input is None:
        raise ConfigError("say what to change: `delay` (0: at once), `at`, `priority` or `input`")
    if delay is not None and at is not None:
        raise ConfigError("`delay` and `at` cannot both be given; choose one")
    request = check_request(delay, at, priority or 0, None, engine.session().now())
    act = author(reason).act(id, ActKind.RESCHEDULE, engine.session().now())
    replacement = None if input is None else _replacement(engine, engine.snapshot(id), input)
    order = Reschedule(id, act, request.run_at, priority, replacement)
    answer: Rescheduled | None = engine.write(lambda store, now: store.reschedule(order, now))
    if answer is None:
        raise engine.not_found(id)
    if answer.is_changed:
        return
    if answer.status is Status.PENDING and replacement is not None and engine.snapshot(id).epoch:
        raise IllegalMove(
            f"execution `{id}` has begun before, so it keeps its arguments; cancel it, and submit another"
        )
    if answer.status is Status.PENDING:
        doing = "it was cancelled or ran out of time, and is about to be undone"
    else:
        snapshot = engine.snapshot(id)
        doing = engine.read(lambda store: explain(store, snapshot)).sentence
    what = "time or priority" if replacement is None else "time or priority, or other arguments"
    raise IllegalMove(
        f"execution `{id}` is {answer.status}; only one that is pending can be given another {what} ({doing})"
    )


def _replacement(engine: DatabaseAccess, snapshot: Snapshot, input: BoundWorkflow[Any]) -> Replacement:
    """Other arguments, encoded, and the limits that they lead to."""
    check_bound(input)
    if reason := not_alone(snapshot):
        raise IllegalMove(reason)
    if input.name != snapshot.workflow:
        message = f"execution `{snapshot.id}` is of workflow `{snapshot.workflow}`"
        raise ConfigError(f"{message}, not `{input.name}`; give an input for that")
    session = engine.session()
    if input.workflow is None:
        session.signatures.check([input])
    options = SubmitOptions(tags=snapshot.tags or None)
    s = prepare(input, options, None, None, session.signatures, engine.max_payload_bytes)
    return Replacement(s.workflow, snapshot.key, s.input, s.digest, s.tags, s.limit_keys, s.attributes)


def set_attributes(engine: DatabaseAccess, id: str, workflow: str, values: Mapping[str, Any], reason: str) -> None:
    if not isinstance(values, Mapping) or not values:
        raise ConfigError(f"`values` must be a dict of attributes by name, not {written(values)}")
    by = author(reason)
    declared = engine.session().signatures.search(workflow)
    changes = changes_of(declared, workflow, values)
    if engine.write(lambda store, now: recorded_orders.set_attributes(store, id, changes, now, by)) is None:
        raise engine.not_found(id)


def delete(engine: DatabaseAccess, id: str, by: Author) -> int:
    """How many executions went."""
    act = by.act(id, ActKind.DELETE, engine.session().now())
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


def purge(engine: DatabaseAccess, before: int, by: Author, progress: Callable[[int], object] | None) -> int:
    """All that ended before then, in transactions of a bounded size, which hold the database's write lock for a third
    of the time; how many went."""
    count = 0

    def chunk(store: Store, now: int) -> int:
        def work() -> int:
            gone = store.purge(before, PURGE_CHUNK_SIZE)
            if gone and not count:
                said = f"all that ended before {to_datetime(before):%Y-%m-%d %H:%M:%S} UTC"
                store.add_acts([by.act_on_namespace(ActKind.PURGE, now, said)])
            return gone

        return store.together(work)

    began = time.monotonic()
    while deleted := engine.write(chunk):
        took = time.monotonic() - began
        count += deleted
        if progress is not None:
            progress(count)
        time.sleep(PURGE_PAUSE_TIMES * took)
        began = time.monotonic()
    return count
