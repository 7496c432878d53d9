"""Hooks of programs: what they are put around, in which order, what they are told, and that they harm nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import hydra
import pytest
from hydra import middleware
from hydra.checking import ReplayCheck
from hydra.stores import open_store
from hydra.testing import Harness, replay
from hydra.workflow import registry

told: list[str] = []
place: ContextVar[str] = ContextVar("place", default="outside")


@pytest.fixture
def harness() -> Iterator[Harness]:
    with Harness() as harness:
        yield harness


@pytest.fixture
def any_harness(url: str) -> Iterator[Harness]:
    """On each database."""
    with Harness(url) as harness:
        yield harness
        assert harness.engine.audit() == []


@pytest.fixture(autouse=True)
def no_middleware() -> Iterator[None]:
    told.clear()
    middleware._told.clear()
    yield
    for each in list(middleware._registered):
        hydra.remove_middleware(each)


class Telling(hydra.Middleware):
    """Says what it is put around and what came of it."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def submit(self, call: hydra.SubmitCall) -> Any:
        return self.tell(call, f"submit {call.workflow}")

    def execution(self, run: hydra.ExecutionRun) -> Any:
        return self.tell(run, f"run {run.number} of {run.workflow}")

    def step(self, call: hydra.StepTry) -> Any:
        return self.tell(call, f"try {call.attempt} of {call.name}")

    @contextmanager
    def tell(self, about: Any, what: str) -> Iterator[None]:
        told.append(f"{self.name}> {what}")
        token = place.set(what)
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            place.reset(token)
            told.append(f"{self.name}< {what}: {about.outcome}" + (f" {type(error).__name__}" if error else ""))


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_hooks_are_around_each_submission_run_and_try_and_not_around_replays(harness: Harness, is_async: bool) -> None:
    seen: list[str] = []

    if is_async:

        @hydra.step(max_attempts=2, backoff=hydra.Backoff(jitter=0))
        async def work() -> str:
            seen.append(place.get())
            if len(seen) == 1:
                raise ValueError("the first time")
            return place.get()

        @hydra.workflow
        async def flow() -> list[str]:
            before = place.get()
            done = await work()
            await hydra.aio.sleep(3600)
            return [before, done, place.get()]

    else:

        @hydra.step(max_attempts=2, backoff=hydra.Backoff(jitter=0))
        def work() -> str:
            seen.append(place.get())
            if len(seen) == 1:
                raise ValueError("the first time")
            return place.get()

        @hydra.workflow
        def flow() -> list[str]:
            before = place.get()
            done = work()
            hydra.sleep(3600)
            return [before, done, place.get()]

    hydra.add_middleware(Telling())
    handle = harness.submit(flow.bind())
    harness.advance(4000)
    assert handle.result() == ["run 2 of flow", "try 2 of work", "run 2 of flow"]
    assert told == [
        "> submit flow", "< submit flow: submitted",
        "> run 1 of flow", "> try 1 of work", "< try 1 of work: failed ValueError",
        "> try 2 of work", "< try 2 of work: completed", "< run 1 of flow: sleeping",
        "> run 2 of flow", "< run 2 of flow: completed",
    ]  # fmt: skip


def test_the_first_that_is_registered_is_the_outermost(harness: Harness) -> None:
    @hydra.step
    def work() -> None: ...

    @hydra.workflow
    def flow() -> None:
        work()

    hydra.add_middleware(Telling("a"))
    hydra.add_middleware(Telling("b"))
    harness.submit(flow.bind()).result()
    assert [each for each in told if "try" in each] == [
        "a> try 1 of work", "b> try 1 of work", "b< try 1 of work: completed", "a< try 1 of work: completed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("end", "outcome"),
    [("fail", "failed ValueError"), ("again", "retry ValueError"), ("wait", "waiting"), ("child", "waiting")],
)
def test_a_run_is_told_what_it_came_to(harness: Harness, end: str, outcome: str) -> None:
    @hydra.workflow
    def other() -> None:
        hydra.wait_event("never")

    @hydra.workflow(max_attempts=2 if end == "again" else 1)
    def flow() -> None:
        if end == "wait":
            hydra.wait_event("go")
        if end == "child":
            hydra.spawn(other.bind()).result()
        raise ValueError("no")

    hydra.add_middleware(Telling())
    harness.submit(flow.bind())
    harness.run_until_idle()
    assert [each for each in told if each.startswith("< run 1 of flow")] == [f"< run 1 of flow: {outcome}"]


