"""Code that changes while executions are under way: patches, versions, and what is said where code and records part."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hydra import aio, codec
from hydra.context import current, gather, now, patched, sleep
from hydra.errors import ConfigError, HydraError
from hydra.execution import DIVERGED, Ending
from hydra.retry import Backoff
from hydra.workflow import registry, step, workflow

from tests.body.supervising import Stored, Supervisor

DAY = 86_400.0


@step(inline=True)
def note(text: str) -> str:
    return text


@step
async def note_later(text: str) -> str:
    return text


def deploy(function: Callable[..., Any], **options: Any) -> Any:
    """What a restart with other code does: the name stands for another function from now on."""
    registry.workflows.pop("deal", None)
    return workflow(name="deal", **options)(function)


def notes(stored: Stored) -> list[str]:
    return [codec.decode(record.payload) for record in stored.records if record.kind == "step" and record.payload]


def reason(stored: Stored) -> str:
    assert (stored.end.kind, stored.end.cause) == (Ending.PARKED, DIVERGED)
    assert stored.end.payload is not None
    return str(codec.decode(stored.end.payload))


def old() -> list[str]:
    first = note("first")
    sleep(DAY)
    return [first, note("last")]


def new() -> list[str]:
    done = [note("first")]
    if patched("greet"):
        done.append(note("greeting"))
    sleep(DAY)
    assert patched("greet") is ("greeting" in done)
    return [*done, note("last")]


async def old_async() -> list[str]:
    first = await note_later("first")
    await aio.sleep(DAY)
    return [first, await note_later("last")]


async def new_async() -> list[str]:
    done = [await note_later("first")]
    if patched("greet"):
        done.append(await note_later("greeting"))
    await aio.sleep(DAY)
    assert patched("greet") is ("greeting" in done)
    return [*done, await note_later("last")]


@pytest.mark.parametrize(("before", "after"), [(old, new), (old_async, new_async)])
def test_a_patch_keeps_old_executions_on_the_old_path_and_takes_new_ones_on_the_new(
    supervisor: Supervisor, before: Any, after: Any
) -> None:
    begun = supervisor.submit(deploy(before).bind())
    supervisor.run()
    assert begun.end.kind == Ending.SLEEPING
    fresh = supervisor.submit(deploy(after).bind())
    supervisor.finish()
    assert begun.result() == ["first", "last"]
    assert fresh.result() == ["first", "greeting", "last"]
    assert [record.name for record in fresh.records if record.kind == "value"] == ["hydra.patched:greet"]
    assert not any(record.kind == "value" for record in begun.records)


@pytest.mark.parametrize("after", [new, new_async])
def test_g3_killed_at_any_record_a_patched_execution_stays_on_its_path(after: Any) -> None:
    record_count = 5
    for crash_after in range(record_count + 1):
        supervisor = Supervisor()
        execution = supervisor.submit(deploy(after).bind())
        supervisor.finish(crash_after=crash_after)
        assert execution.result() == ["first", "greeting", "last"]
        assert len(execution.records) == record_count


def test_an_execution_that_had_not_come_so_far_takes_the_new_path(supervisor: Supervisor) -> None:
    def before() -> list[str]:
        sleep(DAY)
        return [note("last")]

    def after() -> list[str]:
        sleep(DAY)
        return [note("greeting"), note("last")] if patched("greet") else [note("last")]

    begun = supervisor.submit(deploy(before).bind())
    supervisor.run()
    deploy(after)
    supervisor.finish()
    assert begun.result() == ["greeting", "last"]


def test_a_step_that_is_tried_again_on_the_old_path_keeps_it(supervisor: Supervisor) -> None:
    @step(inline=True, max_attempts=2, backoff=Backoff(initial=30.0))
    def flaky() -> str:
        if current().attempt == 1:
            raise ConnectionError
        return "flaky"

    begun = supervisor.submit(deploy(lambda: flaky()).bind())
    supervisor.run()
    assert begun.kinds() == ["try"]
    deploy(lambda: note("new") if patched("replace flaky") else flaky())
    supervisor.finish()
    assert begun.result() == "flaky"


def test_a_new_attempt_of_the_execution_stays_on_the_old_path(supervisor: Supervisor) -> None:
    @step(inline=True)
    def doomed() -> str:
        if current().execution_attempt == 1:
            raise ValueError("no")
        return "done"

    begun = supervisor.submit(deploy(lambda: [note("paid"), doomed()], max_attempts=2).bind())
    supervisor.run()
    assert begun.end.kind == Ending.RETRY
    deploy(lambda: [note("paid again") if patched("pay again") else note("paid"), doomed()], max_attempts=2)
    supervisor.finish()
    assert begun.result() == ["paid", "done"]


def test_a_gather_that_was_begun_counts_as_past(supervisor: Supervisor) -> None:
    def before() -> tuple[str, ...]:
        pair = gather(note.bind("a"), note.bind("b"))
        sleep(DAY)
        return pair

    begun = supervisor.submit(deploy(before).bind())
    supervisor.run()

    def after() -> Any:
        if patched("one after the other"):
            return note("a"), note("b")
        return before()

    deploy(after)
    supervisor.finish()
    assert begun.result() == ("a", "b")


def test_a_patch_whose_condition_is_gone_is_not_missed(supervisor: Supervisor) -> None:
    fresh = supervisor.submit(deploy(new).bind())
    supervisor.run()

    def later() -> list[str]:
        done = [note("first"), note("greeting")]
        sleep(DAY)
        return [*done, note("last")]

    deploy(later)
    supervisor.finish()
    assert fresh.result() == ["first", "greeting", "last"]


def test_outside_an_execution_the_code_is_new_and_in_a_step_it_is_refused(supervisor: Supervisor) -> None:
    assert patched("greet")
    with pytest.raises(ConfigError, match="the name of a patch"):
        patched("")

    @step(inline=True)
    def asks() -> bool:
        return patched("greet")

    execution = supervisor.submit(deploy(lambda: asks()).bind())
    supervisor.run()
    with pytest.raises(HydraError, match="belongs in a workflow's body, not in step `asks`"):
        raise execution.error()


# versions


def versioned() -> list[str | None]:
    first = note("first")
    sleep(DAY)
    return [first, current().version, note("last")]


async def versioned_async() -> list[str | None]:
    first = await note_later("first")
    await aio.sleep(DAY)
    return [first, current().version, await note_later("last")]


@pytest.mark.parametrize("body", [versioned, versioned_async])
def test_a_version_is_recorded_first_and_seen_by_the_body(supervisor: Supervisor, body: Any) -> None:
    begun = supervisor.submit(deploy(body, version="1").bind())
    supervisor.run()
    assert begun.records[0].name == "hydra.version"
    fresh = supervisor.submit(deploy(body, version=("2", "1")).bind())
    supervisor.finish()
    assert begun.result() == ["first", "1", "last"]
    assert fresh.result() == ["first", "2", "last"]


@pytest.mark.parametrize("body", [versioned, versioned_async])
@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("1", "2", "began under version `1`, and this code declares `2`"),
        ("1", None, "began under version `1`, and this code declares no version"),
        (None, ["2", "1"], "began without a version, and this code declares `2`, `1`"),
    ],
)
def test_what_began_under_a_version_that_is_not_declared_is_parked(
    supervisor: Supervisor, body: Any, before: Any, after: Any, sentence: str
) -> None:
    begun = supervisor.submit(deploy(body, version=before).bind())
    supervisor.run()
    count = len(begun.records)
    deploy(body, version=after)
    supervisor.finish()
    assert sentence in reason(begun)
    assert len(begun.records) == count
    deploy(body, version=before)
    begun.ends.clear()  # a person's resume
    supervisor.finish()
    assert begun.result() == ["first", before, "last"]


def test_none_declares_what_began_before_there_was_a_version(supervisor: Supervisor) -> None:
    begun = supervisor.submit(deploy(versioned).bind())
    supervisor.run()
    deploy(versioned, version=("1", None))
    supervisor.finish()
    assert begun.result() == ["first", None, "last"]


def test_g5_no_step_starts_before_the_version_is_durable(supervisor: Supervisor) -> None:
    execution = supervisor.submit(deploy(lambda: note("first"), version="1").bind())
    supervisor.holds_acks = True
    seen: list[list[str]] = []

    def on_send(frames: list[Any]) -> None:
        seen.append(notes(execution))
        supervisor.acknowledge()

    supervisor.on_send = on_send
    supervisor.run()
    assert seen[0] == []
    assert execution.result() == "first"


@pytest.mark.parametrize("version", ["", (), (None,), 2, ("1", 2), "hydra.x"])
def test_what_is_no_version_is_refused(version: Any) -> None:
    with pytest.raises(ConfigError, match="version"):
        deploy(lambda: None, version=version)


# where they part


def line_of(function: Callable[..., Any], text: str) -> str:
    lines, start = inspect.getsourcelines(function)
    number = next(start + index for index, line in enumerate(lines) if text in line)
    return f"{__file__}:{number} in `{function.__name__}`"


def inserted() -> list[str]:
    added = note_anew("x")
    first = note("first")
    sleep(DAY)
    return [added, first, note("last")]


async def other_arguments() -> list[str]:
    first = await note_later("other")
    await aio.sleep(DAY)
    return [first, await note_later("last")]


def asks_the_time() -> Any:
    return helper()


def helper() -> Any:
    return now()


def returns() -> str:
    return note("first")


@step(inline=True)
def note_anew(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("before", "after", "sentence", "place"),
    [
        (old, inserted, "asks for `note_anew` number 1, the record has `note` number 1", (inserted, "note_anew")),
        (
            old_async,
            other_arguments,
            "`note_later` number 1 is called with other arguments",
            (other_arguments, '"other"'),
        ),
        (old, asks_the_time, "asks for `hydra.now` number 1, the record has `note` number 1", (helper, "now()")),
        (old, returns, "the code returned, and never asked for `hydra.sleep` number 1", (returns, "def returns")),
    ],
)
def test_what_is_parked_shows_record_code_and_line(
    supervisor: Supervisor, before: Any, after: Any, sentence: str, place: tuple[Any, str]
) -> None:
    begun = supervisor.submit(deploy(before).bind())
    supervisor.run()
    deploy(after)
    supervisor.finish()
    assert sentence in reason(begun)
    assert f", at {line_of(*place)}; run the code it began with, then resume it" in reason(begun)


def test_in_a_gather_the_line_is_that_of_the_gather(supervisor: Supervisor) -> None:
    def before() -> Any:
        pair = gather(note.bind("a"), note.bind("b"))
        sleep(DAY)
        return pair

    def after() -> Any:
        return gather(note.bind("other"), note.bind("b"))

    begun = supervisor.submit(deploy(before).bind())
    supervisor.run()
    deploy(after)
    supervisor.finish()
    assert f"at {line_of(after, 'gather(')}" in reason(begun)
