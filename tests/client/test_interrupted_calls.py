"""What a signal's handler raises in the middle of a call comes out of it as itself, whatever its class, at every
moment: it is taken neither for a fault of a value nor for one of the database."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

import hydra
import pytest
from hydra.condition import start

from tests.client.conftest import DATABASES
from tests.support.moments import at_every_moment, swallowed_at_any_moment


class OfAValue(ValueError, TypeError, KeyError, IndexError, RuntimeError, ArithmeticError):
    """Whatever a value, a look-up or a closed object may raise: no class tells it from a fault. It takes no attributes,
    not even a traceback, as a frozen dataclass."""

    __module__ = "builtins"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot assign to field {name!r}")


KINDS = [OfAValue, TimeoutError]
STRIDES = {"sqlite": 1, "postgresql": 7, "mysql": 47}  # a connection that was interrupted is made again


@dataclass
class Line:
    item: str
    price: Decimal


@hydra.workflow(name="interrupted_calls.bill")
def bill(number: int, lines: list[Line]) -> int:
    return number


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest) -> Iterator[hydra.Engine]:
    with hydra.Engine(DATABASES[request.param](request), timeout=20) as engine:
        engine.submit(bill.bind(0, []), key="known")
        yield engine
        assert engine.submit(bill.bind(0, []), key="known").status() == "pending"
        assert engine.audit() == []


def submit(engine: hydra.Engine) -> None:
    engine.submit(bill.bind(1, [Line("tea", Decimal(2))]), key="one")


def submit_many(engine: hydra.Engine) -> None:
    engine.submit_many([bill.bind(number, [Line("tea", Decimal(2))]) for number in range(2)], keys=["many", "more"])


def ask(engine: hydra.Engine) -> None:
    known = engine.find(bill, "known")
    engine.get(known.id).status()


def signal(engine: hydra.Engine) -> None:
    engine.find(bill, "known").signal("paid", {"by": "card"}, id="evt-1")


def wait(engine: hydra.Engine) -> None:
    with pytest.raises(hydra.ResultTimeout):
        engine.find(bill, "known").result(timeout=0.01)


CALLS = [submit, submit_many, ask, signal, wait]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_what_a_handler_raises_comes_out_as_itself_at_every_moment(
    engine: hydra.Engine, call: Callable[[hydra.Engine], None], kind: type[Exception]
) -> None:
    swallowed = swallowed_at_any_moment(lambda: call(engine), kind, stride=STRIDES[engine.url.partition(":")[0]])
    assert not swallowed, "\n".join(swallowed)
    other = threading.Thread(target=engine.submit, args=(bill.bind(2, []), "other"))
    other.start()
    other.join(60)
    assert not other.is_alive(), "another thread waits for a lock that was left"


def test_an_engine_that_was_interrupted_as_it_opened_leaves_no_lock(engine: hydra.Engine) -> None:
    def open_another() -> None:
        with hydra.Engine(engine.url, timeout=20) as other:
            other.find(bill, "known")

    swallowed_at_any_moment(open_another, OfAValue, stride=10 * STRIDES[engine.url.partition(":")[0]])
    assert engine.submit(bill.bind(3, []), key="after").status() == "pending"


def test_a_thread_whose_start_was_interrupted_says_nothing_on_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: said.append(repr(unraisable.exc_value)))
    ran: list[int] = []
    assert not swallowed_at_any_moment(lambda: start(threading.Thread(target=ran.append, args=(1,))), OfAValue)
    last = threading.Thread(target=ran.append, args=(2,))
    start(last)
    last.join(60)
    assert 2 in ran
    assert not said


def test_a_handler_that_submits_is_refused_where_it_would_wait_for_its_own_thread(engine: hydra.Engine) -> None:
    refused, submitted = 0, 0

    def handler() -> None:
        nonlocal refused, submitted
        try:
            engine.submit(bill.bind(4, []))
            submitted += 1
        except hydra.HydraError as error:
            assert "a signal's handler came in between" in str(error)
            refused += 1

    stride = 7 * STRIDES[engine.url.partition(":")[0]]
    outcomes = list(at_every_moment(lambda: engine.submit(bill.bind(4, [])), handler, stride=stride))
    assert refused and submitted
    assert all(isinstance(each, hydra.Handle) for each in outcomes)
    assert len(engine.executions(limit=10_000)) == 1 + len(outcomes) + submitted + 1  # the last call had no moment left


class Frozen(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("cannot assign to field")


@pytest.mark.parametrize("kind", [TimeoutError, Frozen, hydra.HydraError])
def test_what_an_interruption_says_is_true_of_its_own_call(
    engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """Also where a handler raises the same instance each time, or one that lets nobody write on it."""
    raised = kind("the time is over")

    def interrupted(*_: object) -> NoReturn:
        handle_signal(14, sys._getframe())

    def handle_signal(number: int, frame: object) -> NoReturn:
        raise raised

    def said_by(name: str, owner: object) -> tuple[object, object, list[str]]:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, interrupted)
            with pytest.raises(kind):
                engine.submit(bill.bind(5, []))
        notes = getattr(raised, "__notes__", [])
        return getattr(raised, "outcome", None), getattr(raised, "execution_id", None), notes

    first, second = (said_by("submit", engine.session()) for _ in range(2))
    assert first[0] == second[0] == "unknown"
    assert first[1] != second[1]
    assert len(second[2]) == 1 and str(second[1]) in second[2][0]
    assert said_by("prepare", engine) == (None, None, [])
