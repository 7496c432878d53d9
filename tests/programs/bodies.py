"""What a program's source calls on hydra: steps that last on the harness's clock, and `w`, one for each kind of body.

Steps are the outside world: what they do is noted in the `Recording` of the run under way (`running.Run`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import hydra

from tests.programs.recording import Recording, Trace


class A(Exception):
    """A step's or a body's own failure."""


class B(Exception):
    """Another."""


class Flaky(Exception):
    """A failure after which the step is tried again."""


ERRORS: dict[str, type[Exception]] = {"A": A, "B": B}
STEP_ATTEMPTS = 3
BACKOFF = hydra.Backoff(initial=0.7, factor=1.3, maximum=60.0, jitter=0.0)
EVENT_NAMES = ("paid", "shipped")


class RunUnderWay(Protocol):
    recording: Recording
    parts: list[Callable[[Any], Any]]

    def who(self, execution_id: str) -> str: ...
    def name(self, execution_id: str, who: str) -> None: ...
    def wait(self, who: str, label: str, attempt: int, seconds: float) -> None: ...
    async def wait_async(self, who: str, label: str, attempt: int, seconds: float) -> None: ...
    def complete_later(self, who: str, label: str, token: str, seconds: float) -> None: ...


class _Current:
    run: RunUnderWay


current = _Current()  # which run is under way; one at a time in a process


def failing(fails: str | None, attempt: int) -> Exception | None:
    """How a try ends: `fails` is an error's name, or `flaky N`: the first N tries are repeated."""
    if fails is None:
        return None
    if fails.startswith("flaky"):
        return Flaky() if attempt <= int(fails.split()[1]) else None
    return ERRORS[fails](f"a step's {fails}")


def begin(label: str, *arguments: Any) -> tuple[RunUnderWay, str, int]:
    run, here = current.run, hydra.current()
    who = run.who(here.id)
    run.recording.begin_try(who, label, hydra.idempotency_key(), arguments)
    return run, who, here.attempt


def end(run: RunUnderWay, who: str, label: str, fails: str | None, attempt: int) -> str:
    error = failing(fails, attempt)
    run.recording.end_try(who, label, is_last=not isinstance(error, Flaky) or attempt == STEP_ATTEMPTS)
    if error is not None:
        raise error
    return f"{label}!"


@hydra.step(name="programs.pay", max_attempts=STEP_ATTEMPTS, backoff=BACKOFF, retry_on=(Flaky,))
async def pay(label: str, seen: str, takes: float, fails: str | None) -> str:
    run, who, attempt = begin(label, seen, takes, fails)
    await run.wait_async(who, label, attempt, takes)
    return end(run, who, label, fails, attempt)


@hydra.step(name="programs.ship", max_attempts=STEP_ATTEMPTS, backoff=BACKOFF, retry_on=(Flaky,))
def ship(label: str, seen: str, takes: float, fails: str | None) -> str:
    run, who, attempt = begin(label, seen, takes, fails)
    run.wait(who, label, attempt, takes)
    return end(run, who, label, fails, attempt)


@hydra.step(name="programs.each", max_attempts=STEP_ATTEMPTS, backoff=BACKOFF, retry_on=(Flaky,))
def each(item: list[Any]) -> str:
    label, seen, takes, fails = item
    run, who, attempt = begin(label, seen, takes, fails)
    run.wait(who, label, attempt, takes)
    return end(run, who, label, fails, attempt)


@hydra.step(name="programs.take_back")
def take_back(label: str, takes: float) -> None:
    run, who, attempt = begin(f"undo {label}", takes)
    run.wait(who, f"undo {label}", attempt, takes)
    run.recording.undo(who, label)
    end(run, who, f"undo {label}", None, attempt)


@hydra.step(name="programs.ask")
def ask(label: str, token: str, after: float) -> None:
    run, who, attempt = begin(f"ask {label}", after)
    run.complete_later(who, label, token, after)
    end(run, who, f"ask {label}", None, attempt)


