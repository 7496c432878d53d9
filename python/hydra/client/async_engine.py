"""AsyncEngine and AsyncHandle: thin skins over Engine and Handle for asyncio programs. They decide nothing themselves.

Calls that touch the database run on a few threads. Submissions that come while a batch commits form the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from hydra import config
from hydra.client.engine import Engine
from hydra.client.exports import Export
from hydra.client.handle import Handle
from hydra.client.schedule_orders import Schedule
from hydra.client.views import Attempt, BulkView, Execution, StepView
from hydra.clock import seconds_of
from hydra.codec import MAX_PAYLOAD_BYTES
from hydra.definitions import BoundWorkflow, Workflow
from hydra.execution import Record, Status, Submission, Submitted
from hydra.stores.store import NodeState, Stats, Violation, WorkflowInfo

if TYPE_CHECKING:
    from hydra.node.local import LocalWorker

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

THREAD_COUNT = 4
BATCH_SIZE_MAX = 1_000


class AsyncEngine:
    """Engine's methods as coroutines."""

    def __init__(
        self,
        url: str | None = None,
        namespace: str = config.DEFAULT_NAMESPACE,
        migrate: bool = True,
        *,
        max_pending: int | None = None,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        timeout: timedelta | float | None = None,
    ) -> None:
        options: dict[str, Any] = {"max_pending": max_pending, "max_payload_bytes": max_payload_bytes}
        self.engine = Engine(url, namespace, migrate, timeout=timeout, **options)
        self._side: LoopSide | None = None

    async def submit(
        self,
        bound: BoundWorkflow[R],
        key: str | None = None,
        delay: timedelta | float | None = None,
        run_at: datetime | None = None,
        priority: int = 0,
        tags: dict[str, str] | None = None,
        id: str | None = None,
        connection: object = None,
    ) -> AsyncHandle[R]:
        """See Engine.submit; a `connection` is used on the event loop's thread, where the caller uses it."""
        side = self._loop_side()
        if not self.engine.is_open:
            await side.run(self.engine.session)
        if connection is not None:
            handle = self.engine.submit(bound, key, delay, run_at, priority, tags, id, connection)
            return AsyncHandle(handle, self)
        submission = self.engine.prepare(bound, key, delay, run_at, priority, tags, id)
        answer = await side.submit(submission)
        return AsyncHandle(self.engine.accept(submission, answer), self)

    async def submit_many(
        self,
        bounds: Sequence[BoundWorkflow[R]],
        keys: Sequence[str] | None = None,
        delay: timedelta | float | None = None,
        run_at: datetime | None = None,
        priority: int = 0,
        tags: dict[str, str] | None = None,
        connection: object = None,
        progress: Callable[[int], object] | None = None,
    ) -> list[AsyncHandle[R]]:
        """See Engine.submit_many; `progress` is called on a thread, a `connection` used on the event loop's."""
        submit = partial(self.engine.submit_many, bounds, keys, delay, run_at, priority, tags, connection, progress)
        if connection is None:
            handles = await self._run(submit)
        else:
            await self._run(self.engine.session)
            handles = submit()
        return [AsyncHandle(handle, self) for handle in handles]

    async def get(self, id: str) -> AsyncHandle[Any]:
        return AsyncHandle(await self._run(self.engine.get, id), self)

    async def find(self, workflow: Workflow[..., R] | str, key: str) -> AsyncHandle[R]:
        return AsyncHandle(await self._run(self.engine.find, workflow, key), self)

    async def fork(
        self,
        id: str,
        from_step: str,
        *,
        number: int = 1,
        input: BoundWorkflow[Any] | None = None,
        key: str | None = None,
    ) -> AsyncHandle[Any]:
        """See Engine.fork."""
        fork = partial(self.engine.fork, id, from_step, number=number, input=input, key=key)
        return AsyncHandle(await self._run(fork), self)

    async def signal(self, id: str, name: str, value: Any = None) -> None:
        await self._run(self.engine.signal, id, name, value)

    async def complete(self, token: str, value: Any = None) -> None:
        """See Engine.complete."""
        await self._run(self.engine.complete, token, value)

    async def fail(self, token: str, reason: str) -> None:
        """See Engine.fail."""
        await self._run(self.engine.fail, token, reason)

    async def executions(
        self,
        status: str | None = None,
        workflow: Workflow[..., Any] | str | None = None,
        key: str | None = None,
        tags: dict[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[Execution]:
        return await self._run(self.engine.executions, status, workflow, key, tags, limit, before)

    async def schedules(self) -> list[Schedule]:
        return await self._run(self.engine.schedules)

    async def pause_schedule(self, name: str) -> None:
        await self._run(self.engine.pause_schedule, name)

    async def resume_schedule(self, name: str) -> None:
        await self._run(self.engine.resume_schedule, name)

    async def trigger_schedule(self, name: str) -> AsyncHandle[Any]:
        return AsyncHandle(await self._run(self.engine.trigger_schedule, name), self)

    async def backfill_schedule(
        self, name: str, start: datetime, end: datetime, progress: Callable[[int, int], object] | None = None
    ) -> list[AsyncHandle[Any]]:
        """See Engine.backfill_schedule; `progress` is called on a thread."""
        handles = await self._run(self.engine.backfill_schedule, name, start, end, progress)
        return [AsyncHandle(handle, self) for handle in handles]

    async def stats(self) -> Stats:
        return await self._run(self.engine.stats)

    async def workflows(self) -> list[WorkflowInfo]:
        return await self._run(self.engine.workflows)

    async def nodes(self) -> list[NodeState]:
        return await self._run(self.engine.nodes)

    async def audit(self) -> list[Violation]:
        return await self._run(self.engine.audit)

    async def purge(self, older_than: timedelta | float, progress: Callable[[int], object] | None = None) -> int:
        return await self._run(self.engine.purge, older_than, progress)

    async def migrate(self) -> tuple[int, int]:
        return await self._run(self.engine.migrate)

    @asynccontextmanager
    async def worker(self, concurrency: int = 8) -> AsyncIterator[LocalWorker]:
        """See Engine.worker."""
        worker = self.engine.worker(concurrency)
        await self._run(worker.start)
        try:
            yield worker
        finally:
            await self._run(worker.stop)

    async def close(self) -> None:
        await self._run(self.engine.close)
        self._loop_side().close()
        self._side = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._loop_side().run(function, *args, **kwargs)

    def _loop_side(self) -> LoopSide:
        """What belongs to the running loop; another loop, such as one after a fork, gets its own."""
        loop = asyncio.get_running_loop()
        if self._side is None or self._side.loop is not loop:
            self._side = LoopSide(loop, self.engine)
        return self._side


class AsyncHandle(Generic[R]):
    """Handle's methods as coroutines."""

    __slots__ = ("_engine", "handle")

    def __init__(self, handle: Handle[R], engine: AsyncEngine) -> None:
        self.handle = handle
        self._engine = engine

    @property
    def id(self) -> str:
        return self.handle.id

    @property
    def workflow(self) -> str:
        return self.handle.workflow

    async def status(self) -> Status:
        return await self._engine._run(self.handle.status)

    async def execution(self) -> Execution:
        return await self._engine._run(self.handle.execution)

    async def result(self, timeout: timedelta | float | None = None) -> R:
        """See Handle.result. No thread is held while it waits."""
        seconds = None if timeout is None else seconds_of(timeout, "`timeout`")
        wait = await self._engine._run(self.handle.watch)
        try:
            outcome = await asyncio.wait_for(asyncio.wrap_future(wait.future), seconds)
        except TimeoutError:
            raise self.handle.not_done(timeout) from None
        finally:
            wait.forget()
        return self.handle.read(outcome)

    async def steps(self) -> list[StepView]:
        return await self._engine._run(self.handle.steps)

    async def maps(self) -> list[BulkView]:
        return await self._engine._run(self.handle.maps)

    async def attempts(self) -> list[Attempt]:
        return await self._engine._run(self.handle.attempts)

    async def records(self) -> list[Record]:
        return await self._engine._run(self.handle.records)

    async def export(self) -> Export:
        return await self._engine._run(self.handle.export)

    async def cancel(self, *, undo: bool = True) -> Status:
        return await self._engine._run(lambda: self.handle.cancel(undo=undo))

    async def signal(self, name: str, value: Any = None, *, id: str | None = None) -> None:
        await self._engine._run(lambda: self.handle.signal(name, value, id=id))

    async def retry(self) -> None:
        await self._engine._run(self.handle.retry)

    async def resume(self) -> None:
        await self._engine._run(self.handle.resume)

    async def resolve(self, step: str, **options: Any) -> None:
        """As `Handle.resolve`."""
        await self._engine._run(lambda: self.handle.resolve(step, **options))

    def __repr__(self) -> str:
        return f"<hydra.AsyncHandle `{self.workflow}` {self.id}>"


class LoopSide:
    """What an AsyncEngine keeps for one event loop: threads, and the submissions that wait for the next batch."""

    def __init__(self, loop: asyncio.AbstractEventLoop, engine: Engine) -> None:
        self.loop = loop
        self._engine = engine
        self._threads = ThreadPoolExecutor(THREAD_COUNT, thread_name_prefix="hydra-async")
        self._waiting: list[tuple[Submission, asyncio.Future[Submitted]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))

    def submit(self, submission: Submission) -> asyncio.Future[Submitted]:
        future: asyncio.Future[Submitted] = self.loop.create_future()
        self._waiting.append((submission, future))
        if self._flushing is None:
            self._flushing = self.loop.create_task(self._flush())
        return future

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH_SIZE_MAX], self._waiting[BATCH_SIZE_MAX:]
            answers: Sequence[Submitted | BaseException]
            try:
                answers = await self.run(self._engine.session().submit_each, [submission for submission, _ in batch])
            except Exception as error:  # a closed engine: each caller is told, and the next batch is tried
                answers = [error] * len(batch)
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, BaseException):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
        self._flushing = None

    def close(self) -> None:
        self._threads.shutdown(wait=False)
