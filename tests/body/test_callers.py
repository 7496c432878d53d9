"""Who is calling: in a body it is recorded, in a step it is plain, and where nobody can be known it is refused."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hydra
import pytest
from hydra.definitions import Process
from hydra.testing import Harness
from hydra.worker import worker

tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")
ran: list[Any] = []


@hydra.step
def jot_down(item: Any) -> Any:
    ran.append(item)
    return item


@hydra.step
async def jot_later(item: Any) -> Any:
    ran.append(item)
    return item


@hydra.workflow
def jotting(item: Any) -> Any:
    return jot_down(item)


@pytest.fixture
def harness() -> Iterator[Harness]:
    with Harness() as harness:
        yield harness


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


def in_thread(function: Callable[[], Any]) -> Any:
    """What it gives or raises in a thread of its own."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(function())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def in_pool(function: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(function).result()
        except Exception as error:
            return error


def in_callback(function: Callable[[], Any]) -> Any:
    found: list[Any] = []

    def call() -> None:
        try:
            found.append(function())
        except Exception as error:
            found.append(error)

    async def main() -> None:
        contextvars.Context().run(asyncio.get_running_loop().call_soon, call)
        await asyncio.sleep(0)

    in_thread(lambda: asyncio.run(main()))
    return found[0]


def in_copied_context(function: Callable[[], Any]) -> Any:
    context = contextvars.copy_context()
    return in_thread(lambda: context.run(function))


CALLS: dict[str, Callable[[], Any]] = {
    "a step": lambda: jot_down(1),
    "an async step": lambda: jot_later(1),
    "a workflow": lambda: jotting(1),
    "gather": lambda: hydra.gather(jot_down.bind(1)),
    "map": lambda: hydra.map(jot_down.bind_each([1])),
    "aio.call": lambda: hydra.aio.call(jot_later.bind(1)),
    "aio.gather": lambda: hydra.aio.gather(jot_later.bind(1)),
    "aio.map": lambda: hydra.aio.map(jot_later.bind_each([1])),
    "spawn": lambda: hydra.spawn(jotting.bind(1)),
    "sleep": lambda: hydra.sleep(1),
    "wait_event": lambda: hydra.wait_event("go"),
    "now": lambda: hydra.now(),
    "uuid4": lambda: hydra.uuid4(),
}


