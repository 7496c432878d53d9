"""User code that runs on the hub's thread may raise what it likes: it ends its own execution, and no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hydra
import pytest
from hydra import codec
from hydra.errors import HydraError
from hydra.execution import Ending

from tests.body.supervising import Supervisor


class Response:
    def __init__(self, status: int) -> None:
        self.status = status
        self.raw = open("/dev/null")  # noqa: SIM115  # what cannot be recorded


class BankError(Exception):
    """As many SDKs write theirs."""

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.response = response

    def __str__(self) -> str:
        return f"HTTP {self.response.status}"


class Quit(BaseException):
    """No Exception."""


class Spiteful(Exception):
    """Whatever is asked of it is an error of its own."""

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise Quit

    def __str__(self) -> str:
        raise Quit

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise Quit

    def __hash__(self) -> int:
        raise Quit


@dataclass
class Awkward:
    name: str

    def __post_init__(self) -> None:
        raise Quit

    def __getattribute__(self, name: str) -> Any:
        raise Quit


def awkward() -> Any:
    return Awkward.__new__(Awkward)


def spiteful() -> None:
    raise Spiteful("x")


def quitting() -> None:
    raise Quit


def declined() -> None:
    raise BankError(Response(402))


RAISING = [spiteful, quitting, declined]


def neighbours(supervisor: Supervisor, body: Callable[..., Any], *args: Any) -> Any:
    """The body beside a workflow that is fine; the one, once the other is done."""

    @hydra.step
    def charge() -> str:
        return "charged"

    @hydra.workflow
    def good() -> str:
        return charge()

    bad = supervisor.submit(hydra.workflow(body).bind(*args))
    fine = supervisor.submit(good.bind())
    supervisor.finish()
    assert fine.result() == "charged"
    assert len(fine.claimed.records) == 0, "it was claimed once"
    return bad


@pytest.mark.parametrize("raising", RAISING)
def test_an_exception_that_cannot_be_printed_fails_its_own_execution(
    supervisor: Supervisor, raising: Callable[[], None]
) -> None:
    def bad() -> None:
        raising()

    assert neighbours(supervisor, bad).end.kind == Ending.FAILED


@pytest.mark.parametrize("raising", RAISING)
def test_an_exception_that_cannot_be_printed_leaves_a_step_and_the_body(
    supervisor: Supervisor, raising: Callable[[], None]
) -> None:
    fails = hydra.step(raising)

    def bad() -> None:
        fails()

    assert neighbours(supervisor, bad).end.kind == Ending.FAILED


@pytest.mark.parametrize("raising", RAISING)
def test_an_exception_that_cannot_be_printed_leaves_an_async_body(
    supervisor: Supervisor, raising: Callable[[], None]
) -> None:
    fails = hydra.step(raising)

    async def bad() -> None:
        await hydra.aio.gather(fails.bind(), fails.bind())

    assert neighbours(supervisor, bad).end.kind == Ending.FAILED


@pytest.mark.parametrize("raising", RAISING)
def test_an_exception_that_cannot_be_printed_leaves_an_undo_step(
    supervisor: Supervisor, raising: Callable[[], None]
) -> None:
    fails = hydra.step(raising)

    def bad() -> None:
        hydra.on_failure(fails.bind())
        raise ValueError("why it is undone")

    end = neighbours(supervisor, bad)
    assert end.end.kind == Ending.FAILED
    assert "why it is undone" in str(end.error())


def test_g3_a_failure_says_what_it_said_when_it_was_raised(supervisor: Supervisor) -> None:
    fails = hydra.step(declined)

    def bad() -> None:
        fails()

    stored = neighbours(supervisor, bad)
    assert codec.decode_failure(stored.end.payload).message == "HTTP 402"
    wrapped = codec.decode_failure(codec.encode_failure(stored.error()))
    assert wrapped.message == "HTTP 402", "also when it is recorded once more, by a parent"


def test_a_result_that_raises_when_it_is_encoded_fails_its_own_execution(supervisor: Supervisor) -> None:
    def bad() -> Any:
        return awkward()

    assert neighbours(supervisor, bad).end.kind == Ending.FAILED


def test_a_step_result_that_raises_when_it_is_encoded_is_the_steps_failure(supervisor: Supervisor) -> None:
    @hydra.step
    def returns() -> Any:
        return awkward()

    def bad() -> Any:
        return returns()

    stored = neighbours(supervisor, bad)
    assert (stored.end.kind, stored.kinds()) == (Ending.FAILED, ["failure"])


def test_an_argument_that_raises_when_it_is_made_fails_its_own_execution(supervisor: Supervisor) -> None:
    def bad(value: Awkward) -> None:
        """Not reached."""

    stored = neighbours(supervisor, bad, {"name": "x"})
    assert stored.end.kind == Ending.FAILED
    assert isinstance(stored.error(), HydraError)


def test_an_error_of_hydras_own_parks_one_execution_and_says_so(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hydra.body import endings

    def broken(*args: Any) -> Any:
        raise Quit("where none is expected")

    monkeypatch.setattr(endings, "raised", broken)

    def bad() -> None:
        raise ValueError

    async def bad_async() -> None:
        raise ValueError

    for body in (bad, bad_async):
        stored = neighbours(supervisor, body)
        assert stored.end.kind == Ending.PARKED
        assert "Quit: where none is expected" in codec.decode(stored.end.payload)


def test_an_argument_as_deep_as_a_payload_takes_comes_to_its_step(supervisor: Supervisor) -> None:
    @hydra.step
    def echo(value: Any) -> Any:
        return value

    def deep() -> bool:
        value: Any = 1
        for _ in range(300):
            value = frozenset({value})
        return bool(echo(value) == value)

    assert neighbours(supervisor, deep).result() is True
