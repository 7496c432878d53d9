"""How an execution is made to stop: sleep, cancel, time-out, drain, a lost lease, divergence; and that it stays so."""

from __future__ import annotations

import threading

import pytest
from hydra import codec
from hydra.context import current, gather, sleep
from hydra.errors import Interrupt
from hydra.execution import Ending, Record, RecordKind
from hydra.frames import Drain
from hydra.retry import Backoff
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor


def test_a_long_sleep_is_a_row_and_not_a_thread(supervisor: Supervisor) -> None:
    log: list[str] = []

    @step(inline=True)
    def note(text: str) -> None:
        log.append(text)

    @workflow
    def naps() -> str:
        note("before")
        sleep(30 * 86_400)
        note("after")
        return "rested"

    execution = supervisor.submit(naps.bind())
    supervisor.run()
    assert execution.end.kind == Ending.SLEEPING
    assert execution.end.wake_at == execution.records[-1].due_at
    assert execution.end.wake_at >= supervisor.lease.now() + 29 * 86_400 * 1_000_000
    assert log == ["before"]
    supervisor.finish()
    assert execution.result() == "rested"
    assert log == ["before", "after"]
    assert execution.kinds() == ["step", "sleep", "step"]


def test_a_short_sleep_is_held_in_the_worker(supervisor: Supervisor) -> None:
    @workflow
    def blinks() -> str:
        sleep(0.01)
        return "done"

    execution = supervisor.submit(blinks.bind())
    supervisor.run()
    assert [end.kind for end in execution.ends] == [Ending.COMPLETED]


def test_an_interrupt_sticks_whatever_the_body_catches(supervisor: Supervisor) -> None:
    ran: list[str] = []

    @step(inline=True)
    def effect(name: str) -> str:
        ran.append(name)
        return name

    @workflow
    def clings() -> str:
        try:
            sleep(3600)
        except BaseException:
            for name in ("except", "again"):
                with pytest.raises(Interrupt):
                    effect(name)
            return "a result that must not count"
        return "woke"

    execution = supervisor.submit(clings.bind())
    supervisor.run()
    assert execution.end.kind == Ending.SLEEPING
    assert ran == []
    supervisor.finish()
    assert execution.result() == "woke"


def test_a_body_that_never_lets_an_interrupt_pass_is_set_aside(supervisor: Supervisor) -> None:
    @step(inline=True)
    def effect() -> None: ...

    @workflow
    def stubborn() -> None:
        while True:
            try:
                sleep(3600)
                effect()
            except BaseException:
                continue

    @workflow
    def neighbour() -> str:
        return "fine"

    first = supervisor.submit(stubborn.bind())
    second = supervisor.submit(neighbour.bind())
    supervisor.run()
    assert first.end.kind == Ending.SLEEPING
    assert second.result() == "fine"


@pytest.mark.parametrize(
    ("reason", "kind", "cause"),
    [
        ("cancelled", Ending.CANCELLED, ""),
        ("timeout", Ending.FAILED, "timeout"),
        ("drain", Ending.RELEASED, ""),
    ],
)
def test_a_halt_waits_for_the_step_keeps_its_result_and_starts_nothing_more(
    supervisor: Supervisor, reason: str, kind: Ending, cause: str
) -> None:
    started: list[int] = []

    @step
    def works(number: int) -> int:
        started.append(number)
        supervisor.halt(execution, reason)
        return number

    @workflow
    def halted() -> int:
        return works(1) + works(2)

    execution = supervisor.submit(halted.bind())
    supervisor.run()
    assert execution.end.kind == kind
    assert execution.end.cause == cause
    assert started == [1]
    assert execution.kinds() == ["step"]


def test_g2_a_halt_for_a_lost_lease_answers_nothing(supervisor: Supervisor) -> None:
    started: list[int] = []

    @step
    def works(number: int) -> int:
        started.append(number)
        supervisor.halt(execution, "lost")
        supervisor.deliver(Drain())
        return number

    @workflow
    def lost() -> int:
        return works(1) + works(2)

    execution = supervisor.submit(lost.bind())
    supervisor.run()
    assert started == [1]
    assert execution.ends == []


def test_an_execution_cancelled_before_it_is_claimed_never_runs(supervisor: Supervisor) -> None:
    ran: list[str] = []

    @workflow
    def cancelled() -> None:
        ran.append("body")

    execution = supervisor.submit(cancelled.bind())
    execution.cancel_requested = True
    late = supervisor.submit(cancelled.bind(), timeout_at=1)
    supervisor.run()
    assert execution.end.kind == Ending.CANCELLED
    assert (late.end.kind, late.end.cause) == (Ending.FAILED, "timeout")
    assert ran == []