@hydra.workflow(name="programs.part_async")
async def part_async(part: int, who: str) -> list[str]:
    run = current.run
    run.name(hydra.current().id, who)
    trace = run.recording.begin_body(who)
    try:
        result: list[str] = await run.parts[part](AsyncBody(trace, who))
    except Exception:
        trace.end()
        raise
    trace.end()
    return result


@hydra.workflow(name="programs.part_sync")
def part_sync(part: int, who: str) -> list[str]:
    run = current.run
    run.name(hydra.current().id, who)
    result: list[str] = run.parts[part](SyncBody(run.recording.begin_body(who), who))
    return result


class Body:
    """`seen` is what the body appends to in the order of completion."""

    def __init__(self, trace: Trace, who: str) -> None:
        self.trace = trace
        self.who = who
        self.seen = trace.seen
        self.call = trace.call
        self.got = trace.got

    def is_odd(self) -> bool:
        return zlib.crc32(self.trace.last().encode()) % 2 == 1

    @contextlib.contextmanager
    def noted(self, site: str) -> Any:
        try:
            yield
        except (Exception, asyncio.CancelledError) as error:
            self.trace.notes.append(f"{site} raised {type(error).__name__}")
            raise

    def child(self, label: str) -> str:
        return f"{self.who}/{label}"


class SyncBody(Body):
    def act(self, site: str, takes: float, fails: str | None = None, is_sync: bool = True) -> None:
        label = self.call(site)
        with self.noted(site):
            self.got(site, ship(label, self.trace.last(), takes, fails))

    def sleep(self, site: str, seconds: float) -> None:
        self.call(site)
        hydra.sleep(seconds)
        self.got(site, "slept")

    def event(self, site: str, name: str, timeout: float) -> None:
        self.call(site)
        try:
            self.got(site, hydra.wait_event(name, timeout=timeout))
        except hydra.EventTimeout:
            self.got(site, "expired")

    def callback(self, site: str, after: float, timeout: float) -> None:
        label = self.call(site)
        token = hydra.callback_token()
        ask(label, token, after)
        try:
            self.got(site, hydra.wait_callback(token, timeout=timeout))
        except hydra.EventTimeout:
            self.got(site, "expired")

    def undo(self, site: str, takes: float) -> None:
        label = self.call(site)
        hydra.on_failure(take_back.bind(label, takes))
        self.got(site, "registered")

    def spawn(self, site: str, part: int, is_async: bool) -> Any:
        who = self.child(self.call(site))
        return hydra.spawn(part_async.bind(part, who) if is_async else part_sync.bind(part, who))

    def result(self, site: str, child: Any) -> None:
        with self.noted(site):
            self.got(site, len(child.result()))

    def gather(self, site: str, acts: list[Any], concurrency: int | None = None) -> None:
        bound = [
            (ship if is_sync else pay).bind(self.call(site), self.trace.last(), takes, fails)
            for takes, fails, is_sync in acts
        ]
        with self.noted(site):
            self.got(site, hydra.gather(*bound, concurrency=concurrency))

    def map(self, site: str, acts: list[Any], chunk: int, concurrency: int) -> None:
        items = [[self.call(site), self.trace.last(), takes, fails] for takes, fails in acts]
        outcomes = hydra.map(each.bind_each(items), chunk=chunk, concurrency=concurrency)
        self.got(site, [outcome.result() if outcome.error is None else outcome.error for outcome in outcomes])

    def first(self, site: str, entries: list[Any], losers: str, is_again: bool = False) -> None:
        waits = [self._wait(site, *entry) for entry in entries]
        first = hydra.wait_first(*(wait for _, wait in waits), losers=losers)  # type: ignore[call-overload]
        self.got(site, first.index)
        for index, (entry, (label, _)) in enumerate(zip(entries, waits, strict=True)):
            if losers == "stop" and entry[0] == "act" and not entry[3] and index != first.index:
                self.trace.given_up.add(label)
        with self.noted(site):
            value = first.result()
            self.got(site, len(value) if entries[first.index][0] == "child" else value)
        for index, (entry, (_, wait)) in enumerate(zip(entries, waits, strict=True)):
            if is_again and entry[0] == "child" and index != first.index:
                self.result(site, wait)

    def _wait(self, site: str, kind: str, *options: Any) -> tuple[str, Any]:
        label = self.call(site)
        match kind:
            case "act":
                takes, fails, is_sync = options
                return label, (ship if is_sync else pay).bind(label, self.trace.last(), takes, fails)
            case "sleep":
                return label, hydra.after(*options)
            case "event":
                return label, hydra.on_event(*options)
            case "callback":
                token = hydra.callback_token()
                ask(label, token, *options)
                return label, hydra.on_callback(token)
            case _:
                part, is_async = options
                who = self.child(label)
                return label, hydra.spawn(part_async.bind(part, who) if is_async else part_sync.bind(part, who))


