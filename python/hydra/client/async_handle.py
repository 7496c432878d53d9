"""AsyncHandle: a thin skin over Handle for asyncio programs. It decides nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, TypeVar

from hydra.client.act_orders import ActView
from hydra.client.async_calls import AsyncCalls
from hydra.client.awaited import Awaited, SetAside
from hydra.client.exports import Export
from hydra.client.handle import Handle
from hydra.client.resolving import NOTHING
from hydra.client.views import Attempt, BulkView, Execution, StepView
from hydra.clock import seconds_of
from hydra.definitions import BoundWorkflow
from hydra.execution import Record, Status
from hydra.pointers import is_pointer

R = TypeVar("R")


class AsyncHandle(Generic[R]):
    """Handle's methods as coroutines, with the same arguments. `handle` is the plain one."""

    __slots__ = ("_calls", "handle")

    def __init__(self, handle: Handle[R], calls: AsyncCalls) -> None:
        self.handle = handle
        self._calls = calls

    @property
    def id(self) -> str:
        """The execution's id, a UUID."""
        return self.handle.id

    @property
    def workflow(self) -> str:
        """The name of its workflow."""
        return self.handle.workflow

    async def status(self) -> Status:
        """The status now; see `Handle.status`."""
        return await self._calls.run(self.handle.status)

    async def execution(self) -> Execution:
        """Everything the execution's row says; see `Handle.execution`."""
        return await self._calls.run(self.handle.execution)

    async def result(self, timeout: timedelta | float | None = None, *, wait_while_parked: bool = False) -> R:
        """Wait for the end; see `Handle.result`. No thread is held while it waits."""
        seconds = None if timeout is None else seconds_of(timeout, "`timeout`")
        watch = partial(self.handle.watch, wait_while_parked)
        wait = await self._calls.loop_side().acquire(watch, lambda wait: wait.forget())
        try:
            outcome = await asyncio.wait_for(wait.promise.awaited(), seconds)
        except TimeoutError:
            raise self.handle.not_done(timeout) from None
        finally:
            wait.forget()
        if is_pointer(outcome[1]):  # fetching it would hold the loop up
            return await self._calls.run(partial(self.handle.read, outcome))
        return self.handle.read(outcome)

    async def steps(self) -> list[StepView]:
        """The steps so far; see `Handle.steps`."""
        return await self._calls.run(self.handle.steps)

    async def maps(self) -> list[BulkView]:
        """How far each `hydra.map` has come; see `Handle.maps`."""
        return await self._calls.run(self.handle.maps)

    async def attempts(self) -> list[Attempt]:
        """The audit trail; see `Handle.attempts`."""
        return await self._calls.run(self.handle.attempts)

    async def records(self) -> list[Record]:
        """The record log; see `Handle.records`."""
        return await self._calls.run(self.handle.records)

    async def export(self) -> Export:
        """Everything that a replay of it needs; see `Handle.export`."""
        return await self._calls.run(self.handle.export)

    async def cancel(self, *, undo: bool = True, connection: object = None, reason: str = "") -> Status:
        """Ask for the end; the status after that. See `Handle.cancel`."""
        return await self._calls.run_or_join(connection, partial(self.handle.cancel, undo=undo, reason=reason))

    async def signal(self, name: str, value: Any = None, *, id: str | None = None, connection: object = None) -> None:
        """Put an event before the execution; see `Handle.signal`."""
        await self._calls.run_or_join(connection, partial(self.handle.signal, name, value, id=id))

    async def awaited(self) -> list[Awaited]:
        """What it waits for now; see `Handle.awaited`."""
        return await self._calls.run(self.handle.awaited)

    async def set_aside(self) -> list[SetAside]:
        """The messages that fitted no wait so far; see `Handle.set_aside`."""
        return await self._calls.run(self.handle.set_aside)

    async def retry(self, *, reason: str = "") -> None:
        """Let a failed execution run again; see `Handle.retry`."""
        await self._calls.run(partial(self.handle.retry, reason=reason))

    async def resume(self, *, reason: str = "") -> None:
        """Let a parked execution go on; see `Handle.resume`."""
        await self._calls.run(partial(self.handle.resume, reason=reason))

    async def resolve(
        self,
        step: str,
        *,
        value: Any = NOTHING,
        rerun: bool = False,
        branch: str | None = None,
        ordinal: int | None = None,
        reason: str = "",
    ) -> None:
        """Settle a step in doubt; see `Handle.resolve`."""
        resolve = partial(self.handle.resolve, step, value=value, rerun=rerun, branch=branch, ordinal=ordinal)
        await self._calls.run(partial(resolve, reason=reason))

    async def reschedule(
        self,
        *,
        delay: timedelta | float | None = None,
        at: datetime | None = None,
        priority: int | None = None,
        input: BoundWorkflow[R] | None = None,
        reason: str = "",
    ) -> None:
        """Change when it is due, its priority or its arguments, while it is pending; see `Handle.reschedule`."""
        order = partial(self.handle.reschedule, delay=delay, at=at, priority=priority, input=input, reason=reason)
        await self._calls.run(order)

    async def set_attributes(self, values: Mapping[str, Any], *, reason: str = "") -> None:
        """Change what it is found by; see `Handle.set_attributes`."""
        await self._calls.run(partial(self.handle.set_attributes, values, reason=reason))

    async def delete(self, *, reason: str = "") -> int:
        """Delete it for good; see `Handle.delete`."""
        return await self._calls.run(partial(self.handle.delete, reason=reason))

    async def acts(self) -> list[ActView]:
        """Who has given which order about it; see `Handle.acts`."""
        return await self._calls.run(self.handle.acts)

    def __repr__(self) -> str:
        return f"<hydra.AsyncHandle `{self.workflow}` {self.id}>"
