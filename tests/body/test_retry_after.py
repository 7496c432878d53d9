"""`hydra.RetryAfter`: a step is tried again when it was told to come back, and uses up no attempt."""

from __future__ import annotations

import asyncio
import copy
import pickle
from datetime import timedelta
from typing import Any

import hydra
import pytest
from hydra.body.replay import History
from hydra.client.timeline import timeline
from hydra.errors import ConfigError
from hydra.execution import Ending, is_postponed
from hydra.retry import Backoff
from hydra.testing import Harness, crash_matrix
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor

AT_ONCE = Backoff(initial=0.0, maximum=0.0)


class Bank:
    """It says twice when to come back, then pays: once for each key."""

    def __init__(self) -> None:
        self.busy_count = 2
        self.attempts: list[int] = []
        self.paid: dict[str, int] = {}

    def pay(self) -> str:
        self.attempts.append(hydra.current().attempt)
        if self.busy_count:
            self.busy_count -= 1
            raise hydra.RetryAfter(30, "closed")
        self.paid[hydra.idempotency_key()] = 5
        return "paid"

    def begin_again(self) -> None:
        self.busy_count, self.attempts, self.paid = 1, [], {}


def paying(bank: Bank, is_async: bool = False, **options: Any) -> Any:
    if is_async:

        @hydra.step(name="pay", **options)
        async def pay_soon() -> str:
            await asyncio.sleep(0)
            return bank.pay()

        @hydra.workflow(name="settle")
        async def settle_soon() -> str:
            return await pay_soon()

        return settle_soon

    @hydra.step(**options)
    def pay() -> str:
        return bank.pay()

    @hydra.workflow
    def settle() -> str:
        return pay()

    return settle


@pytest.mark.parametrize("is_async", [False, True])
def test_a_step_that_is_told_to_come_back_does_so_and_uses_up_no_attempt(harness: Harness, is_async: bool) -> None:
    """Of `max_attempts=1`; on each database the wait is a row."""
    bank = Bank()
    handle = harness.submit(paying(bank, is_async).bind())
    harness.run_until_idle()
    assert handle.status() is hydra.Status.SLEEPING
    (view,) = handle.steps()
    assert (view.status, view.error) == ("retrying", "RetryAfter: closed")
    assert view.due_at is not None and view.finished_at is not None
    assert view.due_at - view.finished_at == timedelta(seconds=30)
    harness.advance(timedelta(seconds=29))
    assert bank.attempts == [1]
    harness.restart()
    harness.advance(timedelta(seconds=32))
    assert bank.attempts == [1, 2, 3]
    assert handle.result(timeout=0) == "paid"
    assert [is_postponed(record) for record in handle.records()] == [True, True, False]
    lines = [entry for entry in timeline(handle.execution(), handle.records(), [], []) if "asked for" in entry.what]
    assert [line.detail for line in lines] == ["try 1: RetryAfter: closed", "try 2: RetryAfter: closed"]


def test_a_transaction_may_raise_it_too_and_what_it_wrote_is_rolled_back(harness: Harness) -> None:
    seen: list[int] = []

    @hydra.transaction
    def post(db: Any) -> str:
        db.cursor().execute("update hydra_schema set version = version where version < 0")
        seen.append(hydra.current().attempt)
        if len(seen) < 3:
            raise hydra.RetryAfter(timedelta(hours=1))
        return "posted"

    @hydra.workflow
    def book() -> str:
        return post()

    handle = harness.submit(book.bind())
    assert harness.run_until_done(handle) == "posted"
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("is_async", [False, True])
def test_g4_a_crash_at_any_boundary_charges_no_attempt_and_pays_under_one_key(is_async: bool) -> None:
    bank = Bank()
    bank.begin_again()
    report = crash_matrix(
        paying(bank, is_async).bind(), setup=lambda harness: bank.begin_again(), effects=lambda: len(bank.paid)
    )
    assert report.result == "paid"
    assert report.crash_count >= 2 * 3


@pytest.mark.parametrize("crash_after", range(4))
def test_g4_a_worker_that_dies_at_a_record_waits_and_counts_on(supervisor: Supervisor, crash_after: int) -> None:
    bank = Bank()
    execution = supervisor.submit(paying(bank).bind())
    supervisor.finish(crash_after=crash_after)
    assert execution.result() == "paid"
    assert len(bank.paid) == 1
    assert execution.kinds() == ["try"] * (len(execution.records) - 1) + ["step"]
    assert all(is_postponed(record) for record in execution.records[:-1])


def test_what_fails_between_counts_and_what_was_postponed_does_not(supervisor: Supervisor) -> None:
    outcomes: list[BaseException] = [
        hydra.RetryAfter(60), ConnectionError("1"), hydra.RetryAfter(60), ConnectionError("2"), hydra.RetryAfter(60),
        ConnectionError("3"),
    ]  # fmt: skip

    @step(max_attempts=3, backoff=AT_ONCE)
    def pay() -> None:
        raise outcomes.pop(0)

    @workflow
    def settle() -> None:
        pay()

    execution = supervisor.submit(settle.bind())
    supervisor.finish()
    assert str(execution.error()) == "3"
    assert execution.kinds() == ["try"] * 5 + ["failure"]
    assert [record.attempt for record in execution.records] == [1, 2, 3, 4, 5, 6]
    past = History(execution.records[:-1]).ask(("", "pay", 0))
    assert past is not None
    assert past.used[:2] == (2, 3)


