"""What a handle tells: results, failures, steps, the audit trail; and what it can do."""

from __future__ import annotations

import itertools
import threading
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import hydra
import pytest
from hydra.client import act_orders
from hydra.client.watcher import Waiting
from hydra.promise import Promise

from tests.client import shop

WAIT_SECONDS = 60


@pytest.fixture
def working(engine: hydra.Engine) -> Any:
    with engine.worker():
        yield engine


def test_g10_a_result_is_typed_by_the_workflows_annotation(working: hydra.Engine) -> None:
    handle = working.submit(shop.bill.bind("7", Decimal("12.50")))
    assert handle.result(timeout=WAIT_SECONDS) == shop.Receipt("7", Decimal("12.50"))
    assert handle.status() is hydra.Status.COMPLETED
    assert working.get(handle.id).result(timeout=0) == shop.Receipt("7", Decimal("12.50"))


def test_g10_values_come_back_as_they_went_in(working: hydra.Engine) -> None:
    value = {"big": 10**40, "exact": Decimal("0.10"), (1, 2): {b"x", None}, "nested": [{"deep": (True, 1.5)}]}
    assert working.submit(shop.echo.bind(value)).result(timeout=WAIT_SECONDS) == value


def test_a_workflow_known_by_name_only_runs_with_keyword_and_positional_arguments(working: hydra.Engine) -> None:
    by_name = working.submit(hydra.named("bill").bind(number="7", amount=Decimal(2)))
    by_position = working.submit(hydra.named("bill").bind("8"))
    assert by_name.result(timeout=WAIT_SECONDS).amount == 2
    assert by_position.result(timeout=WAIT_SECONDS) == shop.Receipt("8", Decimal("1.10"))


def test_g3_a_failure_is_raised_from_the_exception_that_left_the_body(working: hydra.Engine) -> None:
    handle = working.submit(shop.pay_by_card.bind("visa-1"))
    with pytest.raises(hydra.WorkflowFailed, match="CardDeclined: card visa-1 was declined") as caught:
        handle.result(timeout=WAIT_SECONDS)
    cause = caught.value.__cause__
    assert isinstance(cause, shop.CardDeclined)
    assert (cause.card, cause.code) == ("visa-1", 51)
    assert "raise CardDeclined(card, 51)" in (caught.value.traceback_text or "")
    assert handle.execution().reason == "CardDeclined: card visa-1 was declined"


def test_an_end_that_is_seen_from_two_sides_at_once_fails_nobody_elses_wait(working: hydra.Engine) -> None:
    """Who begins to wait looks by itself, too, so that the watcher may find it answered already."""
    ended = working.submit(shop.bill.bind("7", Decimal("12.50")))
    ended.result(timeout=WAIT_SECONDS)
    shop.new_gate("both")
    other = working.submit(shop.wait_at.bind("both"))
    watcher = working.watcher()
    waits = watcher.watch(other.id)
    waiting = Waiting(Promise(), bears_parked=False)
    with watcher._changed.lock:  # the watcher cannot look before it is answered
        watcher._add(ended.id, waiting)
        waiting.promise.settle((hydra.Status.COMPLETED, b"", None))
    assert not waits.promise.wait(1.0)
    assert watcher.wait_count == 1
    shop.open_gates["both"].set()
    assert waits.promise.wait(WAIT_SECONDS)
    assert waits.promise.result()[0] is hydra.Status.COMPLETED


def test_a_result_that_is_not_there_in_time_raises_and_the_execution_goes_on(working: hydra.Engine) -> None:
    shop.new_gate("slow")
    handle = working.submit(shop.wait_at.bind("slow"))
    with pytest.raises(hydra.ResultTimeout, match="it goes on"):
        handle.result(timeout=0.01)
    shop.open_gates["slow"].set()
    assert handle.result(timeout=WAIT_SECONDS) == "slow"


def test_many_threads_wait_for_many_results_with_one_watcher(working: hydra.Engine) -> None:
    handles = working.submit_many([shop.bill.bind(str(n)) for n in range(150)])
    results: dict[int, shop.Receipt] = {}

    def wait(n: int) -> None:
        results[n] = handles[n].result(timeout=WAIT_SECONDS)

    threads = [threading.Thread(target=wait, args=(n,)) for n in range(150)]
    for thread in threads:
        thread.start()
    assert sum(thread.name == "hydra-outcomes" for thread in threading.enumerate()) <= 1
    for thread in threads:
        thread.join()
    assert {n: receipt.number for n, receipt in results.items()} == {n: str(n) for n in range(150)}


def test_closing_an_engine_ends_the_wait_of_others(url: str) -> None:
    engine = hydra.Engine(url)
    handle = engine.submit(shop.sleep_long.bind())
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            handle.result()
        except hydra.HydraError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not engine.watcher().wait_count:
        thread.join(0.005)
    engine.close()
    thread.join(WAIT_SECONDS)
    assert "was closed" in str(errors[0])


def test_a_handle_shows_steps_and_the_audit_trail(working: hydra.Engine) -> None:
    handle = working.submit(shop.bill.bind("7", Decimal("3")), key="inv-7", tags={"run": "x"}, priority=3)
    handle.result(timeout=WAIT_SECONDS)
    [step] = handle.steps()
    assert (step.name, step.status, step.attempts, step.result) == (
        "price",
        "completed",
        1,
        {"number": "7", "amount": Decimal("3")},
    )
    [attempt] = handle.attempts()
    assert attempt.ending == "completed"
    assert attempt.ended_at is not None
    execution = handle.execution()
    assert (execution.key, execution.tags, execution.priority) == ("inv-7", {"run": "x"}, 3)
    assert execution.finished_at is not None
    assert execution.submitted_at <= execution.finished_at