def test_a_spawn_is_a_submission_that_may_get_tags_and_is_not_told_again(any_harness: Harness) -> None:
    @hydra.workflow
    def child() -> dict[str, str]:
        return hydra.current().tags

    @hydra.workflow
    def flow() -> list[dict[str, str]]:
        begun = hydra.spawn(child.bind())
        hydra.sleep(60)
        return [begun.result(), hydra.spawn(child.bind(), key="k").result()]

    calls: list[hydra.SubmitCall] = []

    class Tagging(hydra.Middleware):
        @contextmanager
        def submit(self, call: hydra.SubmitCall) -> Iterator[None]:
            call.tags["by"] = call.parent or "a program"
            calls.append(call)
            yield

    hydra.add_middleware(Tagging())
    handle = any_harness.submit(flow.bind(), tags={"run": "x"})
    any_harness.advance(61)
    assert handle.result() == [{"by": handle.id}] * 2
    assert handle.execution().tags == {"run": "x", "by": "a program"}
    assert [(call.workflow, call.parent, call.key, call.outcome) for call in calls] == [
        ("flow", None, None, "submitted"),
        ("child", handle.id, None, "submitted"),
        ("child", handle.id, "k", "submitted"),
    ]  # fmt: skip
    assert calls[0].ids == (handle.id,)
    assert any_harness.engine.get(calls[1].ids[0]).execution().tags == {"by": handle.id}


def test_many_are_one_submission(harness: Harness) -> None:
    @hydra.workflow
    def flow(number: int) -> None: ...

    calls: list[hydra.SubmitCall] = []

    class Tagging(hydra.Middleware):
        @contextmanager
        def submit(self, call: hydra.SubmitCall) -> Iterator[None]:
            calls.append(call)
            call.tags["trace"] = "1"
            yield

    hydra.add_middleware(Tagging())
    handles = harness.engine.submit_many([flow.bind(number) for number in range(3)])
    assert [(call.count, call.ids) for call in calls] == [(3, tuple(handle.id for handle in handles))]
    assert [handle.execution().tags for handle in handles] == [{"trace": "1"}] * 3


class Unruly(hydra.Middleware):
    """Everything that a hook may do wrong."""

    def __init__(self, when: str) -> None:
        self.when = when

    def submit(self, call: hydra.SubmitCall) -> Any:
        return self.err(call)

    def execution(self, run: hydra.ExecutionRun) -> Any:
        return self.err(run)

    def step(self, call: hydra.StepTry) -> Any:
        return self.err(call)

    def err(self, about: Any) -> Any:
        if isinstance(about, hydra.SubmitCall):
            about.tags["number"] = 7  # type: ignore[assignment]
        if self.when == "at once":
            raise SystemExit(3)
        if self.when == "no manager":
            return "what is this"
        if self.when == "generator":
            return (each for each in ())
        return self.manager()

    @contextmanager
    def manager(self) -> Iterator[None]:
        if self.when == "before":
            raise RuntimeError("a hook failed")
        if self.when == "recorded":
            hydra.now()
        try:
            yield
        except BaseException:
            if self.when == "swallows":
                return
            if self.when == "replaces":
                raise LookupError("another error") from None
            raise
        if self.when == "after":
            raise RuntimeError("a hook failed")


