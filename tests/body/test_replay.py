"""What is recorded is handed out again; what is not recorded runs; nothing leaves on top of an unrecorded result."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hydra import codec
from hydra.context import current, gather, idempotency_key, now, random, sleep, uuid4
from hydra.execution import Ending
from hydra.frames import Recorded
from hydra.retry import Backoff
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor


@dataclass
class Line:
    article: str
    price: Decimal


@pytest.mark.parametrize("inline", [True, False])
def test_g3_g4_killed_at_any_record_no_recorded_step_runs_again_and_the_result_is_the_same(
    inline: bool,
) -> None:
    effects: Counter[str] = Counter()

    @step(inline=inline)
    def price(article: str) -> Line:
        effects[f"price {article} {idempotency_key()}"] += 1
        return Line(article, Decimal("1.10"))

    @step(inline=inline, max_attempts=3, backoff=Backoff(initial=5.0))
    def charge(line: Line) -> Decimal:
        effects[f"charge {line.article} {idempotency_key()}"] += 1
        if current().attempt == 1:
            raise ConnectionError("try again")
        return line.price

    @step(inline=inline)
    def refuse(article: str) -> None:
        effects[f"refuse {article} {idempotency_key()}"] += 1
        raise ValueError(f"no {article}")

    @workflow
    def bill(articles: list[str]) -> tuple[Decimal, bool, list[str]]:
        total, refused, seen = Decimal(0), [], [now(), uuid4(), random()]
        for article in articles:
            line = price(article)
            assert isinstance(line, Line)
            total += charge(line)
            try:
                refuse(article)
            except ValueError as error:
                refused.append(str(error))
            sleep(3600)
        pair = gather(price.bind("x"), price.bind("y"))
        assert [line.article for line in pair] == ["x", "y"]
        return total, seen == [now(), uuid4(), random()], refused

    articles = ["a", "b"]
    whole = Supervisor()
    expected = whole.submit(bill.bind(articles))
    whole.finish()
    assert expected.result() == (Decimal("2.20"), False, ["no a", "no b"])
    record_count = len(expected.records)
    assert record_count == 3 + 2 * 5 + 2 + 3

    for crash_after in range(record_count + 1):
        effects.clear()
        supervisor = Supervisor()
        execution = supervisor.submit(bill.bind(articles))
        supervisor.finish(crash_after=crash_after)
        assert execution.result() == expected.result()
        assert len(execution.records) == record_count
        extra = sum(effects.values()) - (2 * 4 + 2)
        assert 0 <= extra <= 2, "only what was under way at the kill (two steps in the gather, else one) runs again"
        assert supervisor.death_count == (crash_after < record_count)


def test_g5_no_step_starts_before_what_the_body_knows_is_durable(supervisor: Supervisor) -> None:
    started: list[str] = []

    @step
    def first() -> int:
        started.append("first")
        return 1

    @step(inline=True)
    def second(value: int) -> int:
        started.append("second")
        return value + 1

    @workflow
    def chain() -> int:
        value = first()
        started.append("body goes on at once")
        return second(value)

    execution = supervisor.submit(chain.bind())
    supervisor.holds_acks = True
    batches: list[list[str]] = []

    def on_send(frames: list[Any]) -> None:
        # The hub sends when it has nothing left to run, so what has started by now is all that could start.
        batches.append(list(started))
        supervisor.acknowledge()

    supervisor.on_send = on_send
    supervisor.run()
    assert batches == [["first", "body goes on at once"], ["first", "body goes on at once", "second"]]
    assert execution.result() == 2


def test_g5_no_step_starts_before_a_failure_that_the_body_caught_is_durable(supervisor: Supervisor) -> None:
    started: list[str] = []

    @step
    def refuse_it() -> None:
        raise ValueError("no")

    @step(inline=True)
    def after_the_refusal() -> int:
        started.append("after")
        return 1

    @workflow
    def goes_on_without() -> int:
        try:
            refuse_it()
        except ValueError:
            started.append("caught")
        return after_the_refusal()

    execution = supervisor.submit(goes_on_without.bind())
    supervisor.holds_acks = True
    batches: list[list[str]] = []

    def on_send(frames: list[Any]) -> None:
        batches.append(list(started))
        supervisor.acknowledge()

    supervisor.on_send = on_send
    supervisor.run()
    assert batches == [["caught"], ["caught", "after"]]
    assert execution.result() == 1


def test_g5_the_end_carries_the_last_records(supervisor: Supervisor) -> None:
    frames: list[Any] = []

    @step(inline=True)
    def only() -> int:
        return 1

    @workflow
    def one_step() -> int:
        return only()

    execution = supervisor.submit(one_step.bind())
    supervisor.on_send = frames.extend
    supervisor.run()
    assert len(frames) == 1
    assert [record.kind for record in frames[0].records] == ["step"]
    assert not any(isinstance(frame, Recorded) for frame in frames)
    assert execution.end.kind == Ending.COMPLETED


def test_g3_live_code_gets_the_decoded_object_not_the_step_s_own(supervisor: Supervisor) -> None:
    kept: list[Line] = []

    @step(inline=True)
    def make() -> list[Line]:
        kept.append(Line("a", Decimal("1.1")))
        return kept

    @workflow
    def look() -> bool:
        return make()[0] is kept[0]

    execution = supervisor.submit(look.bind())
    supervisor.run()
    assert execution.result() is False


def test_the_input_reaches_the_body_typed_by_its_annotations(supervisor: Supervisor) -> None:
    @workflow
    def typed(line: Line, *, count: int = 2) -> Decimal:
        assert isinstance(line, Line)
        return line.price * count

    execution = supervisor.submit(typed.bind(Line("a", Decimal("1.25"))))
    supervisor.run()
    assert execution.result() == Decimal("2.50")


def test_an_input_that_does_not_fit_fails_the_execution_with_a_sentence(supervisor: Supervisor) -> None:
    @workflow
    def typed(line: Line) -> None: ...

    execution = supervisor.submit_raw("typed", codec.encode_call((), {"other": 1})[0])
    supervisor.run()
    assert execution.end.kind == Ending.FAILED
    assert "does not fit workflow `typed`" in str(execution.error())


def test_a_workflow_unknown_to_this_worker_is_handed_back(supervisor: Supervisor) -> None:
    execution = supervisor.submit_raw("nobody", codec.encode_call((), {})[0])
    supervisor.run()
    assert execution.end.kind == Ending.RELEASED


def test_ten_thousand_executions_run_on_one_hub(supervisor: Supervisor) -> None:
    @step(inline=True)
    def double(number: int) -> int:
        return number * 2

    @workflow
    def twice(number: int) -> int:
        return double(double(number))

    executions = [supervisor.submit(twice.bind(number)) for number in range(10_000)]
    supervisor.run()
    assert [execution.result() for execution in executions] == [number * 4 for number in range(10_000)]
