"""A database in which everything has happened that leaves a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import hydra
from hydra import _core
from hydra.errors import ConfigError
from hydra.execution import Message, Progress, Status
from hydra.limits import LimitSpec
from hydra.move.opening import open_side
from hydra.move.side import Side
from hydra.move.tables import OF_EXECUTIONS, OF_NAMESPACES
from hydra.stores import open_store
from hydra.stores.acts import Act, ActKind
from hydra.stores.approvals import Approval
from hydra.stores.key_pauses import KeyPause
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.rescheduling import Reschedule
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo
from hydra.testing import Harness

from tests.stores.store_values import NOW, SECOND, claim, end, record, register, submission, submit
from tests.stores.test_store_limits import LIMITS, ONE, PROVIDER, let_go
from tests.stores.test_store_limits import submit as submit_limited

WORKFLOW = "bill"


def fill(url: str, namespace: str = "default") -> None:
    """By the store's own verbs, and by bodies that run."""
    store = open_store(url, namespace)
    store.open()
    try:
        _orders(store)
    finally:
        store.close()


def _orders(store: Store) -> None:
    node = register(store)
    limits = [*LIMITS, LimitSpec("by_turns", "tenant", 2)]
    info = WorkflowInfo(WORKFLOW, b'{"parameters": []}', 5 * SECOND, "code", labels=("gpu",), limits=limits)
    store.register_workflows(node, [info], NOW)
    for number, kind in enumerate(("completed", "failed", "cancelled", "parked", "sleeping", "waiting", "retry")):
        submit(store, key=f"key-{number}", tags={"b": "zwei ü", "a": kind}, priority=number, timeout_us=9 * SECOND)
        (claimed,) = claim(store, node)
        fields: dict[str, Any] = {"cause": "ValueError", "cause_seq": 2} if kind == "failed" else {}
        if kind in ("sleeping", "retry"):
            fields["wake_at"] = NOW + 1000 * SECOND
        assert end(
            store, node, claimed, kind, record(1), record(2, "fails", "failure"), payload=b"\0\xff" + kind.encode(),
            **fields,
        )  # fmt: skip
        if kind == "waiting":
            waiting = claimed.id
    submit(store, 2, run_at=NOW + 50 * SECOND)
    (gone, moved) = submit(store, 2, run_at=NOW + 60 * SECOND)
    assert store.reschedule(Reschedule(moved, _act(moved, ActKind.RESCHEDULE), NOW + 70 * SECOND, 7), NOW)
    store.request_cancel([gone], NOW)
    assert store.delete(_act(gone, ActKind.DELETE), 10)
    submit_limited(store, ONE, count=3)
    submit_limited(store, ONE, PROVIDER, count=2)
    let_go(store)
    held = claim(store, node)
    assert held
    end(store, node, held[0], "completed")  # its place is free, and somebody is called
    submit(store, key="running", timeout_us=99 * SECOND)
    (lost,) = claim(store, node, 1)
    message = Message(execution_id=waiting, id=_core.uuid7(), name="approved", payload=b"\0yes", sent_at=NOW)
    assert store.signal([message], NOW) == [Status.WAITING]
    store.report_progress(node, [Progress(lost.id, "", "charge", 1, 1, b"half", NOW, NOW)], NOW)
    assert store.set_limit("concurrency", "two", (3, None, None), NOW)
    store.set_weight("by_turns:tenant:a", 2500, NOW)
    store.pause_key(KeyPause("concurrency:two:b", None, NOW, "ana", "stolen"))
    said = ("cancel", "open", '{"ids":["a"]}', b"", NOW, "ana", "laptop", "too late")
    store.add_approval(Approval("11111111-1111-7111-8111-111111111111", *said, NOW + 3_600 * SECOND))
    store.pause(Pause(PauseKind.WORKFLOW, "other", NOW, "ana", "a bug"))
    store.pause(Pause(PauseKind.NODE, node.id, NOW, "ana", "drain"))
    assert store.mark_dead(node.id, None, NOW)


def _act(id: str, kind: ActKind) -> Act:
    return Act(id, _core.uuid7(), kind, NOW, "ana@host", "she asked for it")


def shop(effects: list[str]) -> dict[str, Callable[..., Any]]:
    """Bodies that leave what only bodies leave. To be called within a test, which has a registry of its own."""

    @hydra.step
    def note(name: str) -> str:
        effects.append(name)
        if name.startswith("long"):
            hydra.heartbeat({"done": name})
        return name

    @hydra.workflow
    def moved_child(name: str) -> str:
        note(f"{name} begins")
        hydra.sleep(timedelta(days=2))
        note(f"{name} ends")
        return name

    @hydra.workflow
    def moved_trip(count: int) -> list[str]:
        """Ten steps with a night in between, a child and a signal."""
        done = [note(f"long {number}") for number in range(5)]
        child = hydra.spawn(moved_child.bind("child"), key="child-1")
        hydra.sleep(timedelta(days=1))
        done += [note(f"long {number}") for number in range(5, 10)]
        said = hydra.wait_event("go", str)
        return [*done, child.result(), said]

    @hydra.workflow(search={"round": int})
    def moved_loop(round: int) -> int:
        hydra.wait_event("next", int)
        if round < 2:
            hydra.continue_as_new(round + 1)
        return round

    @hydra.workflow(schedule=hydra.Cron("0 6 * * *"))
    def moved_daily() -> str:
        return note("daily")

    return {"trip": moved_trip, "loop": moved_loop, "child": moved_child, "daily": moved_daily}


def counts(url: str, namespace: str = "default") -> dict[str, int]:
    """Rows of each table that moves."""
    side: Side = open_side(url, may_migrate=False)
    try:
        ids = [id for id, _ in side.sizes(namespace, "", 10_000)]
        found = {table.name: len(side.rows_of(table, ids)) for table in OF_EXECUTIONS}
        found |= {table.name: len(side.page(table, namespace, [], 10_000)) for table in OF_NAMESPACES}
        return {"executions": len(ids), **found}
    finally:
        side.close()


def shown_url(url: str) -> str:
    side = open_side(url, may_migrate=False)
    side.close()
    return side.place


__all__ = ["Harness", "counts", "fill", "shop", "shown_url", "submission"]


def submitted(url: str, namespace: str = "default") -> list[str]:
    """An execution, where the database takes it."""
    try:
        with hydra.Engine(url, namespace, migrate=False) as engine:
            return [engine.submit(hydra.named("bill").bind()).id]
    except ConfigError:
        return []


def takes_work(url: str, namespace: str = "default") -> bool:
    return bool(submitted(url, namespace))
