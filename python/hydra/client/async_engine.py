"""AsyncEngine: a thin skin over Engine for asyncio programs. It decides nothing itself.

Calls that touch the database run on a few threads. Submissions that come while a batch commits form the next.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from hydra import config, middleware
from hydra.blocks import asynccontextmanager
from hydra.client.act_orders import ActView
from hydra.client.approvals import ApprovalView, Rule
from hydra.client.async_calls import AsyncCalls
from hydra.client.async_handle import AsyncHandle
from hydra.client.async_selection import AsyncSelection
from hydra.client.bulk import Acted
from hydra.client.engine import Engine
from hydra.client.limit_orders import Limit, LimitKey
from hydra.client.local_worker import LocalWorker
from hydra.client.loop_side import LoopSide
from hydra.client.open_circuits import OpenCircuit
from hydra.client.pause_orders import PauseView
from hydra.client.schedule_orders import Schedule
from hydra.client.views import Execution
from hydra.client.why import Why
from hydra.codec import MAX_PAYLOAD_BYTES
from hydra.debounce import Debounce
from hydra.definitions import BoundWorkflow, Workflow
from hydra.execution import KeyReuse, Submission
from hydra.offload import Offload
from hydra.payload_keys import PayloadKeys
from hydra.sought import Attributes
from hydra.stores.awaiting import run_awaiting
from hydra.stores.findings import Violation
from hydra.stores.loads import Demands
from hydra.stores.node_states import NodeState
from hydra.stores.stats import Stats
from hydra.stores.workflow_info import WorkflowInfo

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class AsyncEngine:
    """Engine's methods as coroutines, with the same arguments. An async context manager that closes it.

        async with hydra.AsyncEngine("sqlite:///billing.db") as engine:
            handle = await engine.submit(bill.bind("visa-1", 1999), key="inv-42")
            print(await handle.result(timeout=60))

    A task that is cancelled in one of them goes on at once; the engine works on. A submission has then either not
    happened, or the CancelledError carries `outcome="unknown"` and its `execution_id`: repeat it with its key or that
    id. What any other call had begun on a thread goes on there to its end.
    """

    def __init__(
        self,
        url: str | None = None,
        namespace: str = config.DEFAULT_NAMESPACE,
        migrate: bool = True,
        *,
        max_pending: int | None = None,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        timeout: timedelta | float | None = None,
        db_map: str | os.PathLike[str] | Mapping[str, str] | None = None,
        payload_keys: PayloadKeys | None = None,
        offload: Offload | None = None,
    ) -> None:
        self.engine = Engine(
            url,
            namespace,
            migrate,
            max_pending=max_pending,
            max_payload_bytes=max_payload_bytes,
            timeout=timeout,
            db_map=db_map,
            payload_keys=payload_keys,
            offload=offload,
        )
        self._calls = AsyncCalls(self.engine)

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
        *,
        key_reuse: str | timedelta | float = KeyReuse.FIRST,
        debounce: Debounce | None = None,
    ) -> AsyncHandle[R]:
        """Make one execution durable; see `Engine.submit`. A `connection`, async or not, is used by the caller's own
        task.
        """
        side = self._calls.loop_side()
        if not self.engine.is_open:
            await side.run(self.engine.session)
        if connection is not None:
            given = (bound, key, delay, run_at, priority, tags, id, connection)
            submit = partial(self.engine.submit, *given, key_reuse=key_reuse, debounce=debounce)
            handle = await run_awaiting(submit)
            return AsyncHandle(handle, self._calls)
        prepare = partial(self.engine.prepare, bound, key, delay, run_at, priority, tags, id, key_reuse, debounce)
        is_known = isinstance(bound, BoundWorkflow) and bound.workflow is not None
        is_known = is_known and self.engine.pending_bounds.asks_nobody()
        submission = prepare() if is_known else await side.run(prepare)  # signatures and bounds are read
        if middleware.submit_hooks:
            return await self._submit_with_hooks(side, submission, bound)
        answer = await side.submit(submission)
        if answer.conflict:
            await side.run(self.engine.refuse_keyed, answer)
        return AsyncHandle(self.engine.accept(submission, answer, bound), self._calls)

    async def _submit_with_hooks(
        self, side: LoopSide, submission: Submission, bound: BoundWorkflow[R]
    ) -> AsyncHandle[R]:
        call = self.engine.hooked(submission)
        around = await middleware.Around(call).enter_async(middleware.submit_hooks)
        try:
            submission = await side.run(self.engine.tagged, bound, submission, call)
            answer = await side.submit(submission)
            if answer.conflict:
                await side.run(self.engine.refuse_keyed, answer)
            handle = self.engine.accept(submission, answer, bound)
            call.ids = (handle.id,)
        except BaseException as error:
            await around.leave_async("failed", error)
            raise
        await around.leave_async("submitted", None)
        return AsyncHandle(handle, self._calls)

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
        *,
        key_reuse: str | timedelta | float = KeyReuse.FIRST,
    ) -> list[AsyncHandle[R]]:
        """Submit many; see `Engine.submit_many`. `progress` is called on a thread."""
        given = (bounds, keys, delay, run_at, priority, tags, connection, progress)
        submit = partial(self.engine.submit_many, *given, key_reuse=key_reuse)
        if middleware.submit_hooks:
            submit = partial(copy_context().run, submit)  # hooks see what the caller's task sees
        if connection is None:
            handles = await self._calls.run(submit)
        else:
            handles = await self._calls.join(submit)
        return [AsyncHandle(handle, self._calls) for handle in handles]

    async def get(self, id: str) -> AsyncHandle[Any]:
        """The handle of an execution that exists; NotFound otherwise. See `Engine.get`."""
        return AsyncHandle(await self._calls.run(self.engine.get, id), self._calls)

    async def find(self, workflow: Workflow[..., R] | str, key: str) -> AsyncHandle[R]:
        """The execution of that workflow and key; NotFound otherwise. See `Engine.find`."""
        return AsyncHandle(await self._calls.run(self.engine.find, workflow, key), self._calls)

    async def fork(
        self,
        id: str,
        from_step: str,
        *,
        number: int = 1,
        input: BoundWorkflow[Any] | None = None,
        key: str | None = None,
        force: bool = False,
    ) -> AsyncHandle[Any]:
        """Begin a new execution with what this one had recorded before a step; see `Engine.fork`."""
        fork = partial(self.engine.fork, id, from_step, number=number, input=input, key=key, force=force)
        return AsyncHandle(await self._calls.run(fork), self._calls)

    async def signal(
        self, id: str, name: str, value: Any = None, *, signal_id: str | None = None, connection: object = None
    ) -> None:
        """Put an event before an execution; see `Engine.signal`."""
        await self._calls.run_or_join(connection, partial(self.engine.signal, id, name, value, signal_id=signal_id))

    async def complete(self, token: str, value: Any = None, *, connection: object = None) -> None:
        """Complete a callback token with a value; see `Engine.complete`."""
        await self._calls.run_or_join(connection, partial(self.engine.complete, token, value))

    async def fail(self, token: str, reason: str, *, connection: object = None) -> None:
        """Complete a callback token with a failure; see `Engine.fail`."""
        await self._calls.run_or_join(connection, partial(self.engine.fail, token, reason))

    async def executions(
        self,
        status: str | None = None,
        workflow: Workflow[..., Any] | str | None = None,
        key: str | None = None,
        tags: dict[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
        *,
        since: datetime | timedelta | None = None,
        until: datetime | timedelta | None = None,
        reason: str | None = None,
        error: str | None = None,
        attributes: Attributes | None = None,
        after: str | None = None,
        oldest_first: bool = False,
    ) -> list[Execution]:
        """The executions that match all that is given, newest first; see `Engine.executions`."""
        places = partial(self.engine.executions, status, workflow, key, tags, limit, before, after=after)
        rest = partial(places, since=since, until=until, reason=reason, error=error, oldest_first=oldest_first)
        return await self._calls.run(partial(rest, attributes=attributes))

    async def select(
        self,
        status: str | None = None,
        workflow: Workflow[..., Any] | str | None = None,
        key: str | None = None,
        tags: dict[str, str] | None = None,
        *,
        since: datetime | timedelta | None = None,
        until: datetime | timedelta | None = None,
        reason: str | None = None,
        error: str | None = None,
        attributes: Attributes | None = None,
    ) -> AsyncSelection:
        """Choose executions, to count, group or act on; see `Engine.select`."""
        chosen = partial(self.engine.select, status, workflow, key, tags, attributes=attributes)
        selection = await self._calls.run(partial(chosen, since=since, until=until, reason=reason, error=error))
        return AsyncSelection(selection, self._calls)

    async def rerun(self, id: str, *, reason: str = "", force: bool = False) -> AsyncHandle[Any]:
        """Begin a new execution from the input of one that has ended; see `Engine.rerun`."""
        return AsyncHandle(
            await self._calls.run(partial(self.engine.rerun, id, reason=reason, force=force)), self._calls
        )

    async def why(self, id: str) -> Why:
        """Why an execution does not go on, or what it does; see `Engine.why`."""
        return await self._calls.run(self.engine.why, id)

    async def circuits(self) -> list[OpenCircuit]:
        """Which circuits are not closed; see `Engine.circuits`."""
        return await self._calls.run(self.engine.circuits)

    async def pauses(self) -> list[PauseView]:
        """What is paused, and which nodes drain; see `Engine.pauses`."""
        return await self._calls.run(self.engine.pauses)

    async def pause_workflow(self, workflow: Workflow[..., Any] | str, *, reason: str = "") -> None:
        """Start none of its executions until it is resumed; see `Engine.pause_workflow`."""
        await self._calls.run(partial(self.engine.pause_workflow, workflow, reason=reason))

    async def resume_workflow(self, workflow: Workflow[..., Any] | str) -> bool:
        """Go on with it; whether it was paused; see `Engine.resume_workflow`."""
        return await self._calls.run(self.engine.resume_workflow, workflow)

    async def pause_namespace(self, *, reason: str = "") -> None:
        """The same for everything in this namespace; see `Engine.pause_namespace`."""
        await self._calls.run(partial(self.engine.pause_namespace, reason=reason))

    async def resume_namespace(self) -> bool:
        """Go on with the namespace; see `Engine.resume_namespace`."""
        return await self._calls.run(self.engine.resume_namespace)

    async def drain_node(self, id: str, *, reason: str = "") -> None:
        """Have a node end as at SIGTERM; see `Engine.drain_node`."""
        await self._calls.run(partial(self.engine.drain_node, id, reason=reason))

    async def limits(self) -> list[Limit]:
        """Every limit that a node has registered; see `Engine.limits`."""
        return await self._calls.run(self.engine.limits)

    async def limit_keys(self, name: str) -> list[LimitKey]:
        """The keys of a limit; see `Engine.limit_keys`."""
        return await self._calls.run(partial(self.engine.limit_keys, name))

    async def set_limit(
        self,
        name: str,
        count: int | None = None,
        *,
        per: timedelta | float | None = None,
        burst: int | None = None,
        max_pending: int | None = None,
    ) -> None:
        """Have other numbers hold than the code's; see `Engine.set_limit`."""
        await self._calls.run(
            partial(self.engine.set_limit, name, count, per=per, burst=burst, max_pending=max_pending)
        )

    async def set_weight(self, name: str, value: str, weight: float | None) -> None:
        """Have a value of a `Fair` get more or fewer turns; see `Engine.set_weight`."""
        await self._calls.run(partial(self.engine.set_weight, name, value, weight))

    async def reset_limit(self, name: str) -> None:
        """Have the code's numbers hold again; see `Engine.reset_limit`."""
        await self._calls.run(partial(self.engine.reset_limit, name))

    async def pause_limit(
        self, name: str, key: str | None = None, *, duration: timedelta | float | None = None, reason: str = ""
    ) -> None:
        """Have none go on at one key of a limit; see `Engine.pause_limit`."""
        await self._calls.run(partial(self.engine.pause_limit, name, key, duration=duration, reason=reason))

    async def resume_limit(self, name: str, key: str | None = None) -> bool:
        """Go on at one key of a limit; whether it was paused; see `Engine.resume_limit`."""
        return await self._calls.run(partial(self.engine.resume_limit, name, key))

    def acting(self, by: str | None = None, *, reason: str = "") -> AbstractContextManager[None]:
        """Say who gives the orders inside, and why; see `Engine.acting`. A plain `with`, for this task."""
        return self.engine.acting(by, reason=reason)

    async def acts(
        self,
        *,
        since: datetime | timedelta | None = None,
        until: datetime | timedelta | None = None,
        by: str | None = None,
        kind: str | None = None,
        limit: int = 100,
    ) -> list[ActView]:
        """What was ordered in this namespace, newest first; see `Engine.acts`."""
        return await self._calls.run(partial(self.engine.acts, since=since, until=until, by=by, kind=kind, limit=limit))

    async def require_approval(
        self, acts: Sequence[str], *, within: timedelta | float = 3600.0, reason: str = ""
    ) -> None:
        """Have these acts take a second person; see `Engine.require_approval`."""
        await self._calls.run(partial(self.engine.require_approval, acts, within=within, reason=reason))

    async def approval_rule(self) -> Rule:
        """Which acts take a second person now; see `Engine.approval_rule`."""
        return await self._calls.run(self.engine.approval_rule)

    async def approvals(self) -> list[ApprovalView]:
        """What was asked for and takes a second person; see `Engine.approvals`."""
        return await self._calls.run(self.engine.approvals)

    async def approve(self, id: str, *, reason: str = "") -> Acted:
        """Do what somebody else has asked for; see `Engine.approve`."""
        return await self._calls.run(partial(self.engine.approve, id, reason=reason))

    async def refuse(self, id: str, *, reason: str = "") -> None:
        """Have it not be done; see `Engine.refuse`."""
        await self._calls.run(partial(self.engine.refuse, id, reason=reason))

    async def schedules(self) -> list[Schedule]:
        """Every schedule that a node has registered; see `Engine.schedules`."""
        return await self._calls.run(self.engine.schedules)

    async def pause_schedule(self, name: str) -> None:
        """Fire no more ticks of it until it is resumed; see `Engine.pause_schedule`."""
        await self._calls.run(self.engine.pause_schedule, name)

    async def resume_schedule(self, name: str) -> None:
        """Go on with its next tick; see `Engine.resume_schedule`."""
        await self._calls.run(self.engine.resume_schedule, name)

    async def trigger_schedule(self, name: str) -> AsyncHandle[Any]:
        """Run its workflow now; see `Engine.trigger_schedule`."""
        return AsyncHandle(await self._calls.run(self.engine.trigger_schedule, name), self._calls)

    async def backfill_schedule(
        self, name: str, start: datetime, end: datetime, progress: Callable[[int, int], object] | None = None
    ) -> list[AsyncHandle[Any]]:
        """Run past ticks that have no execution; see `Engine.backfill_schedule`. `progress` is called on a thread."""
        handles = await self._calls.run(self.engine.backfill_schedule, name, start, end, progress)
        return [AsyncHandle(handle, self._calls) for handle in handles]

    async def stats(self) -> Stats:
        """Counts by workflow and status, and due work that no living node serves; see `Engine.stats`."""
        return await self._calls.run(self.engine.stats)

    async def demands(self, over: timedelta | float | None = None) -> Demands:
        """Backlogs and places, by workflow and by label; see `Engine.demands`."""
        return await self._calls.run(self.engine.demands, over)

    async def workflows(self) -> list[WorkflowInfo]:
        """The workflows that supervisors have served; see `Engine.workflows`."""
        return await self._calls.run(self.engine.workflows)

    async def nodes(self) -> list[NodeState]:
        """The supervisors that run, or ran, executions; see `Engine.nodes`."""
        return await self._calls.run(self.engine.nodes)

    async def audit(self) -> list[Violation]:
        """Every broken promise that the database can show; see `Engine.audit`."""
        return await self._calls.run(self.engine.audit)

    async def purge(
        self, older_than: timedelta | float, progress: Callable[[int], object] | None = None, *, reason: str = ""
    ) -> int:
        """Delete what ended long ago; see `Engine.purge`. `progress` is called on a thread."""
        return await self._calls.run(partial(self.engine.purge, older_than, progress, reason=reason))

    async def migrate(self) -> tuple[int, int]:
        """Bring the tables to this version of hydra; see `Engine.migrate`."""
        return await self._calls.run(self.engine.migrate)

    @asynccontextmanager
    async def worker(
        self, concurrency: int = 8, *, only: Sequence[str] = (), labels: Sequence[str] = ()
    ) -> AsyncIterator[LocalWorker]:
        """A worker in this process, as an async context manager; see `Engine.worker`."""
        worker = self.engine.worker(concurrency, only=only, labels=labels)
        await self._calls.loop_side().acquire(worker.start, lambda _: worker.stop())
        try:
            yield worker
        finally:
            await self._calls.run(worker.stop)

    async def close(self) -> None:
        """Let go of the database and of threads. What was accepted is durable already."""
        await self._calls.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