@pytest.mark.parametrize(
    "when", ["at once", "no manager", "generator", "before", "recorded", "swallows", "replaces", "after"]
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_no_failure_of_a_hook_changes_what_happens(
    harness: Harness, caplog: pytest.LogCaptureFixture, when: str, is_async: bool
) -> None:
    ran: list[str] = []

    if is_async:

        @hydra.step
        async def work() -> str:
            ran.append("work")
            return "done"

        @hydra.step
        async def broken() -> str:
            ran.append("broken")
            raise ValueError("the step's own")

        @hydra.workflow
        async def flow() -> None:
            await work()
            await hydra.aio.sleep(60)
            await broken()

    else:

        @hydra.step
        def work() -> str:
            ran.append("work")
            return "done"

        @hydra.step
        def broken() -> str:
            ran.append("broken")
            raise ValueError("the step's own")

        @hydra.workflow
        def flow() -> None:
            work()
            hydra.sleep(60)
            broken()

    hydra.add_middleware(Unruly(when))
    hydra.add_middleware(Telling())  # it is called all the same
    with caplog.at_level(logging.WARNING, "hydra.middleware"):
        handle = harness.submit(flow.bind())
        harness.advance(61)
        with pytest.raises(hydra.WorkflowFailed) as failed:
            handle.result()
    assert type(failed.value.__cause__) is ValueError
    assert ran == ["work", "broken"]
    assert handle.execution().tags == {}
    assert [each for each in told if each.startswith("<")] == [
        "< submit flow: submitted", "< try 1 of work: completed", "< run 1 of flow: sleeping",
        "< try 1 of broken: failed ValueError", "< run 2 of flow: failed ValueError",
    ]  # fmt: skip
    lines = [record.getMessage() for record in caplog.records if record.name == "hydra.middleware"]
    assert len(lines) == len(set(lines)) >= 1
    assert all("the next time is not told" in line for line in lines)


def test_async_managers_are_around_async_steps_and_refused_elsewhere(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    @hydra.step
    async def work() -> str:
        return place.get()

    @hydra.step
    def plain() -> str:
        return place.get()

    @hydra.workflow
    async def flow() -> list[str]:
        return [await work(), await hydra.aio.call(plain.bind())]

    class Later(hydra.Middleware):
        @asynccontextmanager
        async def step(self, call: hydra.StepTry) -> AsyncIterator[None]:
            await asyncio.sleep(0)
            place.set("within")
            yield
            await asyncio.sleep(0)
            told.append(call.outcome)

    hydra.add_middleware(Later())
    assert harness.submit(flow.bind()).result() == ["within", "outside"]
    assert told == ["completed"]
    assert "fits only async steps" in caplog.text


def test_an_async_engine_submits_within_hooks_of_both_kinds(harness: Harness) -> None:
    @hydra.workflow
    def flow() -> None: ...

    class Later(hydra.Middleware):
        @asynccontextmanager
        async def submit(self, call: hydra.SubmitCall) -> AsyncIterator[None]:
            await asyncio.sleep(0)
            call.tags["later"] = "yes"
            yield
            told.extend(call.ids)

    class Placing(hydra.Middleware):
        @contextmanager
        def submit(self, call: hydra.SubmitCall) -> Iterator[None]:
            call.tags["place"] = place.get()
            yield

    async def submit() -> list[Any]:
        place.set("in the task")
        async with hydra.AsyncEngine(harness.url) as engine:
            one = await engine.submit(flow.bind())
            assert told == [one.id]
            hydra.remove_middleware(later)
            (many,) = await engine.submit_many([flow.bind()])
            return [(await each.execution()).tags for each in (one, many)]

    later = hydra.add_middleware(Later())
    hydra.add_middleware(Placing())
    assert asyncio.run(submit()) == [{"later": "yes", "place": "in the task"}, {"place": "in the task"}]


def test_undo_steps_have_hooks_and_the_execution_of_a_limited_step_has_none_of_its_own(harness: Harness) -> None:
    @hydra.step
    def undo() -> None: ...

    @hydra.step(limits=[hydra.Concurrency(1, name="one")])
    def limited() -> str:
        return place.get()

    @hydra.workflow
    def flow() -> None:
        hydra.on_failure(undo.bind())
        assert limited() == "try 1 of limited"
        raise ValueError("no")

    hydra.add_middleware(Telling())
    harness.submit(flow.bind())
    harness.run_until_idle()
    ends = [each for each in told if each.startswith("<")]
    assert "< try 1 of limited: completed" in ends
    assert "< run 2 of flow: failed ValueError" in ends
    assert ends[-1] == "< try 1 of undo: completed"
    assert not any("hydra.step" in each for each in ends)


def test_a_replay_that_is_only_looked_at_calls_no_hook(harness: Harness) -> None:
    @hydra.step
    def work() -> None: ...

    @hydra.workflow
    def child() -> None: ...

    @hydra.workflow
    def flow() -> None:
        work()
        hydra.sleep(60)
        hydra.spawn(child.bind())

    handle = harness.submit(flow.bind())
    harness.run_until_idle()
    hydra.add_middleware(Telling())
    store = open_store(harness.url, harness.namespace)
    assert list(ReplayCheck(store, registry).run()) == []
    replay(handle.export(), flow)
    assert told == []
    store.close()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (print, "is no middleware; derive its class from `hydra.Middleware`"),
        (Telling, "`Telling` is a class of middleware; give one of it, `Telling()`"),
    ],
)
def test_what_is_no_middleware_is_refused(given: Any, sentence: str) -> None:
    with pytest.raises(hydra.ConfigError) as refused:
        hydra.add_middleware(given)
    assert sentence in str(refused.value)
    one = hydra.add_middleware(Telling())
    with pytest.raises(hydra.ConfigError, match="registered already"):
        hydra.add_middleware(one)
    hydra.remove_middleware(one)
    with pytest.raises(hydra.ConfigError, match="is not registered"):
        hydra.remove_middleware(one)


def test_where_no_hook_is_registered_none_of_this_is_called(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A middleware costs where it has a hook, and nowhere else."""

    @hydra.step
    def work() -> None: ...

    @hydra.transaction
    def write(db: object) -> None: ...

    @hydra.workflow
    def flow() -> None:
        work()
        write()
        hydra.spawn(flow2.bind())

    @hydra.workflow
    def flow2() -> None: ...

    def refuse(*_: Any) -> None:
        raise AssertionError("a hook is called that is not there")

    monkeypatch.setattr(middleware, "Around", refuse)
    hydra.add_middleware(hydra.Middleware())
    assert harness.submit(flow.bind()).result() is None
