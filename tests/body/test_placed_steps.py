"""Steps with limits or labels: an execution of its own each, which the body sees as the step it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import hydra
import pytest
from hydra.execution import ELSEWHERE, Ending, Status
from hydra.records.tries import ENDS_OF_TRIES
from hydra.testing import Harness, crash_matrix
from hydra.workflow import registry

from tests.body.supervising import Supervisor

ONE = hydra.Concurrency(1)


@dataclass(frozen=True)
class Paid:
    card: str
    total: Decimal


class Refused(Exception):
    """By the provider."""


def placed(name: str) -> str:
    return f"hydra.step:{name}"


def test_a_step_with_a_limit_gives_what_a_plain_one_does(harness: Harness) -> None:
    @hydra.step(limits=[hydra.Concurrency(1, key="card")])
    def charge(card: str, total: Decimal = Decimal(5)) -> Paid:
        return Paid(card, total)

    @hydra.workflow
    def bill(card: str) -> Paid:
        first = charge(card)
        return Paid(first.card, first.total + charge(card, total=Decimal("0.10")).total)

    handle = harness.submit(bill.bind("visa"))
    harness.run_until_idle()
    assert handle.result() == Paid("visa", Decimal("5.10"))
    assert [(step.name, step.ordinal, step.status) for step in handle.steps()] == [
        ("charge", 0, "completed"),
        ("charge", 1, "completed"),
    ]
    own = harness.engine.executions(workflow=None)
    assert [each.limits for each in own if each.workflow == placed("charge")] == [["step.charge.card=visa"]] * 2


def test_g4_its_end_says_that_it_ran_elsewhere(harness: Harness) -> None:
    """It is of no use without the record of the event that told it (`records.kept`)."""

    @hydra.step(limits=[ONE])
    def ran_elsewhere(is_refused: bool) -> None:
        if is_refused:
            raise Refused

    @hydra.step
    def ran_here() -> None: ...

    @hydra.workflow
    def ran_both() -> None:
        ran_here()
        ran_elsewhere(is_refused=False)
        with contextlib.suppress(Refused):
            ran_elsewhere(is_refused=True)

    handle = harness.submit(ran_both.bind())
    harness.run_until_idle()
    assert handle.status() == Status.COMPLETED
    ends = [record for record in harness._store.records(handle.id) if record.kind in ENDS_OF_TRIES]
    assert [(end.kind, end.name, end.due_at) for end in ends] == [
        ("step", "ran_here", 0), ("step", "ran_elsewhere", ELSEWHERE), ("failure", "ran_elsewhere", ELSEWHERE),
    ]  # fmt: skip


def test_the_step_is_told_of_its_bodys_execution(harness: Harness) -> None:
    told: list[hydra.Current] = []
    keys: list[str] = []

    def tell() -> None:
        told.append(hydra.current())
        keys.append(hydra.idempotency_key("again"))

    plain = hydra.step(name="tell")(tell)
    plainly = hydra.workflow(name="plainly", version="7")(lambda: plain())
    limited = hydra.step(name="tell_limited", limits=[hydra.Concurrency(1, key="tag:run")])(tell)
    apart = hydra.workflow(name="apart", version="7")(lambda: limited())
    handles = [harness.submit(each.bind(), tags={"run": "2026"}) for each in (plainly, apart)]
    harness.run_until_idle()
    assert [handle.result() for handle in handles] == [None, None]
    assert [
        (each.id, each.workflow, each.tags, each.attempt, each.execution_attempt, each.version) for each in told
    ] == [
        (handles[0].id, "plainly", {"run": "2026"}, 1, 1, "7"),
        (handles[1].id, "apart", {"run": "2026"}, 1, 1, "7"),
    ]
    assert [key.partition("-")[0] for key in keys] == [handle.id.partition("-")[0] for handle in handles]


def test_g4_the_idempotency_key_is_that_of_a_plain_step(supervisor: Supervisor) -> None:
    keys: list[str] = []

    def charge() -> None:
        keys.append(hydra.idempotency_key())

    define = hydra.workflow(name="bill")
    plain = hydra.step(name="charge")(charge)
    first = define(lambda: hydra.gather(plain.bind(), plain.bind()) and None)
    supervisor.submit(first.bind())
    supervisor.finish()
    registry.workflows.clear()
    registry.steps.clear()
    limited = hydra.step(name="charge", limits=[ONE])(charge)
    second = define(lambda: hydra.gather(limited.bind(), limited.bind()) and None)
    other = Supervisor()
    other.submit(second.bind())
    other.finish()
    assert sorted(keys[:2]) == sorted(keys[2:]) and len(set(keys)) == 2


def test_a_failure_is_raised_in_the_body_with_its_class_and_fields(harness: Harness) -> None:
    @hydra.step(limits=[ONE], max_attempts=2, backoff=hydra.Backoff(initial=60.0, jitter=0.0))
    def charge() -> None:
        raise Refused("no money", 7)

    @hydra.workflow
    def bill() -> str:
        try:
            charge()
        except Refused as error:
            return f"{error.args}"
        return "paid"

    handle = harness.submit(bill.bind())
    harness.run_until_idle()
    assert handle.status() == Status.WAITING
    assert [step.status for step in handle.steps()] == ["waiting"]
    assert "step `charge`, which runs as execution" in harness.engine.why(handle.id).sentence
    harness.advance(timedelta(minutes=2))
    assert handle.result() == "('no money', 7)"
    (own,) = [each for each in harness.engine.executions() if each.workflow == placed("charge")]
    with pytest.raises(hydra.IllegalMove, match="runs step `charge` of another one; retry that"):
        harness.engine.get(own.id).retry()
    with pytest.raises(hydra.IllegalMove, match="runs step `charge` of another one; retry that"):
        harness.engine.fork(own.id, "charge")
    assert [step.attempts for step in harness.engine.get(own.id).steps()] == [2]


def test_a_body_that_waits_for_a_place_holds_none(harness: Harness) -> None:
    at_once = Counter[str]()

    @hydra.step(limits=[hydra.Concurrency(2, name="apart-provider")])
    def charge(number: int) -> int:
        use = harness.engine.limit_keys("apart-provider")
        at_once["most"] = max(at_once["most"], *(each.held for each in use))
        return number

    @hydra.workflow
    def bill() -> int:
        return sum(hydra.gather(*(charge.bind(number) for number in range(6))))

    handle = harness.submit(bill.bind())
    harness.run_until_idle()
    assert handle.result() == 15
    assert at_once["most"] <= 2
    assert [(each.held, each.waiting) for each in harness.engine.limit_keys("apart-provider")] in ([], [(0, 0)])


def test_an_async_body_races_limited_steps(harness: Harness) -> None:
    @hydra.step(limits=[hydra.Concurrency(2, key="number")])
    async def quote(number: int) -> int:
        await asyncio.sleep(0)
        return number

    @hydra.step(limits=[ONE])
    def sync_quote(number: int) -> int:
        return number

    @hydra.workflow
    async def race() -> list[int]:
        tasks = [asyncio.create_task(quote(number)) for number in range(3)]
        tasks.append(asyncio.create_task(hydra.aio.call(sync_quote.bind(3))))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        rest = await asyncio.gather(*tasks)
        return [len(done) >= 1, *rest]

    handle = harness.submit(race.bind())
    harness.run_until_idle()
    assert handle.result() == [True, 0, 1, 2, 3]


@pytest.mark.parametrize("is_async", [False, True])
def test_g3_g4_killed_at_any_boundary_the_effect_and_the_record_come_once(is_async: bool) -> None:
    ledger: dict[str, int] = {}

    @hydra.step(limits=[ONE], lookup=lambda key: hydra.Found(ledger[key]) if key in ledger else hydra.NOT_FOUND)
    def charge(amount: int) -> int:
        assert hydra.idempotency_key() not in ledger, "an effect was made twice"
        ledger[hydra.idempotency_key()] = amount
        return amount

    @hydra.step(labels=["eu"], max_attempts=2, backoff=hydra.Backoff(initial=60.0, jitter=0.0))
    def refuse() -> None:
        raise Refused("no money")

    if is_async:

        @hydra.workflow
        async def bill(amount: int) -> int:
            total = sum(await asyncio.gather(*(hydra.aio.call(charge.bind(each)) for each in (amount, 1))))
            try:
                await hydra.aio.call(refuse.bind())
            except Refused:
                total += await hydra.aio.call(charge.bind(2))
            return total

        bound = bill.bind(5)
    else:

        @hydra.workflow
        def bill_plainly(amount: int) -> int:
            total = sum(hydra.gather(charge.bind(amount), charge.bind(1)))
            try:
                refuse()
            except Refused:
                total += charge(2)
            return total

        bound = bill_plainly.bind(5)

    report = crash_matrix(bound, effects=lambda: (sorted(ledger.values()), ledger.clear()))
    assert report.result == 8
    assert report.repeated["before step charge"] > 0


def test_g3_killed_after_any_record_a_step_and_its_body_agree() -> None:
    def run(crash_after: int | None) -> tuple[int, Counter[str], int]:
        keys = Counter[str]()
        registry.workflows.clear()
        registry.steps.clear()

        @hydra.step(limits=[ONE])
        def charge(amount: int) -> int:
            keys[hydra.idempotency_key()] += 1
            return amount

        @hydra.workflow
        def bill() -> int:
            return charge(1) + sum(hydra.gather(charge.bind(2), charge.bind(3)))

        supervisor = Supervisor()
        execution = supervisor.submit(bill.bind())
        supervisor.finish(crash_after)
        return execution.result(), keys, supervisor.death_count

    crashes = 0
    while True:
        result, keys, death_count = run(crashes)
        assert (result, len(keys)) == (6, 3)
        assert max(keys.values()) <= 1 + death_count
        if not death_count:
            break
        crashes += 1
    assert crashes >= 9


def test_a_retry_of_the_execution_runs_the_step_again(harness: Harness) -> None:
    tries: list[str] = []

    @hydra.step(limits=[ONE])
    def charge() -> int:
        tries.append(hydra.idempotency_key())
        if len(tries) < 4:
            raise Refused("no money")
        return len(tries)

    @hydra.workflow(max_attempts=3, backoff=hydra.Backoff(initial=1.0, jitter=0.0))
    def bill() -> int:
        return charge()

    handle = harness.submit(bill.bind())
    harness.advance(timedelta(minutes=1))
    assert handle.status() == Status.FAILED
    assert len(tries) == 3
    handle.retry()
    harness.advance(timedelta(minutes=1))
    assert handle.result() == 4
    assert len(set(tries)) == 1


def test_a_lookup_is_asked_before_a_superseded_step_runs_again(harness: Harness) -> None:
    ledger: dict[str, int] = {}
    asked: list[str] = []

    def look_up(key: str) -> object:
        asked.append(key)
        return hydra.Found(ledger[key]) if key in ledger else hydra.NOT_FOUND

    @hydra.step(limits=[ONE], lookup=look_up)
    def charge() -> int:
        ledger[hydra.idempotency_key()] = 7
        raise Refused("the answer was lost")

    @hydra.workflow
    def bill() -> int:
        return charge()

    handle = harness.submit(bill.bind())
    harness.run_until_idle()
    assert handle.status() == Status.FAILED
    handle.retry()
    harness.run_until_idle()
    assert handle.result() == 7
    assert asked == list(ledger)


def test_a_step_that_loses_a_race_before_its_place_never_begins(harness: Harness) -> None:
    begun: list[str] = []

    @hydra.step(limits=[hydra.Concurrency(1, name="apart-slow")])
    def slow(what: str) -> str:
        begun.append(what)
        return what

    @hydra.step
    def quick() -> str:
        return "quick"

    @hydra.workflow
    def race() -> str:
        return hydra.wait_first(slow.bind("loser"), quick.bind()).result()

    harness.submit(hydra.workflow(name="other")(lambda: None).bind())
    harness.run_until_idle()
    harness.engine.pause_workflow(placed("slow"), reason="a test")
    handle = harness.submit(race.bind())
    harness.run_until_idle()
    assert handle.result() == "quick"
    harness.engine.resume_workflow(placed("slow"))
    harness.run_until_idle()
    assert begun == []
    (own,) = [each for each in harness.engine.executions() if each.workflow == placed("slow")]
    assert own.status == Status.CANCELLED


@pytest.mark.parametrize("has_begun", [False, True])
@pytest.mark.parametrize(
    ("winner", "then"),
    [
        ("time", "return"),
        ("time", "wait"),
        ("time", "raise"),
        ("event", "return"),
        ("child", "return"),
        ("step", "wait"),
        ("limited step", "return"),
    ],
)
def test_a_step_that_loses_a_race_after_its_body_rested_is_cancelled(
    harness: Harness, winner: str, has_begun: bool, then: str
) -> None:
    begun: list[int] = []

    @hydra.step(
        limits=[hydra.Concurrency(1, name="apart-card")],
        max_attempts=3,
        backoff=hydra.Backoff(initial=600.0, maximum=600.0, jitter=0.0),
    )
    def charge() -> None:
        begun.append(len(begun))
        raise Refused("not yet")

    later = {"max_attempts": 2, "backoff": hydra.Backoff(initial=60.0, maximum=60.0, jitter=0.0)}

    def try_twice() -> int:
        if hydra.current().attempt == 1:
            raise Refused("once more")
        return 7

    plain = hydra.step(name="plain", **later)(try_twice)  # type: ignore[call-overload]
    limited = hydra.step(name="limited", limits=[ONE], **later)(try_twice)  # type: ignore[call-overload]

    @hydra.workflow
    def rest() -> None:
        hydra.sleep(60)

    @hydra.workflow
    def pay() -> int:
        others = {
            "time": lambda: hydra.after(60),
            "event": lambda: hydra.on_event("stop", str),
            "child": lambda: hydra.spawn(rest.bind()),
            "step": plain.bind,
            "limited step": limited.bind,
        }
        index = hydra.wait_first(charge.bind(), others[winner]()).index
        if then == "wait":
            hydra.sleep(3600)
        if then == "raise":
            raise Refused("too slow")
        return index

    harness.submit(hydra.workflow(name="other")(lambda: None).bind())
    harness.run_until_idle()
    if not has_begun:
        harness.engine.pause_workflow(placed("charge"))
    handle = harness.submit(pay.bind())
    harness.run_until_idle()
    assert handle.status() in (Status.WAITING, Status.SLEEPING)
    harness.advance(timedelta(seconds=30))
    handle.signal("stop", "now")
    harness.advance(timedelta(minutes=2))
    if not has_begun:
        harness.engine.resume_workflow(placed("charge"))
    harness.advance(timedelta(hours=2))
    (own,) = [each for each in harness.engine.executions() if each.workflow == placed("charge")]
    assert (own.status, begun) == (Status.CANCELLED, [0] if has_begun else [])
    if then == "raise":
        assert handle.status() is Status.FAILED
    else:
        assert handle.result() == 1
    assert len([record for record in handle.records() if record.name == f"hydra.stop_step:{own.id}"]) == 1


@pytest.mark.parametrize("is_event", [False, True])
def test_a_step_given_up_by_an_async_body_after_it_rested_is_cancelled(harness: Harness, is_event: bool) -> None:
    begun: list[int] = []

    @hydra.step(limits=[hydra.Concurrency(1, name="apart-card")])
    def charge() -> None:
        begun.append(1)

    @hydra.workflow
    async def pay() -> int:
        other = hydra.aio.wait_event("stop", str) if is_event else hydra.aio.sleep(60)
        tasks = [asyncio.create_task(each) for each in (hydra.aio.call(charge.bind()), other)]
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        return tasks.index(next(iter(done)))

    harness.submit(hydra.workflow(name="other")(lambda: None).bind())
    harness.run_until_idle()
    harness.engine.pause_workflow(placed("charge"))
    handle = harness.submit(pay.bind())
    harness.run_until_idle()
    harness.advance(timedelta(seconds=30))
    handle.signal("stop", "now")
    harness.advance(timedelta(minutes=2))
    assert handle.result() == 1
    harness.engine.resume_workflow(placed("charge"))
    harness.advance(timedelta(hours=2))
    assert begun == []


def test_a_step_that_ended_before_the_time_was_over_has_won(harness: Harness) -> None:
    """Though its body comes to it after both."""

    @hydra.step(limits=[hydra.Concurrency(1, name="apart-card")])
    def charge() -> str:
        return "paid"

    @hydra.workflow
    def pay() -> object:
        return hydra.wait_first(hydra.after(60), charge.bind()).result()

    harness.submit(hydra.workflow(name="other")(lambda: None).bind())
    harness.run_until_idle()
    harness.engine.pause_workflow(placed("charge"))
    handle = harness.submit(pay.bind())
    harness.run_until_idle()
    harness.engine.pause_workflow("pay")
    harness.engine.resume_workflow(placed("charge"))
    harness.advance(timedelta(minutes=2))
    harness.engine.resume_workflow("pay")
    harness.run_until_idle()
    assert handle.result() == "paid"


@pytest.mark.parametrize("options", [{"limits": [hydra.Fair("what")]}, {"limits": [ONE], "inline": True}])
def test_a_step_takes_turns_alone_and_runs_inline(harness: Harness, options: dict[str, object]) -> None:
    def tell(what: str) -> str:
        return f"{what}, {hydra.current().step}"

    step = hydra.step(name="tell", **options)(tell)  # type: ignore[call-overload]

    @hydra.workflow
    def run() -> object:
        return step("a"), *hydra.gather(step.bind("b"), step.bind("c"))

    handle = harness.submit(run.bind())
    harness.advance(timedelta(minutes=1))
    assert handle.result() == ("a, tell", "b, tell", "c, tell")


def test_an_async_body_that_gives_a_step_up_has_it_cancelled(harness: Harness) -> None:
    begun: list[int] = []

    @hydra.step(labels=["gpu"])
    def fit(number: int) -> int:
        begun.append(number)
        return number

    @hydra.workflow
    async def hurry() -> str:
        try:
            async with asyncio.timeout(60):
                await hydra.aio.call(fit.bind(1))
        except TimeoutError:
            return "late"
        return "in time"

    harness.submit(hydra.workflow(name="other")(lambda: None).bind())
    harness.run_until_idle()
    harness.engine.pause_workflow(placed("fit"))
    handle = harness.submit(hurry.bind())
    harness.run_until_idle()
    harness.advance(timedelta(minutes=2))
    assert handle.result() == "late"
    harness.engine.resume_workflow(placed("fit"))
    harness.run_until_idle()
    assert begun == []


def test_a_cancel_reaches_the_step_and_undoes_what_came_before(harness: Harness) -> None:
    done: list[str] = []

    @hydra.step(limits=[hydra.Concurrency(1, name="apart-money")])
    def charge() -> None:
        done.append("charge")

    @hydra.step(limits=[hydra.Concurrency(1, name="apart-money")])
    def refund() -> None:
        done.append("refund")

    @hydra.step(labels=["warehouse"])
    def ship() -> None:
        done.append("ship")

    @hydra.workflow
    def order() -> None:
        hydra.on_failure(refund.bind())
        charge()
        ship()

    harness.submit(hydra.workflow(name="other")(lambda: None).bind())
    harness.run_until_idle()
    harness.engine.pause_workflow(placed("ship"))
    handle = harness.submit(order.bind())
    harness.run_until_idle()
    assert (handle.status(), done) == (Status.WAITING, ["charge"])
    handle.cancel()
    harness.advance(timedelta(seconds=30))
    assert (handle.status(), done) == (Status.CANCELLED, ["charge", "refund"])
    harness.engine.resume_workflow(placed("ship"))
    harness.run_until_idle()
    assert done == ["charge", "refund"]


def test_a_failure_waits_for_steps_under_way_before_it_undoes(harness: Harness) -> None:
    done: list[str] = []

    @hydra.step
    def refund() -> None:
        done.append("refund")

    @hydra.step(limits=[ONE])
    async def charge() -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        done.append("charge")

    @hydra.workflow
    async def order() -> None:
        await hydra.aio.on_failure(refund.bind())
        task = asyncio.create_task(charge())
        await hydra.aio.sleep(0.001)
        assert not task.done()
        raise Refused("changed my mind")

    handle = harness.submit(order.bind())
    harness.advance(timedelta(seconds=30))
    assert handle.status() == Status.FAILED
    assert done in (["refund"], ["charge", "refund"])


def test_a_time_out_of_the_execution_ends_its_steps(harness: Harness) -> None:
    begun: list[int] = []

    @hydra.step(limits=[ONE])
    def charge() -> None:
        begun.append(1)

    @hydra.workflow(timeout=60)
    def bill() -> None:
        charge()

    harness.submit(hydra.workflow(name="other")(lambda: None).bind())
    harness.run_until_idle()
    harness.engine.pause_workflow(placed("charge"))
    handle = harness.submit(bill.bind())
    harness.advance(timedelta(minutes=2))
    assert handle.status() == Status.FAILED
    harness.engine.resume_workflow(placed("charge"))
    harness.run_until_idle()
    (own,) = [each for each in harness.engine.executions() if each.workflow == placed("charge")]
    assert (own.status, begun) == (Status.FAILED, [])


def test_a_step_whose_execution_somebody_cancels_fails(harness: Harness) -> None:
    @hydra.step(limits=[ONE])
    def charge() -> None: ...

    @hydra.workflow
    def bill() -> str:
        try:
            charge()
        except hydra.HydraError as error:
            return str(error)
        return "paid"

    harness.submit(hydra.workflow(name="other")(lambda: None).bind())
    harness.run_until_idle()
    harness.engine.pause_workflow(placed("charge"))
    handle = harness.submit(bill.bind())
    harness.run_until_idle()
    (own,) = [each for each in harness.engine.executions() if each.workflow == placed("charge")]
    harness.engine.get(own.id).cancel()
    harness.run_until_idle()
    assert handle.result() == f"step `charge` ran as execution `{own.id}`, which was cancelled"


def define_bill(options: dict[str, object], run: Callable[[], int]) -> hydra.BoundWorkflow[int]:
    registry.workflows.clear()
    registry.steps.clear()
    charge = hydra.step(name="charge", **options)(run)  # type: ignore[call-overload]

    def bill() -> int:
        first: int = charge()
        hydra.sleep(60)
        return first + int(charge())

    return hydra.workflow(name="bill")(bill).bind()


@pytest.mark.parametrize(("before", "after"), [({}, {"limits": [ONE]}), ({"limits": [ONE]}, {"limits": []})])
def test_what_began_with_other_limits_goes_on(before: dict[str, object], after: dict[str, object]) -> None:
    runs: list[int] = []

    def run() -> int:
        runs.append(1)
        return 21

    supervisor = Supervisor()
    execution = supervisor.submit(define_bill(before, run))
    while not execution.ends or execution.end.kind != Ending.SLEEPING:
        supervisor.run()
    define_bill(after, run)
    supervisor.finish()
    assert execution.result() == 42
    assert len(runs) == 2


def test_a_step_that_was_tried_without_a_limit_is_tried_again_without(supervisor: Supervisor) -> None:
    runs: list[int] = []

    def run() -> int:
        runs.append(1)
        if len(runs) == 1:
            raise Refused("not now")
        return 21

    retrying = {"max_attempts": 2, "backoff": hydra.Backoff(initial=60.0, jitter=0.0)}
    execution = supervisor.submit(define_bill(retrying, run))
    supervisor.run()
    assert execution.end.kind == Ending.SLEEPING
    define_bill({**retrying, "limits": [ONE]}, run)
    supervisor.finish()
    assert execution.result() == 42
    assert [(record.kind, record.name) for record in execution.records][:3] == [
        ("try", "charge"),
        ("step", "charge"),
        ("sleep", "hydra.sleep"),
    ]


def test_a_failure_without_a_limit_does_not_count_for_a_step_that_gained_one(harness: Harness) -> None:
    tries: list[int] = []

    def run() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise Refused("no money")
        return 21

    handle = harness.submit(define_bill({}, run))
    harness.run_until_idle()
    assert (handle.status(), len(tries)) == (Status.FAILED, 1)
    define_bill({"limits": [ONE]}, run)
    handle.retry()
    harness.run_until_idle()
    assert (handle.status(), len(tries)) == (Status.FAILED, 2)
    handle.retry()
    harness.advance(timedelta(minutes=2))
    assert handle.result() == 42


def test_a_retry_asks_again_for_a_step_that_the_failure_had_stopped(harness: Harness) -> None:
    tries: list[str] = []

    @hydra.step(limits=[ONE])
    async def charge() -> int:
        tries.append(hydra.idempotency_key())
        return 7

    @hydra.step
    async def prepare() -> None:
        if not tries and harness.engine.pauses():
            raise Refused("not prepared")

    @hydra.workflow
    async def bill() -> int:
        task = asyncio.create_task(charge())
        await hydra.aio.sleep(5)
        await prepare()
        return await task

    harness.submit(hydra.workflow(name="other")(lambda: None).bind())
    harness.run_until_idle()
    harness.engine.pause_workflow(placed("charge"))
    handle = harness.submit(bill.bind())
    harness.advance(timedelta(minutes=1))
    (own,) = [each for each in harness.engine.executions() if each.workflow == placed("charge")]
    assert (handle.status(), own.status) == (Status.FAILED, Status.CANCELLED)
    harness.engine.resume_workflow(placed("charge"))
    handle.retry()
    harness.advance(timedelta(minutes=1))
    assert handle.result() == 7
    assert len(tries) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_g3_killed_at_any_boundary_a_race_with_a_limited_loser_ends_alike(is_async: bool) -> None:
    @hydra.step(
        limits=[hydra.Concurrency(1, name="apart-slow")],
        max_attempts=2,
        backoff=hydra.Backoff(initial=600.0, maximum=600.0),
    )
    def slow() -> str:
        raise Refused("not yet")

    @hydra.step(limits=[hydra.Concurrency(1, name="apart-quick")])
    def quick() -> str:
        return "quick"

    if is_async:

        @hydra.workflow
        async def race() -> str:
            tasks = [asyncio.create_task(hydra.aio.call(each.bind())) for each in (slow, quick)]
            done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            return next(iter(done)).result() + await hydra.aio.call(quick.bind())

        bound = race.bind()
    else:

        @hydra.workflow
        def race_plainly() -> str:
            first = hydra.wait_first(slow.bind(), quick.bind())
            return first.result() + quick()

        bound = race_plainly.bind()
    assert crash_matrix(bound).result == "quickquick"


def test_a_steps_calls_take_turns(harness: Harness) -> None:
    @hydra.step(limits=[hydra.Fair("tenant"), hydra.Concurrency(1, name="apart-mails")])
    def mail(tenant: str, number: int) -> str:
        return f"{tenant} {number}"

    @hydra.workflow
    def campaign() -> tuple[str, ...]:
        return hydra.gather(*(mail.bind(tenant, number) for number in range(3) for tenant in ("acme", "blue")))

    handle = harness.submit(campaign.bind())
    harness.run_until_idle()
    assert handle.result() == ("acme 0", "blue 0", "acme 1", "blue 1", "acme 2", "blue 2")


def test_a_retry_on_another_path_leaves_no_limited_step_of_the_attempt_before_it(harness: Harness) -> None:
    @hydra.step(limits=[ONE], max_attempts=2, backoff=hydra.Backoff(3600.0, 1.0, 3600.0, 0.0))
    async def held() -> None:
        raise ConnectionError("the provider is down")

    @hydra.step
    async def refuse() -> None:
        raise Refused("no money")

    @hydra.workflow(max_attempts=2)
    async def bill() -> str:
        if hydra.current().attempt == 1:
            await asyncio.gather(held(), refuse())
        return "on account"

    handle = harness.submit(bill.bind())
    harness.advance(timedelta(minutes=1))
    assert handle.result() == "on account"
    (own,) = [each for each in harness.engine.executions() if each.workflow == placed("held")]
    assert own.status == Status.CANCELLED
    assert harness.engine.audit() == []