def test_g3_a_retry_forgets_only_the_failure_that_ended_the_execution(working: hydra.Engine) -> None:
    handle = working.submit(shop.pay_by_card.bind("visa-1"))
    with pytest.raises(hydra.WorkflowFailed):
        handle.result(timeout=WAIT_SECONDS)
    before = len(handle.attempts())
    handle.retry()
    with pytest.raises(hydra.WorkflowFailed):
        handle.result(timeout=WAIT_SECONDS)
    assert len(handle.attempts()) == before + 1
    assert handle.execution().attempt == 2


def test_a_pending_execution_is_cancelled_at_once(engine: hydra.Engine) -> None:
    handle = engine.submit(shop.echo.bind(1))
    assert handle.cancel() == "cancelled"
    with pytest.raises(hydra.WorkflowCancelled):
        handle.result(timeout=WAIT_SECONDS)


def test_r15_what_has_ended_stays_as_it_was_when_it_is_cancelled(working: hydra.Engine) -> None:
    handle = working.submit(shop.echo.bind(1))
    handle.result(timeout=WAIT_SECONDS)
    assert handle.cancel() == "completed"
    assert handle.result(timeout=0) == 1


def test_a_sleeping_execution_is_cancelled(working: hydra.Engine) -> None:
    handle = working.submit(shop.sleep_long.bind())
    waiting = threading.Event()
    while handle.status() != "sleeping":
        waiting.wait(0.01)
    handle.cancel()
    with pytest.raises(hydra.WorkflowCancelled):
        handle.result(timeout=WAIT_SECONDS)


@pytest.mark.parametrize("verb", ["retry", "resume"])
def test_a_move_that_the_state_does_not_allow_is_refused(engine: hydra.Engine, verb: str) -> None:
    handle = engine.submit(shop.echo.bind(1))
    with pytest.raises(hydra.IllegalMove, match="is pending; only a"):
        getattr(handle, verb)()
    assert handle.status() == "pending"


def test_an_unknown_id_or_key_is_not_found(engine: hydra.Engine) -> None:
    with pytest.raises(hydra.NotFound, match="`nope`"):
        engine.get("nope")
    with pytest.raises(hydra.NotFound, match="`inv-9`"):
        engine.find(shop.bill, key="inv-9")


def test_executions_are_listed_newest_first_by_what_is_asked(engine: hydra.Engine) -> None:
    old, new = (engine.submit(shop.echo.bind(n), tags={"run": str(n)}) for n in range(2))
    engine.submit(shop.bill.bind("1"), key="b").cancel()
    assert [e.id for e in engine.executions(workflow=shop.echo)] == [new.id, old.id]
    assert [e.id for e in engine.executions(workflow="echo", limit=1)] == [new.id]
    assert [e.id for e in engine.executions(workflow="echo", before=new.id)] == [old.id]
    assert [e.id for e in engine.executions(tags={"run": "0"})] == [old.id]
    assert [e.key for e in engine.executions(status="cancelled")] == ["b"]
    with pytest.raises(hydra.ConfigError, match="`done` is not a status"):
        engine.executions(status="done")


def test_an_engine_in_a_body_is_refused_and_the_sentence_names_spawn(working: hydra.Engine, url: str) -> None:
    with pytest.raises(hydra.WorkflowFailed, match=r"hydra\.spawn"):
        working.submit(shop.submit_in_body.bind(url)).result(timeout=WAIT_SECONDS)


def test_an_engine_in_a_step_is_allowed(working: hydra.Engine, url: str) -> None:
    inner = working.submit(shop.submit_in_step.bind(url)).result(timeout=WAIT_SECONDS)
    assert working.get(inner).result(timeout=WAIT_SECONDS).number == "inner"


def test_stats_name_due_work_that_nobody_serves(engine: hydra.Engine) -> None:
    engine.submit(hydra.named("unheard_of").bind())
    assert engine.stats().unclaimed == {"unheard_of": 1}


def test_r24_purged_executions_are_gone_and_their_keys_are_not(working: hydra.Engine) -> None:
    handle = working.submit(shop.bill.bind("7"), key="inv-7")
    handle.result(timeout=WAIT_SECONDS)
    assert working.purge(older_than=3600) == 0
    assert working.purge(older_than=0) == 1
    with pytest.raises(hydra.NotFound):
        handle.status()
    with pytest.raises(hydra.IdempotencyConflict):
        working.submit(shop.bill.bind("8"), key="inv-7")


def test_a_purge_rests_after_each_transaction_for_twice_as_long_as_that_took(
    working: hydra.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        working.submit(shop.bill.bind(str(number)), key=f"inv-{number}").result(timeout=WAIT_SECONDS)
    ticks = itertools.count()
    rests: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: next(ticks) * 0.5, sleep=rests.append)
    monkeypatch.setattr(act_orders, "time", clock)
    monkeypatch.setattr(act_orders, "PURGE_CHUNK_SIZE", 2)
    assert working.purge(older_than=0) == 3
    assert rests == [1.0, 1.0], "of two transactions that took half a second each"


def test_outside_an_execution_steps_and_workflows_are_plain_functions() -> None:
    assert shop.bill("7", Decimal("1")) == shop.price("7", Decimal("1"))
    with pytest.raises(hydra.HydraError, match="step_context"):
        hydra.idempotency_key()
