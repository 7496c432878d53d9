"""`on_exhausted="park"`: what runs out of attempts waits for a person, who lets it go on or ends it."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from datetime import timedelta
from typing import Any

import hydra
import pytest
from hydra import codec
from hydra.definitions import Workflow
from hydra.dispatch import outbox
from hydra.dispatch.outbox import MAX_BATCH_BYTES
from hydra.errors import HydraError, NonRetryable, StepTimeout
from hydra.execution import EXHAUSTED, UNJUDGED, End, Ending, ExecutionCommit, Record, RecordKind
from hydra.retry import Backoff
from hydra.testing import Harness
from hydra.testing.crashes import Crash
from hydra.workflow import registry, step, workflow

from tests.body.supervising import Stored, Supervisor

AT_ONCE = Backoff(initial=0.0, maximum=0.0)
MINUTE = Backoff(initial=60.0, factor=1.0, jitter=0.0)


class Bank:
    """It is closed until it opens; and knows what was asked of it, and undone."""

    def __init__(self) -> None:
        self.is_open = False
        self.asked: list[int] = []
        self.undone: list[str] = []

    def pay(self) -> str:
        self.asked.append(hydra.current().attempt)
        if not self.is_open:
            raise ConnectionError("closed")
        return "paid"


def settling(bank: Bank, is_async: bool = False, **options: Any) -> Workflow[[], str]:
    """Registers an undo step, then pays; with `max_attempts=2` and `on_exhausted="park"` if nothing else is said."""
    chosen = {"max_attempts": 2, "backoff": MINUTE, "on_exhausted": "park"} | options

    @hydra.step
    def undo() -> None:
        bank.undone.append("undone")

    if is_async:

        @hydra.step(name="pay", **chosen)
        async def pay_soon() -> str:
            await asyncio.sleep(0)
            return bank.pay()

        @hydra.workflow(name="settle")
        async def settle_soon() -> str:
            await hydra.aio.on_failure(undo.bind())
            return await pay_soon()

        return settle_soon

    @hydra.step(**chosen)
    def pay() -> str:
        return bank.pay()

    @hydra.workflow
    def settle() -> str:
        hydra.on_failure(undo.bind())
        return pay()

    return settle


def run_until_parked(harness: Harness, handle: hydra.Handle[Any]) -> str:
    with pytest.raises(hydra.WorkflowParked) as parked:
        harness.run_until_done(handle)
    return parked.value.reason


def resume(stored: Stored) -> None:
    """As a person does it, and the database."""
    assert stored.end.kind == Ending.PARKED
    assert stored.end.cause == EXHAUSTED
    stored.ends.append(End(Ending.RELEASED))


# steps


@pytest.mark.parametrize("is_async", [False, True])
def test_a_step_without_attempts_left_parks_and_resume_gives_it_new_ones(harness: Harness, is_async: bool) -> None:
    """On each database; nothing is undone meanwhile."""
    bank = Bank()
    handle = harness.submit(settling(bank, is_async).bind())
    reason = run_until_parked(harness, handle)
    assert reason == (
        "step `pay` number 1 ran out of attempts (ConnectionError: closed); see to that, then "
        f"`hydra resume {handle.id}` "
        f"gives it new ones, or `hydra cancel {handle.id}` ends it, its undo steps first"
    )
    assert bank.asked == [1, 2]
    (view,) = [view for view in handle.steps() if view.name == "pay"]
    assert (view.status, view.error, view.due_at) == ("exhausted", "ConnectionError: closed", None)
    handle.resume()
    run_until_parked(harness, handle)
    assert bank.asked == [1, 2, 3, 4]
    bank.is_open = True
    harness.restart()
    handle.resume()
    assert harness.run_until_done(handle) == "paid"
    assert bank.asked == [1, 2, 3, 4, 5]
    assert bank.undone == []


@pytest.mark.parametrize("is_async", [False, True])
def test_a_cancel_of_what_is_parked_undoes_it(harness: Harness, is_async: bool) -> None:
    bank = Bank()
    handle = harness.submit(settling(bank, is_async).bind())
    run_until_parked(harness, handle)
    handle.cancel()
    with pytest.raises(hydra.WorkflowCancelled):
        harness.run_until_done(handle)
    assert bank.asked == [1, 2]
    assert bank.undone == ["undone"]


@pytest.mark.parametrize("error", [NonRetryable("stolen"), KeyError("not retried"), SystemExit(3)])
def test_what_would_not_have_been_tried_again_fails(supervisor: Supervisor, error: BaseException) -> None:
    @step(max_attempts=1, retry_if=lambda error: not isinstance(error, KeyError), on_exhausted="park")
    def pay() -> None:
        raise error

    @workflow
    def settle() -> None:
        pay()

    execution = supervisor.submit(settle.bind())
    supervisor.finish()
    assert execution.end.kind == Ending.FAILED
    assert execution.kinds() == ["failure"]


def test_a_deadline_that_is_over_is_no_attempt_left_either(supervisor: Supervisor) -> None:
    bank = Bank()
    execution = supervisor.submit(settling(bank, max_attempts=99, deadline=timedelta(seconds=90)).bind())
    supervisor.finish()
    assert bank.asked == [1, 2]
    assert execution.end.cause == EXHAUSTED
    resume(execution)
    supervisor.finish()
    assert bank.asked == [1, 2, 3, 4]  # which counts from the first try after the resume


def test_steps_side_by_side_that_run_out_together_all_get_new_attempts(supervisor: Supervisor) -> None:
    tried: list[int] = []

    @step(max_attempts=2, backoff=AT_ONCE, on_exhausted="park")
    def pay(item: int) -> int:
        tried.append(item)
        if tried.count(item) < 3:
            raise ConnectionError
        return item

    @workflow
    def settle() -> list[int]:
        return list(hydra.gather(pay.bind(1), pay.bind(2), pay.bind(3)))

    execution = supervisor.submit(settle.bind())
    supervisor.finish()
    for _ in range(3):  # which of them had run out when the first one parked is chance
        if execution.end.kind == Ending.PARKED:
            resume(execution)
            supervisor.finish()
    assert execution.result() == [1, 2, 3]
    assert sorted(tried) == [1] * 3 + [2] * 3 + [3] * 3


def test_a_parent_goes_on_waiting_for_a_child_that_is_parked(harness: Harness) -> None:
    bank = Bank()
    settle = settling(bank)

    @hydra.workflow
    def parent() -> str:
        return hydra.spawn(settle.bind(), key="child").result()

    handle = harness.submit(parent.bind())
    harness.advance(timedelta(hours=1))
    child = harness.engine.find(settle, key="child")
    assert child is not None
    assert child.status() is hydra.Status.PARKED
    assert handle.status() is hydra.Status.WAITING
    bank.is_open = True
    child.resume()
    assert harness.run_until_done(handle) == "paid"


def test_it_belongs_to_no_map_since_items_have_outcomes_of_their_own() -> None:
    @step(on_exhausted="park")
    def pay(item: int) -> None: ...

    with pytest.raises(HydraError, match='step `pay` has `on_exhausted="park"`, and each item of a map'):
        pay.bind_each([1])


def test_a_transaction_may_park_too(harness: Harness) -> None:
    is_open: list[bool] = []

    @hydra.transaction(max_attempts=2, backoff=MINUTE, on_exhausted="park")
    def post(db: Any) -> str:
        if not is_open:
            raise ConnectionError("closed")
        return "posted"

    @hydra.workflow
    def book() -> str:
        return post()

    handle = harness.submit(book.bind())
    run_until_parked(harness, handle)
    is_open.append(True)
    handle.resume()
    assert harness.run_until_done(handle) == "posted"


def test_an_undo_step_may_wait_for_a_person_and_the_end_stands(harness: Harness) -> None:
    bank = Bank()

    @hydra.step(on_exhausted="park")
    def give_back() -> str:
        return bank.pay()

    @hydra.step
    def ship() -> None:
        raise ValueError("no stock")

    @hydra.workflow
    def order() -> None:
        hydra.on_failure(give_back.bind())
        ship()

    handle = harness.submit(order.bind())
    assert "hydra cancel" not in run_until_parked(harness, handle)
    bank.is_open = True
    handle.resume()
    with pytest.raises(hydra.WorkflowFailed, match="no stock"):
        harness.run_until_done(handle)
    assert bank.asked == [1, 2]


def test_g4_a_last_try_that_timed_out_is_looked_up_before_it_parks_and_before_it_runs_again(harness: Harness) -> None:
    log: list[str] = []

    def find(key: str) -> Any:
        log.append("find")
        return hydra.NOT_FOUND

    @hydra.step(lookup=find, timeout=5.0, on_exhausted="park")
    def pay() -> str:
        log.append("pay")
        if log.count("pay") == 1:
            harness.clock.wait(10)
        return "paid"

    @hydra.workflow
    def settle() -> str:
        return pay()

    handle = harness.submit(settle.bind())
    run_until_parked(harness, handle)
    assert log == ["pay", "find"]
    handle.resume()
    assert harness.run_until_done(handle) == "paid"
    assert log == ["pay", "find", "find", "pay"]


def test_a_try_that_was_killed_for_its_time_out_parks_where_it_was_the_last(supervisor: Supervisor) -> None:
    """Its supervisor has recorded it, which does not know the policy."""
    bank = Bank()
    execution = supervisor.submit(settling(bank, max_attempts=1, timeout=5.0).bind())
    undo = codec.encode("undo")
    digest = codec.encode_call((), {})[1]
    timed_out = codec.encode_failure(StepTimeout("too long"))
    execution.records += [
        Record(1, RecordKind.VALUE, "", "hydra.on_failure", 0, 1, digest, undo, 1, 1),
        Record(2, RecordKind.TRY, "", "pay", 0, 1, digest, timed_out, 1, 1, UNJUDGED),
    ]
    supervisor.finish()
    assert execution.end.cause == EXHAUSTED
    assert bank.asked == []
    bank.is_open = True
    resume(execution)
    supervisor.finish()
    assert execution.result() == "paid"


def test_a_step_whose_code_no_longer_parks_fails_with_what_was_recorded(supervisor: Supervisor) -> None:
    bank = Bank()
    execution = supervisor.submit(settling(bank).bind())
    supervisor.finish()
    del execution.records[3:], execution.ends[:]  # the last try is durable, the park is not
    registry.steps.clear()
    registry.workflows.clear()
    settling(bank, on_exhausted="fail")
    supervisor.finish()
    assert execution.end.kind == Ending.FAILED
    assert bank.asked == [1, 2]


# whatever dies in between


@pytest.mark.parametrize("crash_after", range(8))
@pytest.mark.parametrize("is_async", [False, True])
def test_g4_only_a_person_gives_new_attempts_whatever_dies(
    supervisor: Supervisor, crash_after: int, is_async: bool
) -> None:
    """A worker dies at each record. A try that a death kept from its record may run again, and no other."""
    bank = Bank()
    execution = supervisor.submit(settling(bank, is_async).bind())
    supervisor.finish(crash_after=crash_after)
    assert execution.end.kind == Ending.PARKED
    assert len(bank.asked) <= 2 + supervisor.death_count
    assert execution.kinds() == ["value", "try", "try", "value"]
    resume(execution)
    asked_count = len(bank.asked)
    supervisor.finish()
    assert len(bank.asked) == asked_count + 2
    assert execution.end.kind == Ending.PARKED
    bank.is_open = True
    resume(execution)
    supervisor.finish()
    assert execution.result() == "paid"


def boundaries_of(bank: Bank, bound: Any, crash_at: int | None) -> tuple[list[str], list[int]]:
    """Run it with a crash there; a person resumes it once, when it is parked. What was reached, and tries per stop."""
    reached: list[str] = []
    counts: list[int] = []

    def watch(boundary: str) -> None:
        reached.append(boundary)
        if len(reached) - 1 == crash_at:
            raise Crash(boundary)

    with Harness() as harness:
        handle = harness.submit(bound)
        harness.watch(watch)
        for _ in range(2):
            while handle.status() not in (hydra.Status.PARKED, hydra.Status.COMPLETED):
                try:
                    harness.advance(61)
                except Crash:
                    harness.crash()
            counts.append(len(bank.asked))
            bank.is_open = True
            if handle.status() is hydra.Status.PARKED:
                handle.resume()
        assert handle.result() == "paid"
        assert harness.engine.audit() == []
    return reached, counts


@pytest.mark.parametrize("of_workflow", [False, True])
def test_g4_a_crash_at_any_boundary_of_a_node_parks_as_often_and_no_earlier(of_workflow: bool) -> None:
    bank = Bank()
    if of_workflow:

        @hydra.step
        def pay() -> str:
            return bank.pay()

        @hydra.workflow(max_attempts=2, backoff=MINUTE, on_exhausted="park")
        def settle() -> str:
            return pay()

        bound = settle.bind()
    else:
        bound = settling(bank).bind()
    reached, counts = boundaries_of(bank, bound, None)
    assert counts == [2, 3]
    for crash_at in range(len(reached)):
        bank.asked.clear()
        bank.is_open = False
        _, counts = boundaries_of(bank, bound, crash_at)
        tries = [later - earlier for earlier, later in itertools.pairwise([0, *counts])]
        assert all(at_least <= count for at_least, count in zip((2, 1), tries, strict=True)), reached[crash_at]
        assert sum(tries) <= 4, reached[crash_at]  # the one that had not been recorded


def test_r11_the_record_that_gives_new_attempts_is_never_durable_without_the_park() -> None:
    def record(seq: int, size: int) -> Record:
        return Record(seq, RecordKind.VALUE, "", "x", seq, 1, b"", b"x" * size, 0, 0)

    commit = ExecutionCommit("a", 1, [record(1, MAX_BATCH_BYTES - 8), record(2, 4)], End(Ending.PARKED, b"r" * 100))
    rest = outbox._cut(commit)
    assert rest is not None
    assert ([each.seq for each in commit.records], commit.end) == ([1], None)
    assert [each.seq for each in rest.records] == [2]
    assert rest.end is not None
    assert outbox._cut(rest) is None


def test_a_cancel_while_it_is_about_to_park_undoes_it(supervisor: Supervisor) -> None:
    """A step beside it still runs when the cancel comes."""
    bank = Bank()
    executions: list[Stored] = []

    @step
    def undo() -> None:
        bank.undone.append("undone")

    begun = threading.Event()

    @step(on_exhausted="park")
    def pay() -> str:
        begun.wait()
        return bank.pay()

    @step
    def look() -> None:
        begun.set()
        while not hydra.cancelled():  # it stops, since it is to be parked
            time.sleep(0.001)
        executions[0].cancel_requested = True
        supervisor.halt(executions[0], "cancelled")

    @workflow
    def settle() -> None:
        hydra.on_failure(undo.bind())
        hydra.gather(pay.bind(), look.bind())

    executions.append(supervisor.submit(settle.bind()))
    supervisor.finish()
    assert executions[0].end.kind == Ending.CANCELLED, codec.decode(executions[0].end.payload or b"")
    assert bank.undone == ["undone"]


# workflows


@pytest.mark.parametrize("is_async", [False, True])
def test_a_body_without_attempts_left_parks_and_resume_gives_it_new_ones(harness: Harness, is_async: bool) -> None:
    bank = Bank()
    runs: list[int] = []

    @hydra.step
    def ship() -> str:
        runs.append(1)
        return "shipped"

    @hydra.step
    def pay() -> str:
        return bank.pay()

    if is_async:

        @hydra.workflow(max_attempts=2, backoff=MINUTE, on_exhausted="park")
        async def settle_soon() -> str:
            await hydra.aio.call(ship.bind())
            return await hydra.aio.call(pay.bind())

        handle = harness.submit(settle_soon.bind())
    else:

        @hydra.workflow(max_attempts=2, backoff=MINUTE, on_exhausted="park")
        def settle() -> str:
            ship()
            return pay()

        handle = harness.submit(settle.bind())
    reason = run_until_parked(harness, handle)
    assert reason.startswith(f"execution `{handle.id}` ran out of attempts (ConnectionError: closed); see to that")
    assert len(bank.asked) == 2
    handle.resume()
    run_until_parked(harness, handle)
    assert len(bank.asked) == 4
    handle.resume()
    bank.is_open = True
    assert harness.run_until_done(handle) == "paid"
    assert len(bank.asked) == 5
    assert runs == [1]


def test_a_cancel_undoes_what_was_registered_on_the_way_to_the_failure_too(harness: Harness) -> None:
    """What left the body is forgotten for who resumes it, not for who cancels it."""
    bank = Bank()

    @hydra.step
    def undo(what: str) -> None:
        bank.undone.append(what)

    @hydra.step
    def pay() -> str:
        return bank.pay()

    @hydra.workflow(on_exhausted="park")
    def settle() -> str:
        hydra.on_failure(undo.bind("first"))
        try:
            return pay()
        except ConnectionError:
            hydra.on_failure(undo.bind("second"))
            raise

    handle = harness.submit(settle.bind())
    run_until_parked(harness, handle)
    assert bank.undone == []
    handle.cancel()
    with pytest.raises(hydra.WorkflowCancelled):
        harness.run_until_done(handle)
    assert bank.undone == ["second", "first"]
    assert len(bank.asked) == 1


def test_a_body_of_which_several_steps_failed_together_tries_all_of_them_again(harness: Harness) -> None:
    tried: list[int] = []

    @hydra.step
    def pay(item: int) -> int:
        tried.append(item)
        if tried.count(item) == 1:
            raise ConnectionError
        return item

    @hydra.workflow(on_exhausted="park")
    def settle() -> list[int]:
        return list(hydra.gather(pay.bind(1), pay.bind(2)))

    handle = harness.submit(settle.bind())
    run_until_parked(harness, handle)
    handle.resume()
    assert harness.run_until_done(handle) == [1, 2]
    assert sorted(tried) == [1, 1, 2, 2]


def test_a_body_whose_own_code_raised_runs_again_when_it_is_resumed(harness: Harness) -> None:
    broken = [True]

    @hydra.workflow(on_exhausted="park")
    def settle() -> str:
        if broken:
            raise ValueError("a mistake in the code")
        return "done"

    handle = harness.submit(settle.bind())
    run_until_parked(harness, handle)
    broken.clear()
    handle.resume()
    assert harness.run_until_done(handle) == "done"


def test_what_failed_of_a_child_fails_as_ever(harness: Harness) -> None:
    """Its retry is told how the child ended by then."""
    bank = Bank()

    @hydra.step
    def pay() -> str:
        return bank.pay()

    @hydra.workflow
    def child() -> str:
        return pay()

    @hydra.workflow(on_exhausted="park")
    def parent() -> str:
        return hydra.spawn(child.bind(), key="child").result()

    handle = harness.submit(parent.bind())
    with pytest.raises(hydra.WorkflowFailed):
        harness.run_until_done(handle)
    found = harness.engine.find(child, key="child")
    assert found is not None
    bank.is_open = True
    found.retry()
    harness.run_until_idle()
    handle.retry()
    assert harness.run_until_done(handle) == "paid"
