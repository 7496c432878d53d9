"""What an AsyncEngine keeps for one event loop: threads, and the submissions that wait for the next batch.

    submit ─► waiting ─► a batch, on a thread ─► each caller's future        one batch at a time; what comes meanwhile
                                                                             is the next

No task of the loop carries a batch, since a program that ends cancels every task it finds: callbacks do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from hydra.client.acting import carried
from hydra.execution import Submission, Submitted
from hydra.interruptions import may_have_submitted

if TYPE_CHECKING:
    from hydra.client.engine import Engine

P = ParamSpec("P")
T = TypeVar("T")

THREAD_COUNT = 4
MAX_BATCH_SIZE = 1_000

Answer = Submitted | BaseException
Waiting = tuple[Submission, "asyncio.Future[Submitted]"]


class LoopSide:
    def __init__(self, loop: asyncio.AbstractEventLoop, engine: Engine) -> None:
        self.loop = loop
        self._engine = engine
        self._threads = ThreadPoolExecutor(THREAD_COUNT, thread_name_prefix="hydra-async")
        self._waiting: list[Waiting] = []
        self._is_flushing = False

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.loop.run_in_executor(self._threads, carried(lambda: function(*args, **kwargs)))

    async def acquire(self, function: Callable[[], T], release: Callable[[T], object]) -> T:
        """`run` for what must be given back: where the caller is cancelled meanwhile, it is, once it is there."""
        acquiring = self._threads.submit(function)
        try:
            return await asyncio.shield(asyncio.wrap_future(acquiring))
        except asyncio.CancelledError:
            acquiring.add_done_callback(partial(_give_back, release))
            raise

    async def submit(self, submission: Submission) -> Submitted:
        """The answer. A caller that is cancelled before the submission has left takes it back; later nobody can, and
        the CancelledError says so, as StoreUnavailable does (R17)."""
        future: asyncio.Future[Submitted] = self.loop.create_future()
        entry = (submission, future)
        self._waiting.append(entry)
        if not self._is_flushing:
            self._is_flushing = True
            self.loop.call_soon(self._flush)
        try:
            return await future
        except asyncio.CancelledError as error:
            if entry in self._waiting:
                self._waiting.remove(entry)
                raise
            may_have_submitted(error, submission.id)
            raise

    def _flush(self) -> None:
        """Begin the next batch, if there is one."""
        batch, self._waiting = self._waiting[:MAX_BATCH_SIZE], self._waiting[MAX_BATCH_SIZE:]
        self._is_flushing = bool(batch)
        if not batch:
            return
        try:
            writing = self._threads.submit(self._write, [submission for submission, _ in batch])
        except RuntimeError as error:  # the engine was closed
            self._answer(batch, [error] * len(batch))
            return
        writing.add_done_callback(partial(self._written, batch))

    def _write(self, submissions: Sequence[Submission]) -> Sequence[Answer]:
        return self._engine.session().submit_each(submissions)

    def _written(self, batch: Sequence[Waiting], writing: Future[Sequence[Answer]]) -> None:
        """On the batch's thread."""
        error = writing.exception()  # of a closed engine: each caller is told, and the next batch is tried
        answers = writing.result() if error is None else [error] * len(batch)
        with suppress(RuntimeError):  # the loop was closed, and nobody waits any more
            self.loop.call_soon_threadsafe(self._answer, batch, answers)

    def _answer(self, batch: Sequence[Waiting], answers: Sequence[Answer]) -> None:
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        self._flush()

    def close(self) -> None:
        self._threads.shutdown(wait=False)


def _give_back(release: Callable[[T], object], acquired: Future[T]) -> None:
    if acquired.exception() is None:
        release(acquired.result())
