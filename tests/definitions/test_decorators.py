"""Whatever a decorator is put on works, or is a ConfigError there; its options are named in `help()`, and no others."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import pydoc
from collections.abc import Callable
from typing import Any

import hydra
import pytest
from hydra.errors import ConfigError
from hydra.retry import RetryPolicy
from hydra.testing import Harness

KINDS = [hydra.step, hydra.workflow, hydra.transaction]


def plain(connection: Any, number: int) -> int:
    return number


class CallableObject:
    def __call__(self, number: int) -> int:
        return number


class Named(CallableObject):
    __name__ = "named"


def in_a_class(decorate: Callable[[Any], Any]) -> Any:
    class Shop:
        @decorate
        def charge(self, number: int) -> int:
            return number

    return Shop


def under_classmethod(decorate: Callable[[Any], Any]) -> Any:
    class Shop:
        @classmethod
        @decorate
        def charge(cls, number: int) -> int:
            return number

    return Shop


def over_classmethod(decorate: Callable[[Any], Any]) -> Any:
    class Shop:
        @decorate
        @classmethod
        def charge(cls, number: int) -> int:
            return number

    return Shop


async def yields_later() -> Any:
    yield 1


def yields() -> Any:
    yield 1


REFUSED: dict[str, Callable[[Callable[[Any], Any]], Any]] = {
    "a method": in_a_class,
    "under a classmethod": under_classmethod,
    "over a classmethod": over_classmethod,
    "a partial": lambda decorate: decorate(functools.partial(plain, None)),
    "a partial with a name": lambda decorate: decorate(functools.update_wrapper(functools.partial(plain, None), plain)),
    "a lambda": lambda decorate: decorate(lambda connection: 1),
    "a callable object": lambda decorate: decorate(CallableObject()),
    "a callable object with a name": lambda decorate: decorate(Named()),
    "a class": lambda decorate: decorate(CallableObject),
    "a generator": lambda decorate: decorate(yields),
    "an async generator": lambda decorate: decorate(yields_later),
    "a static async generator": lambda decorate: decorate(staticmethod(yields_later)),
    "another definition": lambda decorate: decorate(hydra.step(name="inner")(plain)),
}


@pytest.mark.parametrize("decorate", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("what", REFUSED)
def test_what_could_not_be_called_by_hydra_is_refused_where_it_is_decorated(
    what: str, decorate: Callable[[Any], Any]
) -> None:
    with pytest.raises(ConfigError):
        REFUSED[what](decorate)


def test_static_methods_lambdas_with_a_name_and_bound_methods_work() -> None:
    class Shop:
        factor = 3

        @staticmethod
        @hydra.step
        def under(number: int) -> int:
            return number + 1

        @hydra.step
        @staticmethod
        def over(number: int) -> int:
            return number + 2

        @hydra.step
        @staticmethod
        async def later(number: int) -> int:
            return number + 3

        def times(self, number: int) -> int:
            return number * self.factor

    triple = hydra.step(Shop().times)
    double = hydra.step(name="double")(lambda number: number * 2)

    @hydra.workflow
    async def all_of_them(number: int) -> list[int]:
        bound = [Shop.under.bind(number), Shop().over.bind(number), Shop.later.bind(number), triple.bind(number)]
        return [*await hydra.aio.gather(*bound), *await hydra.aio.gather(double.bind(number))]

    with Harness() as harness:
        handle = harness.submit(all_of_them.bind(5))
        harness.run_until_idle()
        assert handle.result() == [6, 7, 8, 15, 10]


@pytest.mark.parametrize("decorate", KINDS, ids=lambda kind: kind.__name__)
def test_an_unknown_option_is_a_sentence_of_hydras_own_that_names_the_known_ones(decorate: Any) -> None:
    with pytest.raises(ConfigError, match=r"has no option `max_attempt`; did you mean `max_attempts`\?"):
        decorate(max_attempt=3)
    with pytest.raises(ConfigError, match=r"has no option `colour`; there are `name`, `max_attempts`"):
        decorate(colour="red")(plain)
    with pytest.raises(ConfigError, match="takes its options by name"):
        decorate(plain, "charge")


@pytest.mark.parametrize("decorate", KINDS, ids=lambda kind: kind.__name__)
def test_help_shows_every_option_with_its_default_and_says_what_it_is(decorate: Any) -> None:
    parameters = inspect.signature(decorate).parameters
    options = {name for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY}
    assert not any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    taken = set(inspect.signature(hydra.definitions.Step.__init__).parameters) - {"self", "function", "retry"}
    taken |= {each.name.removesuffix("_seconds") for each in dataclasses.fields(RetryPolicy)}
    if decorate is hydra.step:
        assert options == taken
    text = pydoc.render_doc(decorate, renderer=pydoc.plaintext)
    for name in options:
        default = parameters[name].default
        assert f"{name}: " in text and f"= {default!r}" in text
        assert any(line.strip().startswith(f"{name}: ") for line in text.splitlines()), f"`{name}` is not explained"
    if "timeout" in options:
        assert "seconds" in text


def test_an_argument_may_be_called_self() -> None:
    @hydra.step
    def keep(**fields: Any) -> dict[str, Any]:
        return fields

    @hydra.workflow
    def keep_all(**fields: Any) -> dict[str, Any]:
        return hydra.gather(keep.bind(**fields))[0] | keep(**fields)

    names: dict[str, Any] = {"self": 1, "items": 2, "function": 3, "args": 4, "name": 5, "bound": 6}
    assert hydra.named("far away").bind(**names).kwargs == names
    with Harness() as harness:
        handle = harness.submit(keep_all.bind(**names))
        harness.run_until_idle()
        assert handle.result() == names
    assert keep_all(**names) == names