def test_a_step_that_always_raises_it_ends_with_its_deadline(supervisor: Supervisor) -> None:
    @step(deadline=100)
    def pay() -> None:
        raise hydra.RetryAfter(30, "never")

    @workflow
    def settle() -> None:
        pay()

    execution = supervisor.submit(settle.bind())
    supervisor.finish()
    assert execution.kinds() == ["try"] * 3 + ["failure"]  # at 0, 30, 60 and 90 s
    assert isinstance(execution.error(), hydra.RetryAfter)
    assert execution.error().seconds == 30.0  # type: ignore[attr-defined]


def test_a_step_that_always_raises_it_ends_with_its_workflows_time_out(harness: Harness) -> None:
    @hydra.step
    def pay() -> None:
        raise hydra.RetryAfter(30, "never")

    @hydra.workflow(timeout=100)
    def settle() -> None:
        pay()

    handle = harness.submit(settle.bind())
    with pytest.raises(hydra.WorkflowFailed, match="timeout"):
        harness.run_until_done(handle)


def test_a_step_that_raises_it_without_end_runs_out_of_attempts(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hydra.retry.MAX_POSTPONED", 7)
    tried: list[int] = []

    @step
    def pay(item: int) -> None:
        tried.append(item)
        raise hydra.RetryAfter(10)

    @workflow
    def settle() -> None:
        pay(1)

    @workflow
    def settle_all() -> int:
        return hydra.map(pay.bind_each([2])).failed_count

    one, many = supervisor.submit(settle.bind()), supervisor.submit(settle_all.bind())
    supervisor.finish()
    assert isinstance(one.error(), hydra.RetryAfter)
    assert many.result() == 1
    assert sorted(tried) == [1] * 8 + [2] * 8


def test_an_item_of_a_map_comes_back_and_uses_up_no_attempt(supervisor: Supervisor) -> None:
    tried: list[int] = []

    @step(max_attempts=2, backoff=AT_ONCE)
    def pay(item: int) -> int:
        tried.append(item)
        if item == 2 and tried.count(2) < 5:
            raise hydra.RetryAfter(30) if tried.count(2) != 3 else ConnectionError()
        return item

    @workflow
    def settle() -> list[int]:
        return list(hydra.map(pay.bind_each([1, 2, 3])).results())

    execution = supervisor.submit(settle.bind())
    supervisor.finish()
    assert execution.result() == [1, 2, 3]
    assert tried.count(2) == 5


def test_a_step_with_a_lookup_is_looked_up_before_it_comes_back(supervisor: Supervisor) -> None:
    asked: list[str] = []

    def find(key: str) -> Any:
        asked.append("find")
        return hydra.NOT_FOUND

    @step(lookup=find)
    def pay() -> str:
        asked.append("pay")
        if asked.count("pay") < 3:
            raise hydra.RetryAfter(30)
        return "paid"

    @workflow
    def settle() -> str:
        return pay()

    execution = supervisor.submit(settle.bind())
    supervisor.finish()
    assert execution.result() == "paid"
    assert asked == ["pay", "find", "pay", "find", "pay"]


def test_a_body_that_raises_it_uses_up_an_attempt_and_waits_so_long(supervisor: Supervisor) -> None:
    @workflow(max_attempts=2)
    def settle() -> None:
        raise hydra.RetryAfter(500)

    execution = supervisor.submit(settle.bind())
    supervisor.finish()
    assert [end.kind for end in execution.ends] == [Ending.RETRY, Ending.FAILED]


def test_it_can_be_copied_pickled_and_says_what_it_is() -> None:
    error = hydra.RetryAfter(timedelta(minutes=2))
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert (other.seconds, str(other)) == (120.0, "to be tried again in 120 s")
    assert str(hydra.RetryAfter(1, "closed")) == "closed"


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), 10**400, True, "30", None, timedelta(seconds=-1)])
def test_a_delay_that_makes_no_sense_is_refused_in_one_sentence(delay: Any) -> None:
    with pytest.raises(ConfigError, match="a RetryAfter takes a timedelta or seconds"):
        hydra.RetryAfter(delay)


def test_a_class_of_ones_own_that_has_no_seconds_is_an_error_like_others(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    class Closed(hydra.RetryAfter):
        def __init__(self) -> None:
            Exception.__init__(self, "closed")

    @step(max_attempts=2, backoff=AT_ONCE)
    def pay() -> None:
        raise Closed

    @workflow
    def settle() -> None:
        pay()

    execution = supervisor.submit(settle.bind())
    supervisor.finish()
    assert execution.kinds() == ["try", "failure"]
    assert "`RetryAfter` of step `pay` raised AttributeError" in caplog.messages[0]