@pytest.fixture
def in_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that the zygote forked."""
    monkeypatch.setattr(Process, "is_worker", True)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("where", [in_thread, in_pool, in_callback])
@pytest.mark.usefixtures("in_worker")
def test_in_a_worker_a_call_without_a_caller_is_refused(where: Callable[..., Any], call: str) -> None:
    refused = where(CALLS[call])
    assert isinstance(refused, hydra.HydraError)
    assert "`hydra.gather` or `hydra.map`" in str(refused)
    assert ran == []


@pytest.mark.parametrize("call", ["a step", "a workflow", "gather", "map", "now", "uuid4"])
@pytest.mark.parametrize("where", [in_thread, in_pool, in_callback])
def test_in_a_program_a_call_without_a_caller_is_plain(where: Callable[..., Any], call: str, harness: Harness) -> None:
    assert not isinstance(where(CALLS[call]), Exception)
    assert ran == ([] if call in ("now", "uuid4") else [1])


@pytest.mark.usefixtures("in_worker")
def test_in_a_worker_what_takes_no_record_may_be_called_anywhere() -> None:
    assert in_thread(hydra.cancelled) is False
    assert in_thread(hydra.heartbeat) is None
    assert in_thread(lambda: jot_down.function(2)) == 2


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("where", [in_thread, in_pool, in_copied_context])
def test_what_a_body_starts_in_a_thread_is_refused_in_a_program_too(
    where: Callable[..., Any], call: str, harness: Harness
) -> None:
    refused: list[Any] = []

    @hydra.workflow
    def threads() -> Any:
        refused.append(where(CALLS[call]))
        return jot_down("its own")

    handle = harness.submit(threads.bind())
    harness.run_until_idle()
    assert handle.result() == "its own"
    assert isinstance(refused[0], hydra.HydraError), refused
    assert ran == ["its own"]
    assert [record.name for record in handle.records()] == ["jot_down"], "and the call counted for nothing"


def test_a_pool_of_the_program_serves_the_program_after_a_body_used_it(harness: Harness) -> None:
    with ThreadPoolExecutor(1) as pool:

        @hydra.workflow
        def pools() -> str:
            with pytest.raises(hydra.HydraError, match="in a thread or callback"):
                pool.submit(jot_down, "in a body").result()
            with pytest.raises(hydra.HydraError, match="in a thread or callback"):
                list(pool.map(jot_down, ["in a body"]))
            return "refused"

        assert harness.run_until_done(harness.submit(pools.bind())) == "refused"
        assert pool.submit(jot_down, "the program's").result() == "the program's"
    assert ran == ["the program's"]


@pytest.mark.parametrize("inline", [True, False])
def test_in_a_step_calls_are_plain_also_in_a_copy_of_its_context(harness: Harness, inline: bool) -> None:
    @hydra.step(inline=inline)
    def uses_threads() -> list[Any]:
        return [jot_down(1), in_copied_context(lambda: jot_down(2)), in_pool(lambda: jot_down(3))]

    @hydra.step
    async def uses_to_thread() -> Any:
        return await asyncio.to_thread(jot_down, 4)

    @hydra.workflow
    def steps() -> Any:
        return uses_threads(), hydra.gather(uses_to_thread.bind())[0]

    assert harness.run_until_done(harness.submit(steps.bind())) == ([1, 2, 3], 4)


@pytest.mark.usefixtures("in_worker")
def test_in_a_worker_a_step_may_take_its_context_along(harness: Harness) -> None:
    @hydra.step
    def takes_it_along() -> Any:
        refused = in_thread(lambda: jot_down(1))
        return in_copied_context(lambda: jot_down(2)), str(refused)

    @hydra.workflow
    def steps() -> Any:
        return takes_it_along()

    came, refused = harness.run_until_done(harness.submit(steps.bind()))
    assert came == 2
    assert "step `jot_down` is called in a thread or callback" in refused


@pytest.mark.usefixtures("in_worker")
def test_in_a_worker_a_signal_handler_calls_for_no_body(harness: Harness) -> None:
    refused: list[Exception] = []

    def handle(number: int, frame: Any) -> None:
        try:
            jot_down("in a handler")
        except hydra.HydraError as error:
            refused.append(error)

    @hydra.workflow
    def signalled() -> str:
        os.kill(os.getpid(), signal.SIGUSR2)
        return str(jot_down("its own"))

    before = signal.signal(signal.SIGUSR2, handle)
    others = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        worker.set_handlers_apart()
        assert harness.run_until_done(harness.submit(signalled.bind())) == "its own"
    finally:
        for number, handler in others.items():
            if callable(handler):
                signal.signal(number, handler)
        signal.signal(signal.SIGUSR2, before)
    assert len(refused) == 1
    assert ran == ["its own"]


# context variables


def test_steps_see_what_the_body_set_live_and_on_replay(harness: Harness) -> None:
    seen: list[Any] = []

    @hydra.step
    def looks(where: str) -> None:
        seen.append((where, tenant.get()))
        tenant.set("a step's")

    @hydra.step(inline=True)
    def looks_inline(where: str) -> None:
        seen.append((where, tenant.get()))

    @hydra.workflow
    def sets() -> None:
        looks("unset")
        tenant.set("first")
        hydra.on_failure(looks.bind("undone"))
        looks("set")
        hydra.gather(looks.bind("gathered"), looks_inline.bind("gathered inline"))
        hydra.sleep(60)
        looks("after a sleep")
        tenant.set("second")
        hydra.map(looks.bind_each(["mapped"]))
        looks_inline("set again")
        raise ValueError("undo it")

    harness.submit(sets.bind())
    harness.advance(3600)
    assert seen == [
        ("unset", "nobody"),
        ("set", "first"),
        ("gathered", "first"),
        ("gathered inline", "first"),
        ("after a sleep", "first"),
        ("mapped", "second"),
        ("set again", "second"),
        ("undone", "first"),
    ]
