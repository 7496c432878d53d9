"""The loop of an async body: what of asyncio is durable on it, what it refuses, and what it says then."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import math
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from hydra import aio
from hydra.errors import ConfigError, HydraError
from hydra.execution import Ending
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor

HOUR = 3600.0
tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


def loop() -> Any:
    return asyncio.get_running_loop()


async def later() -> None:
    """A coroutine nobody runs."""


async def run_nested() -> None:
    asyncio.run(later())


async def run_on_loop() -> None:
    loop().run_until_complete(asyncio.sleep(0))


async def handle_signal() -> None:
    loop().add_signal_handler(signal.SIGUSR1, print)


REFUSED: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
    "to_thread": lambda: asyncio.to_thread(print),
    "run_in_executor": lambda: loop().run_in_executor(None, print),
    "open_connection": lambda: asyncio.open_connection("localhost", 1),
    "start_server": lambda: asyncio.start_server(print, "localhost", 1),
    "create_subprocess_exec": lambda: asyncio.create_subprocess_exec("true"),
    "create_subprocess_shell": lambda: asyncio.create_subprocess_shell("true"),
    "getaddrinfo": lambda: loop().getaddrinfo("localhost", 1),
    "add_signal_handler": handle_signal,
    "asyncio.run": run_nested,
    "run_until_complete": run_on_loop,
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_replayed_is_refused_with_what_to_do_instead(supervisor: Supervisor, what: str) -> None:
    @workflow
    async def wrong() -> str:
        try:
            await REFUSED[what]()
        except HydraError as error:
            return str(error)
        return "it went through"

    stored = supervisor.submit(wrong.bind())
    supervisor.finish()
    sentence = stored.result()
    assert "async body" in sentence
    assert any(hint in sentence for hint in ("step", "hydra.aio", "await")), sentence
    assert sentence.count("\n") == 0


def test_a_thread_reaches_no_body_by_its_loop(supervisor: Supervisor) -> None:
    refusals: list[str] = []

    @workflow
    async def wrong() -> str:
        own, future = loop(), loop().create_future()

        def reach() -> None:
            for call in (lambda: own.call_soon_threadsafe(print), lambda: future.set_result(1)):
                try:
                    call()
                except HydraError as error:
                    refusals.append(str(error))

        future.add_done_callback(print)
        thread = threading.Thread(target=reach)
        thread.start()
        thread.join()
        return "unharmed"

    stored = supervisor.submit(wrong.bind())
    supervisor.finish()
    assert stored.result() == "unharmed"
    assert len(refusals) == 2
    assert all("hydra.aio.wait_event" in each for each in refusals)


def test_a_short_time_out_that_is_not_reached_costs_no_record(supervisor: Supervisor) -> None:
    @step
    async def quick(number: int) -> int:
        return number

    @workflow
    async def patient() -> int:
        total = 0
        for number in range(5):
            async with asyncio.timeout(30):
                total += await asyncio.wait_for(quick(number), 20)
        await asyncio.sleep(0.01)
        return total

    stored = supervisor.submit(patient.bind())
    supervisor.finish()
    assert stored.result() == 10
    assert stored.kinds() == ["step"] * 5


def test_a_wait_that_no_record_could_hold_is_refused_in_one_sentence_and_may_be_caught(supervisor: Supervisor) -> None:
    refusals: list[str] = []

    async def limited(seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await asyncio.sleep(0)

    def later(seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, print)

    @workflow
    async def endless() -> str:
        for seconds in (math.inf, 1e20, 10**15, 3.2e10):
            nap = asyncio.create_task(asyncio.sleep(0.01))
            calls = (
                lambda seconds=seconds: asyncio.sleep(seconds),
                lambda seconds=seconds: limited(seconds),
                lambda seconds=seconds, nap=nap: asyncio.wait_for(nap, seconds),
                lambda seconds=seconds, nap=nap: asyncio.wait([nap], timeout=seconds),
            )
            for call in calls:
                try:
                    await call()
                except ConfigError as error:
                    refusals.append(str(error))
            await asyncio.wait([nap])
        for seconds in (math.inf, math.nan, -math.inf, 1e20, 10**15, 10**400):
            try:
                later(seconds)
            except ConfigError as error:
                refusals.append(str(error))
        later(-5)
        async with asyncio.timeout(-1e20):
            pass
        return "unharmed"

    stored = supervisor.submit(endless.bind())
    supervisor.finish()
    assert stored.result() == "unharmed"
    assert len(refusals) == 4 * 4 + 6
    assert all("must be shorter than 1,000 years, not " in each for each in refusals)


def test_a_long_sleep_is_a_row_and_a_crash_does_not_begin_it_again(supervisor: Supervisor) -> None:
    @workflow
    async def nap() -> str:
        await asyncio.sleep(HOUR)
        return "woke"

    stored = supervisor.submit(nap.bind())
    supervisor.run()
    assert stored.end.kind == Ending.SLEEPING
    due_at = stored.end.wake_at
    supervisor.advance(round(HOUR * 0.6e6))
    supervisor.signal(stored, "anything", 1)  # an early wake
    stored.ends.clear()
    supervisor.run()
    assert stored.end.wake_at == due_at
    supervisor.finish()
    assert stored.result() == "woke"


def test_the_loops_time_is_the_executions(supervisor: Supervisor) -> None:
    seen: list[list[float]] = []

    @step(inline=True)
    def plain(number: int) -> int:
        return number

    @workflow
    async def look() -> int:
        times = [loop().time()]
        for number in range(3):
            await aio.call(plain.bind(number))
            times.append(loop().time())
        await asyncio.sleep(HOUR)
        times.append(loop().time())
        seen.append(times)
        await asyncio.sleep(HOUR)
        return 0

    stored = supervisor.submit(look.bind())
    supervisor.finish()
    assert stored.result() == 0
    assert seen[0] == seen[1]
    assert seen[0] == sorted(seen[0])
    assert seen[0][-1] - seen[0][-2] >= HOUR


def test_an_async_generator_is_closed_where_the_body_lets_go_of_it() -> None:
    closed: list[str] = []

    @step(inline=True)
    def tidy(what: str) -> str:
        closed.append(what)
        return what

    @step(inline=True)
    def plain(number: int) -> int:
        return number

    async def numbers(what: str) -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield await aio.call(plain.bind(number))
        finally:
            await aio.call(tidy.bind(what))

    @workflow
    async def look() -> list[int]:
        found = []
        for what in ("first", "second"):
            async for number in numbers(what):
                found.append(number)
                if number == 2:
                    break
        await aio.sleep(HOUR)
        return found

    for crash_after in range(10):
        closed.clear()
        supervisor = Supervisor()
        stored = supervisor.submit(look.bind())
        supervisor.finish(crash_after=crash_after)
        assert stored.result() == [0, 1, 2, 0, 1, 2]
        assert list(dict.fromkeys(closed)) == ["first", "second"]


def test_a_suspended_async_generator_goes_in_silence(
    supervisor: Supervisor, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    async def ticks() -> AsyncIterator[int]:
        try:
            for number in range(3):
                await aio.sleep(HOUR)
                yield number
        finally:
            await asyncio.sleep(0)
            ran.append("finally")

    async def watch() -> list[int]:
        return [number async for number in ticks()]

    @workflow
    async def nap() -> list[list[int]]:
        return await asyncio.gather(watch(), watch())

    stored = supervisor.submit(nap.bind())
    supervisor.run()
    assert stored.end.kind == Ending.SLEEPING
    gc.collect()
    assert ran == []
    supervisor.finish()
    assert stored.result() == [[0, 1, 2], [0, 1, 2]]
    gc.collect()
    assert capfd.readouterr().err == ""
    assert not caplog.records


def test_locks_queues_events_and_conditions_work_as_ever() -> None:
    @step
    async def work(number: int) -> int:
        await asyncio.sleep(0.001 * (number % 3))
        return number

    @step(inline=True)
    def keep(order: list[str]) -> list[str]:
        return order

    @workflow
    async def shop() -> int:
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
        lock, gate, changed = asyncio.Lock(), asyncio.Event(), asyncio.Condition()
        places, order = asyncio.Semaphore(2), []

        async def produce() -> None:
            for number in range(6):
                await queue.put(await work(number))
            gate.set()
            async with changed:
                changed.notify_all()

        async def consume(name: str) -> None:
            while True:
                number = await queue.get()
                async with lock, places:
                    order.append(f"{name}{number}")
                    await aio.call(keep.bind(order))
                queue.task_done()

        consumers = [asyncio.create_task(consume(name)) for name in "ab"]
        async with changed:
            producer = asyncio.create_task(produce())
            await changed.wait()
        await gate.wait()
        await asyncio.gather(producer, queue.join())
        for each in consumers:
            each.cancel()
        await asyncio.gather(*consumers, return_exceptions=True)
        return len(order)

    for crash_after in range(14):
        supervisor = Supervisor()
        stored = supervisor.submit(shop.bind())
        supervisor.finish(crash_after=crash_after)
        assert stored.result() == 6
        assert len(stored.records) == 12


def test_a_shielded_step_goes_on_though_its_waiter_is_cancelled(supervisor: Supervisor) -> None:
    @step
    async def charge() -> str:
        await asyncio.sleep(0.03)
        return "charged"

    @workflow
    async def pay() -> str:
        task = asyncio.ensure_future(charge())
        try:
            async with asyncio.timeout(0.005):
                await asyncio.shield(task)
        except TimeoutError:
            return "late, but " + await task
        return "in time"

    stored = supervisor.submit(pay.bind())
    supervisor.finish()
    assert stored.result() == "late, but charged"


def test_sets_of_tasks_have_one_order_in_every_process(supervisor: Supervisor) -> None:
    @step(inline=True)
    def keep(names: list[str]) -> list[str]:
        return names

    async def nothing() -> None: ...

    @workflow
    async def look() -> list[str]:
        waste = [object() for _ in range(len(orders) * 1000)]  # other addresses each time
        tasks = {asyncio.create_task(nothing(), name=str(number)) for number in range(30)}
        done, _ = await asyncio.wait(tasks)
        order = [task.get_name() for task in done]
        orders.append(order)
        await aio.call(keep.bind(order))
        await aio.sleep(HOUR)
        return order if waste is not None else []

    orders: list[list[str]] = []
    stored = supervisor.submit(look.bind())
    supervisor.finish()
    assert stored.result() == orders[0] == orders[1]


def test_a_gather_is_part_of_another_as_in_asyncio(supervisor: Supervisor) -> None:
    @step
    async def same(number: int) -> int:
        return number

    @workflow
    async def nested() -> list[Any]:
        waited = asyncio.gather(same(4), same(5))
        await asyncio.wait([waited])
        together = await asyncio.gather(asyncio.gather(same(1), same(2)), same(3))
        return [*together, await waited, [await each for each in {asyncio.gather(same(6)): None}]]

    stored = supervisor.submit(nested.bind())
    supervisor.finish()
    assert stored.result() == [[1, 2], 3, [4, 5], [[6]]]


def test_a_step_sees_the_context_of_the_task_that_calls_it_live_and_on_replay(supervisor: Supervisor) -> None:
    @step
    async def who() -> str:
        return tenant.get()

    @step
    def who_in_a_thread() -> str:
        return tenant.get()

    async def one(name: str) -> list[str]:
        tenant.set(name)
        seen = [await who(), await aio.call(who_in_a_thread.bind())]
        await aio.sleep(HOUR)
        return [*seen, await who(), tenant.get()]

    @workflow
    async def serve() -> list[list[str]]:
        tenant.set("all")
        return [*await asyncio.gather(one("a"), one("b")), [await who()]]

    stored = supervisor.submit(serve.bind())
    supervisor.finish()
    assert stored.result() == [["a"] * 4, ["b"] * 4, ["all"]]


def test_a_body_that_waits_for_what_nothing_brings_is_parked(supervisor: Supervisor) -> None:
    @workflow
    async def stuck() -> None:
        await asyncio.Event().wait()

    stored = supervisor.submit(stuck.bind())
    supervisor.finish()
    assert stored.end.kind == Ending.PARKED
    assert b"nothing will bring" in (stored.end.payload or b"")


def test_a_failure_that_no_task_looked_at_is_logged(supervisor: Supervisor, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise LookupError("unseen")

    @workflow
    async def careless() -> str:
        asyncio.create_task(fail())  # noqa: RUF006
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
        return "done"

    stored = supervisor.submit(careless.bind())
    supervisor.finish()
    assert stored.result() == "done"
    assert "never retrieved" in caplog.text


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are of Python 3.12")
def test_eager_tasks_are_branches_too(supervisor: Supervisor) -> None:
    @step(inline=True)
    def plain(number: int) -> int:
        return number

    @workflow
    async def eager() -> list[int]:
        async def branch(number: int) -> int:
            return await aio.call(plain.bind(number))

        loop().set_task_factory(asyncio.eager_task_factory)
        return list(await asyncio.gather(*(branch(number) for number in range(3))))

    stored = supervisor.submit(eager.bind())
    supervisor.finish()
    assert stored.result() == [0, 1, 2]
    assert len({record.branch for record in stored.records}) == 3


def test_a_task_factory_of_ones_own_is_refused(supervisor: Supervisor) -> None:
    @workflow
    async def wrong() -> str:
        try:
            loop().set_task_factory(lambda loop, coroutine, **options: asyncio.Task(coroutine, loop=loop))
        except HydraError as error:
            return str(error)
        return "taken"

    stored = supervisor.submit(wrong.bind())
    supervisor.finish()
    assert "task factory" in stored.result()


def by_runner(main: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner() as runner:
        return runner.run(main)


def by_loop(main: Coroutine[Any, Any, int]) -> int:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


LOOPS: dict[str, tuple[Callable[..., int], str]] = {
    "asyncio.run": (lambda main: asyncio.run(main), "asyncio.run"),
    "imported by name": (asyncio.run, "asyncio.run" if hasattr(asyncio.run, "__wrapped__") else "run_until_complete"),
    "a runner": (by_runner, "run_until_complete"),
    "a loop": (by_loop, "run_until_complete"),
}


@pytest.mark.parametrize("how", LOOPS)
def test_a_sync_body_runs_no_loop_of_its_own_but_a_step_may(supervisor: Supervisor, how: str) -> None:
    run, name = LOOPS[how]

    async def three() -> int:
        return 3

    @step
    def own_loop() -> int:
        return run(three())

    @workflow
    def wrong() -> str:
        try:
            run(three())
        except HydraError as error:
            return f"{own_loop()}: {error}"
        return "it went through"

    stored = supervisor.submit(wrong.bind())
    supervisor.finish()
    assert stored.result() == (
        f"3: `{name}` cannot be called in a body, where what it does is not recorded: do it in a step, or make the "
        "workflow async"
    )