def test_drain_hands_everything_back_at_the_next_step(supervisor: Supervisor) -> None:
    at_work = threading.Barrier(3, action=lambda: supervisor.deliver(Drain()))

    @step
    def works(number: int) -> int:
        if number < 2:
            at_work.wait()
        return number

    @workflow
    def two_steps(number: int) -> int:
        return works(number) + works(2)

    executions = [supervisor.submit(two_steps.bind(number)) for number in (0, 1, 0)]
    supervisor.run()
    assert [execution.end.kind for execution in executions] == [Ending.RELEASED] * 3
    assert [execution.kinds() for execution in executions] == [["step"]] * 3
    supervisor.finish()
    assert [execution.result() for execution in executions] == [2, 3, 2]


def test_r5_past_the_deadline_nothing_starts_until_the_lease_goes_on(supervisor: Supervisor) -> None:
    started: list[int] = []

    @step(inline=True)
    def first() -> int:
        supervisor.deadline_ns = 1
        supervisor.set_lease()
        return 1

    @step(inline=True)
    def second() -> int:
        started.append(supervisor.deadline_ns)
        return 2

    @workflow
    def leased() -> int:
        return first() + second()

    def renew() -> None:
        assert started == []
        supervisor.deadline_ns = 1 << 62
        supervisor.set_lease()

    execution = supervisor.submit(leased.bind())
    supervisor.on_send = lambda frames: threading.Timer(0.05, renew).start() if supervisor.deadline_ns == 1 else None
    supervisor.run()
    assert execution.result() == 3
    assert started == [1 << 62]


def test_gather_gives_results_in_order_and_raises_the_first_failure_when_all_have_ended(
    supervisor: Supervisor,
) -> None:
    meet = threading.Barrier(3)
    ended: list[int] = []

    @step
    def works(number: int) -> int:
        meet.wait()
        ended.append(number)
        if number > 0:
            raise ValueError(f"number {number}")
        return number

    @workflow
    def parallel() -> str:
        try:
            gather(works.bind(0), works.bind(1), works.bind(2))
        except ValueError as error:
            return f"{error} after {len(ended)}"
        return "no failure"

    @step
    def quick(number: int) -> int:
        return number

    @workflow
    def ordered() -> tuple[int, ...]:
        return gather(*(quick.bind(number) for number in range(20)))

    first = supervisor.submit(parallel.bind())
    second = supervisor.submit(ordered.bind())
    supervisor.run()
    assert first.result() == "number 1 after 3"
    assert second.result() == tuple(range(20))


def test_an_execution_suspends_when_all_its_branches_wait(supervisor: Supervisor) -> None:
    @step(max_attempts=2, backoff=Backoff(initial=40.0, jitter=0.0))
    def late(number: int) -> int:
        if current().attempt == 1:
            raise ConnectionError
        return number

    @workflow
    def both() -> tuple[int, int]:
        return gather(late.bind(1), late.bind(2))

    execution = supervisor.submit(both.bind())
    supervisor.run()
    assert execution.end.kind == Ending.SLEEPING
    assert execution.end.wake_at == min(record.due_at for record in execution.records)
    assert execution.kinds() == ["try", "try"]
    supervisor.finish()
    assert execution.result() == (1, 2)


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "shown"),
    [
        ("charge", (2,), RecordKind.STEP, "other arguments"),
        ("refund", (1,), RecordKind.STEP, "`refund` number 1"),
        ("charge", (1,), RecordKind.SLEEP, "recorded as a `sleep`"),
    ],
)
def test_a_replay_that_differs_parks_and_shows_both_sides(
    supervisor: Supervisor, name: str, arguments: tuple[int, ...], kind: RecordKind, shown: str
) -> None:
    ran: list[int] = []

    @step(inline=True)
    def charge(amount: int) -> int:
        ran.append(amount)
        return amount

    @workflow
    def bill() -> int:
        return charge(1)

    execution = supervisor.submit(bill.bind())
    digest = codec.encode_call(arguments, {})[1]
    execution.records.append(Record(1, kind, "", name, 0, 1, digest, codec.encode(1), 0, 0))
    supervisor.run()
    assert execution.end.kind == Ending.PARKED
    assert execution.end.payload is not None
    message = codec.decode(execution.end.payload)
    assert shown in message
    assert "`charge`" in message
    assert ran == []


def test_a_body_that_returns_without_asking_for_a_record_parks(supervisor: Supervisor) -> None:
    @workflow
    def forgets() -> int:
        return 1

    execution = supervisor.submit(forgets.bind())
    execution.records.append(Record(1, RecordKind.STEP, "", "charge", 0, 1, b"", codec.encode(1), 0, 0))
    supervisor.run()
    assert execution.end.kind == Ending.PARKED


def test_a_step_inserted_before_what_is_recorded_parks_before_it_starts(supervisor: Supervisor) -> None:
    counts = iter([2, 3])

    ran: list[int] = []

    @step(inline=True)
    def item(number: int) -> int:
        ran.append(number)
        return number

    @workflow
    def loops() -> int:
        total = sum(item(number) for number in range(next(counts)))
        sleep(60)
        return total

    execution = supervisor.submit(loops.bind())
    supervisor.finish()
    assert execution.end.kind == Ending.PARKED, "the third step comes where the record has the sleep"
    assert ran == [0, 1]
