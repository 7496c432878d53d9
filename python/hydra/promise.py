"""What another thread will say. Not concurrent.futures': a signal's handler may raise in whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar, cast

from hydra.condition import Condition

T = TypeVar("T")


class Promise(Generic[T]):
    def __init__(self) -> None:
        self._changed = Condition()
        self._answer: tuple[T | None, BaseException | None] | None = None
        self._told: list[Callable[[], object]] = []

    @property
    def is_settled(self) -> bool:
        return self._answer is not None

    @property
    def error(self) -> BaseException | None:
        """What was said in place of a value."""
        return None if self._answer is None else self._answer[1]

    def settle(self, value: T) -> None:
        """What is said first stands."""
        self._settle(value, None)

    def fail(self, error: BaseException) -> None:
        self._settle(None, error)

    def wait(self, seconds: float | None = None) -> bool:
        """Until it is settled, at most so long; whether it is."""
        return self._changed.wait_for(lambda: self.is_settled, seconds)

    def result(self) -> T:
        """Of one that is settled."""
        assert self._answer is not None
        value, error = self._answer
        if error is not None:
            raise error
        return cast(T, value)

    def when_settled(self, tell: Callable[[], object]) -> None:
        """Call it then, on whichever thread settles it; at once if it is settled."""
        with self._changed.lock:
            is_settled = self.is_settled
            if not is_settled:
                self._told.append(tell)
        if is_settled:
            tell()

    def awaited(self) -> asyncio.Future[T]:
        """The same for the loop that runs."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def answer() -> None:
            if future.done():
                return
            try:
                future.set_result(self.result())
            except BaseException as error:
                future.set_exception(error)

        def tell() -> None:
            with suppress(RuntimeError):  # the loop was closed, and nobody waits any more
                loop.call_soon_threadsafe(answer)

        self.when_settled(tell)
        return future

    def _settle(self, value: T | None, error: BaseException | None) -> None:
        with self._changed.lock:
            if self._answer is not None:
                return
            self._answer = (value, error)
            told, self._told = self._told, []
            self._changed.notify_all()
        for tell in told:
            tell()
