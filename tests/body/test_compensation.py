"""Undo steps: run in reverse when an execution fails for good or is cancelled, recorded, whatever dies in between."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hydra import aio
from hydra.context import cancelled, current, on_failure, sleep
from hydra.execution import Ending
from hydra.retry import Backoff
from hydra.workflow import step, workflow

from tests.body.supervising import START, Supervisor

HOUR = 3600 * 1_000_000


def test_what_failed_for_good_is_undone_newest_first_and_then_fails(supervisor: Supervisor) -> None:
    undone: list[str] = []

    @step
    def undo(what: str) -> None:
        undone.append(what)

    @step
    def ship() -> None:
        raise ValueError("no stock")

    @workflow
    def order() -> None:
        on_failure(undo.bind("charge"))
        on_failure(undo.bind("booking"))
        ship()

    execution = supervisor.submit(order.bind())
    supervisor.finish()
    assert undone == ["booking", "charge"]
    assert isinstance(execution.error(), ValueError)
    assert [(record.branch, record.name) for record in execution.records[-2:]] == [("undo", "undo")] * 2


def test_what_succeeds_is_not_undone(supervisor: Supervisor) -> None:
    undone: list[str] = []

    @step
    def undo() -> None:
        undone.append("undone")

    @workflow(max_attempts=2, backoff=Backoff(initial=1.0))
    def order() -> str:
        on_failure(undo.bind())
        if current().attempt == 1:
            raise ConnectionError
        return "done"

    execution = supervisor.submit(order.bind())
    supervisor.finish()
    assert execution.result() == "done"
    assert undone == []


def test_an_undo_step_that_fails_for_good_is_said_and_the_others_still_run(supervisor: Supervisor) -> None:
    undone: list[str] = []

    @step(max_attempts=3, backoff=Backoff(initial=0.01))
    def undo(what: str) -> None:
        undone.append(what)
        if what == "booking":
            raise ConnectionError("the hotel is closed")

    @workflow
    def order() -> None:
        on_failure(undo.bind("charge"))
        on_failure(undo.bind("booking"))
        raise ValueError("no stock")

    execution = supervisor.submit(order.bind())
    supervisor.finish()
    assert undone == ["booking"] * 3 + ["charge"]
    assert "no stock" in str(execution.error())
    assert "the hotel is closed" in str(execution.error())


def test_a_cancelled_execution_is_undone_as_far_as_it_came(supervisor: Supervisor) -> None:
    undone: list[str] = []
    worked: list[str] = []

    @step
    def undo(what: str) -> None:
        undone.append(what)

    @step
    def work(what: str) -> None:
        worked.append(what)

    @workflow
    def order() -> None:
        on_failure(undo.bind("first"))
        work("first")
        sleep(3600)
        on_failure(undo.bind("second"))
        work("second")

    execution = supervisor.submit(order.bind())
    supervisor.run()
    assert execution.end.kind == Ending.SLEEPING
    execution.cancel_requested = True
    supervisor.run()
    assert execution.end.kind == Ending.CANCELLED
    assert (worked, undone) == (["first"], ["first"])


def test_a_cancel_while_a_step_runs_is_seen_there_and_undone_after_it(supervisor: Supervisor) -> None:
    undone: list[str] = []

    @step
    def undo() -> None:
        undone.append("undone")

    @step
    def work() -> bool:
        supervisor.halt(execution, "cancelled")
        while not cancelled():
            pass
        return True

    @workflow
    def order() -> None:
        on_failure(undo.bind())
        work()

    execution = supervisor.submit(order.bind())
    supervisor.run()
    assert execution.end.kind == Ending.CANCELLED
    assert undone == ["undone"]


def test_an_async_body_is_undone_in_the_order_of_its_records(supervisor: Supervisor) -> None:
    undone: list[str] = []

    @step
    async def undo(what: str) -> None:
        undone.append(what)

    @workflow
    async def order() -> None:
        async def branch(what: str) -> None:
            await aio.on_failure(undo.bind(what))
            await aio.sleep(3600)

        await asyncio.gather(branch("a"), branch("b"))

    execution = supervisor.submit(order.bind())
    supervisor.run()
    assert execution.end.kind == Ending.SLEEPING
    execution.cancel_requested = True
    supervisor.run()
    assert execution.end.kind == Ending.CANCELLED
    assert sorted(undone) == ["a", "b"]


def test_a_retry_of_what_was_undone_is_parked(supervisor: Supervisor) -> None:
    @step
    def undo() -> None:
        pass

    @step
    def ship() -> None:
        raise ValueError("no stock")

    @workflow
    def order() -> None:
        on_failure(undo.bind())
        ship()

    execution = supervisor.submit(order.bind())
    supervisor.finish()
    supervisor._supersede(execution, execution.end.cause_seq)
    execution.attempt += 1
    execution.ends.clear()
    supervisor.run()
    assert execution.end.kind == Ending.PARKED


def test_g3_killed_at_any_record_everything_is_undone_and_nothing_twice() -> None:
    effects: Counter[str] = Counter()

    @step(inline=True)
    def undo(what: str) -> None:
        effects[f"undo {what}"] += 1

    @step(inline=True)
    def work(what: str) -> None:
        effects[what] += 1
        if what == "c":
            raise ValueError(what)

    @workflow
    def order() -> None:
        for what in "abc":
            on_failure(undo.bind(what))
            work(what)

    def run(crash_after: int | None) -> int:
        effects.clear()
        supervisor = Supervisor()
        execution = supervisor.submit(order.bind())
        supervisor.finish(crash_after)
        assert isinstance(execution.error(), ValueError)
        assert set(effects) == {"a", "b", "c", "undo a", "undo b", "undo c"}
        assert sum(effects.values()) <= 7
        return len(execution.records)

    record_count = run(None)
    assert record_count == 10
    for crash_after in range(record_count + 1):
        assert run(crash_after) == record_count


def test_a_cancel_in_the_middle_of_a_replay_waits_for_all_that_was_registered(supervisor: Supervisor) -> None:
    undone: list[str] = []
    replays = 0

    @step
    async def undo(what: str) -> None:
        undone.append(what)

    @workflow
    async def order() -> None:
        nonlocal replays
        replays += 1
        await aio.on_failure(undo.bind("first"))
        if replays == 2:
            for running in supervisor.hub._executions.values():
                running.halt("cancelled")
        await aio.on_failure(undo.bind("second"))
        await aio.sleep(3600)

    execution = supervisor.submit(order.bind())
    supervisor.run()
    assert execution.end.kind == Ending.SLEEPING
    supervisor.advance(7200 * 1_000_000)
    supervisor.run()
    assert execution.end.kind == Ending.CANCELLED
    assert undone == ["second", "first"]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("why", ["time-out", "cancel", "failure"])
def test_g3_once_undoing_has_begun_the_body_goes_no_further_whatever_is_said_since(
    supervisor: Supervisor, why: str, is_async: bool
) -> None:
    """Its worker dies after the first undo step; then the clock jumps back, the cancel is not known any more, and new
    code would not fail."""
    log: list[str] = []
    fails = True

    @step
    def undo(what: str) -> None:
        log.append(f"undo {what}")

    @step
    def work(what: str) -> None:
        log.append(what)

    def end_here() -> None:
        if why == "failure" and fails:
            raise ValueError("no stock")

    if is_async:

        @workflow
        async def trade() -> None:
            for what in "ab":
                await aio.on_failure(undo.bind(what))
                await aio.call(work.bind(what))
            if why != "failure":
                await aio.sleep(1800)
            end_here()
            await aio.call(work.bind("c"))
    else:

        @workflow
        def trade() -> None:
            for what in "ab":
                on_failure(undo.bind(what))
                work(what)
            if why != "failure":
                sleep(1800)
            end_here()
            work("c")

    execution = supervisor.submit(trade.bind(), timeout_at=START + HOUR if why == "time-out" else None)
    supervisor.lose_after(6 if why == "failure" else 7)  # records, the newest undo step's is the last
    supervisor.run()
    if why != "failure":
        assert execution.end.kind == Ending.SLEEPING
        supervisor.advance(HOUR)
        execution.cancel_requested = why == "cancel"
        supervisor.run()
    assert supervisor.death_count == 1
    assert log == ["a", "b", "undo b", "undo a"]
    assert execution.records[-1].name == "undo"

    fails, execution.cancel_requested = False, False
    supervisor.go_back(HOUR // 4)
    supervisor.finish()
    assert log == ["a", "b", "undo b", "undo a", "undo a"]
    assert execution.end.kind == (Ending.CANCELLED if why == "cancel" else Ending.FAILED)
    assert execution.end.cause == ("timeout" if why == "time-out" else "")
    if why == "failure":
        assert isinstance(execution.error(), ValueError)
