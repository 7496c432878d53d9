"""Out of hydra's own `with` blocks comes what was raised inside, whatever its class."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import hydra
import pytest
from hydra.blocks import asynccontextmanager, contextmanager
from hydra.testing import step_context


@dataclass(frozen=True)
class TooLate(Exception):
    seconds: int


@contextmanager
def counting(left: list[str]) -> Iterator[int]:
    try:
        yield 7
    finally:
        left.append("left")


@asynccontextmanager
async def counting_async(left: list[str]) -> AsyncIterator[int]:
    try:
        yield 7
    finally:
        left.append("left")


@pytest.fixture
def engine(tmp_path: object) -> Iterator[hydra.Engine]:
    with hydra.Engine(f"sqlite:///{tmp_path}/blocks.db") as engine:
        yield engine


def test_an_exception_that_takes_no_attributes_comes_out_of_every_public_block(engine: hydra.Engine) -> None:
    blocks: list[Callable[[], AbstractContextManager[object]]] = [
        lambda: engine.acting("ana@desk"),
        lambda: step_context(),
        lambda: counting([]),
    ]
    for block in blocks:
        raised = TooLate(3)
        with pytest.raises(TooLate) as caught, block():
            raise raised
        assert caught.value is raised
        assert traceback.extract_tb(raised.__traceback__)[-1].line == "raise raised"


def test_it_comes_out_of_an_async_block(engine: hydra.Engine) -> None:
    async def run() -> None:
        async with hydra.AsyncEngine(engine.url) as own, own.worker(1):
            raise TooLate(3)

    with pytest.raises(TooLate):
        asyncio.run(run())


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, GeneratorExit, RuntimeError, KeyboardInterrupt])
def test_what_ends_a_generator_comes_out_too(kind: type[BaseException]) -> None:
    left: list[str] = []
    raised = kind("x")
    with pytest.raises(kind) as caught, counting(left) as number:
        assert number == 7
        raise raised
    assert caught.value is raised

    async def run() -> BaseException | None:
        try:
            async with counting_async(left):
                raise raised
        except BaseException as error:
            return error

    coroutine = run()
    with pytest.raises(StopIteration) as end:  # not by asyncio, which ends of a KeyboardInterrupt
        coroutine.send(None)
    assert end.value.value is raised
    assert left == ["left", "left"]


def test_a_block_may_swallow_or_raise_another_and_be_a_decorator() -> None:
    left: list[str] = []

    @contextmanager
    def without_key_errors() -> Iterator[None]:
        try:
            yield
        except KeyError:
            left.append("swallowed")
        except ValueError as error:
            raise TypeError("another") from error

    with without_key_errors():
        raise KeyError
    assert left == ["swallowed"]
    with pytest.raises(TypeError, match="another"), without_key_errors():
        raise ValueError

    @counting(left)
    def double(number: int) -> int:
        return 2 * number

    assert [double(2), double(3)] == [4, 6]
    assert left == ["swallowed", "left", "left"]
