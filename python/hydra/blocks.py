"""`with` blocks written as generators, as contextlib's are, out of which what is raised inside comes as itself.

contextlib's own assign `__traceback__` to it. Where its class takes no attributes (a frozen dataclass, a `__setattr__`
of its own) what comes out is what that raised: a FrozenInstanceError, say, in place of the exception.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")

_END = object()


def contextmanager(function: Callable[P, Iterator[T]]) -> Callable[P, Block[T]]:
    """As `contextlib.contextmanager`."""

    @wraps(function)
    def begin(*args: P.args, **options: P.kwargs) -> Block[T]:
        return Block(function, args, options)

    return begin


def asynccontextmanager(function: Callable[P, AsyncIterator[T]]) -> Callable[P, AsyncBlock[T]]:
    """As `contextlib.asynccontextmanager`."""

    @wraps(function)
    def begin(*args: P.args, **options: P.kwargs) -> AsyncBlock[T]:
        return AsyncBlock(cast(AsyncGenerator[T, None], function(*args, **options)))

    return begin


class Block(Generic[T]):
    """One `with` block; as a decorator, one for each call of what it decorates."""

    __slots__ = ("_args", "_generator", "_make", "_options")

    def __init__(self, make: Callable[..., Iterator[T]], args: tuple[Any, ...], options: dict[str, Any]) -> None:
        self._make = make
        self._args = args
        self._options = options

    def __enter__(self) -> T:
        self._generator: Generator[T, None, None] = self._make(*self._args, **self._options)  # type: ignore[assignment]
        return next(self._generator)

    def __exit__(self, kind: object, error: BaseException | None, traceback: Any) -> bool | None:
        if error is None:
            if next(self._generator, _END) is not _END:
                raise AssertionError("the block's generator yields twice")
            return False
        try:
            self._generator.throw(error)
        except StopIteration as end:
            return end is not error
        except BaseException as raised:
            if not _is_same(raised, error):
                raise
            BaseException.with_traceback(error, traceback)
            return False
        raise AssertionError("the block's generator yields twice")

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def inside(*args: P.args, **options: P.kwargs) -> R:
            with Block(self._make, self._args, self._options):
                return function(*args, **options)

        return inside


class AsyncBlock(Generic[T]):
    """One `async with` block."""

    __slots__ = ("_generator",)

    def __init__(self, generator: AsyncGenerator[T, None]) -> None:
        self._generator = generator

    async def __aenter__(self) -> T:
        return await anext(self._generator)

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: Any) -> bool | None:
        if error is None:
            async for _ in self._generator:
                raise AssertionError("the block's generator yields twice")
            return False
        try:
            await self._generator.athrow(error)
        except StopAsyncIteration as end:
            return end is not error
        except BaseException as raised:
            if not _is_same(raised, error):
                raise
            BaseException.with_traceback(error, traceback)
            return False
        raise AssertionError("the block's generator yields twice")


def _is_same(raised: BaseException, error: BaseException) -> bool:
    """Out of a generator the two errors that end an iteration come as a RuntimeError with that cause."""
    if isinstance(error, StopIteration | StopAsyncIteration):
        return raised is error or (isinstance(raised, RuntimeError) and raised.__cause__ is error)
    return raised is error