class AsyncBody(Body):
    def __init__(self, trace: Trace, who: str) -> None:
        super().__init__(trace, who)
        self.lock = asyncio.Lock()
        self.semaphore = asyncio.Semaphore(2)
        self.flag = asyncio.Event()
        self.queue: asyncio.Queue[str] = asyncio.Queue()

    async def act(self, site: str, takes: float, fails: str | None = None, is_sync: bool = False) -> None:
        label = self.call(site)
        with self.noted(site):
            arguments = label, self.trace.last(), takes, fails
            try:
                self.got(site, await (hydra.aio.call(ship.bind(*arguments)) if is_sync else pay(*arguments)))
            except asyncio.CancelledError:
                self.trace.given_up.add(label)
                raise

    def begin(self, site: str, takes: float, fails: str | None = None, is_sync: bool = False) -> asyncio.Task[str]:
        arguments = self.call(site), self.trace.last(), takes, fails
        return asyncio.create_task(hydra.aio.call((ship if is_sync else pay).bind(*arguments)))

    async def finish(self, site: str, task: asyncio.Task[str]) -> None:
        with self.noted(site):
            self.got(site, await task)

    async def sleep(self, site: str, seconds: float) -> None:
        self.call(site)
        with self.noted(site):
            await hydra.aio.sleep(seconds)
            self.got(site, "slept")

    async def event(self, site: str, name: str, timeout: float | None = None) -> None:
        self.call(site)
        with self.noted(site):
            try:
                self.got(site, await hydra.aio.wait_event(name, timeout=timeout))
            except hydra.EventTimeout:
                self.got(site, "expired")

    async def callback(self, site: str, after: float, timeout: float) -> None:
        label = self.call(site)
        with self.noted(site):
            token = hydra.callback_token()
            await hydra.aio.call(ask.bind(label, token, after))
            try:
                self.got(site, await hydra.aio.wait_callback(token, timeout=timeout))
            except hydra.EventTimeout:
                self.got(site, "expired")

    async def undo(self, site: str, takes: float) -> None:
        label = self.call(site)
        with self.noted(site):
            await hydra.aio.on_failure(take_back.bind(label, takes))
            self.got(site, "registered")

    async def spawn(self, site: str, part: int, is_async: bool) -> Any:
        who = self.child(self.call(site))
        with self.noted(site):
            return await hydra.aio.spawn(part_async.bind(part, who) if is_async else part_sync.bind(part, who))

    async def result(self, site: str, child: Any) -> None:
        with self.noted(site):
            self.got(site, len(await child.result()))


NAMES = {"asyncio": asyncio, "contextlib": contextlib, "itertools": itertools, "hydra": hydra, "A": A, "B": B}


def compiled(source: str, count: int) -> list[Callable[[Any], Any]]:
    """The functions of a program's parts."""
    names: dict[str, Any] = dict(NAMES)
    exec(compile(source, "<program>", "exec"), names)
    return [names[f"part_{index}"] for index in range(count)]
