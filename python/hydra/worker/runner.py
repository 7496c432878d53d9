"""Runs one try of a step where it belongs: inline on the hub's thread, in a pool thread, or on the event loop.

Each try has a context of its own, a place in the worker's page while it runs, and copies of its arguments, so that
what one try does to them neither the body nor the next try sees. What a try's outcome means is for the executor.
"""

from __future__ import annotations

import decimal
import resource
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any, Protocol, cast

from hydra import middleware
from hydra.body.fork_guard import Forked, end_child
from hydra.body.protocol import Host
from hydra.body.step_call import StepCall
from hydra.body.step_limits import Limits, RunningInThread
from hydra.body.strand import running
from hydra.body.transactions import TransactionCall, refuse_without
from hydra.definitions import Step, caller
from hydra.errors import StepTimeout
from hydra.worker.event_loop import EventLoop
from hydra.worker.pace import Pace
from hydra.worker.page import Page
from hydra.worker.pool import Pool


def decimal_variable() -> ContextVar[decimal.Context]:
    context = Context()
    context.run(decimal.getcontext)
    (variable,) = context
    return variable


DECIMAL = decimal_variable()  # holds an object that copies of a context would share
SUPERVISOR_GRACE_NS = 2_000_000_000  # past a step's time-out, for the hub to end it, before the supervisor steps in


class LeaseView(Protocol):
    """The node's shared page (`clock.LeasePage`), or a clock in its place."""

    def may_start(self) -> bool: ...
    def now(self) -> int: ...
    def boottime_ns(self) -> int: ...


class Runner:
    """`finished_call` is called on the hub's thread when a call that was set aside is over."""

    def __init__(
        self,
        lease: LeaseView,
        page: Page | None,
        thread_count: int,
        post: Callable[[Callable[[Any], None], Any], None],
        finished_call: Callable[[StepCall], None],
    ) -> None:
        self.now = lease.now
        self.may_start = lease.may_start
        self.post = post
        self.limits = Limits()
        self.loop = EventLoop(self)
        self._lease = lease
        self._page = page
        self._finished_call = finished_call
        self._pool = Pool(thread_count, self._run_in_thread)
        self._paces: dict[Step[..., Any], Pace] = {}
        self._base = copy_context()
        self._decimal = self._base.get(DECIMAL)

    def close(self) -> None:
        self._pool.close()
        self.loop.close()

    # on the hub's thread

    def perform(self, call: StepCall) -> None:
        if Forked.is_child:  # a body has forked
            end_child()
        step = call.step
        if step.inline:
            self._run_here(call)
            return
        pace = self._paces.get(step)
        if pace is None:
            pace = self._paces[step] = Pace(not (step.is_async or step.is_limited or step.is_transaction))
        if pace.is_inline:
            self._run_inline(call, pace)
            return
        call.context = copy_context()
        strand = call.strand = running()
        if step.is_limited:
            self.limits.add(call, self._lease.boottime_ns())
        call.execution.calls.add(call)
        if step.is_async:
            self.loop.run_step(call)
        else:
            self._pool.submit(call)
        strand.leave()

    def ask_to_stop(self, call: StepCall) -> None:
        """Its execution was cancelled, or ran out of time."""
        if isinstance(call, TransactionCall):
            refuse_without(cast(Host, call.execution.host).transactions).interrupt(call)
        else:
            self.limits.stop(call, self._lease.boottime_ns())

    def _run_inline(self, call: StepCall, pace: Pace) -> None:
        """One that has been quick so far."""
        switch_count = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        self._run_here(call)
        has_switched = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw != switch_count
        pace.observe(call.finished_at - call.started_at, has_switched)

    def _run_here(self, call: StepCall) -> None:
        """`_run` of a step without limits that is no transaction, in the strand that calls it."""
        now, page = self.now, self._page
        call.started_at = now()
        if page is not None:
            self.enter_page(call)
        context = copy_context()
        if DECIMAL in context:
            with_own_decimal(context)
        run_unlimited(call, context)
        call.finished_at = now()
        if page is not None and call.place >= 0:
            page.end(call.place)
            self._keep_in_page(call)

    def _run(self, call: StepCall, run: Callable[[StepCall, Context], None]) -> None:
        """The step itself, between its entry in the worker's page and the end of that."""
        call.started_at = self.now()
        place = self.enter_page(call)
        is_transaction = isinstance(call, TransactionCall)
        if is_transaction and place < 0 and self._page is not None:  # the supervisor must see it; it waits for a place
            call.started_at = 0
            return
        run(call, self.context_of(call))
        call.finished_at = self.now()
        if not is_transaction:  # its own is left once the supervisor was told
            self.end_in_page(place)

    # from any thread that runs a step

    def may_run(self, call: StepCall) -> bool:
        """R5, looked at once more where the step really begins: it may have waited for its thread."""
        # guard R5: nor does a further try
        return self.may_start() and not call.execution.is_to_stop and not call.stop_at_ns

    def start_limits(self, call: StepCall) -> None:
        if call.step.is_limited:
            now_ns = call.beat_ns = self._lease.boottime_ns()
            if call.timeout_ns:
                call.deadline_ns = now_ns + call.timeout_ns

    def enter_page(self, call: StepCall) -> int:
        """Show the supervisor that this step runs; returns its place, or -1 without a page or room in it."""
        page = self._page
        if page is None:
            return -1
        execution, step, called = call.execution, call.step, call.called
        claimed, (branch, name, ordinal), attempt = execution.claimed, called.key, call.attempt
        if not call.is_kept_in_page:
            name, attempt = call.recorded_as
        place = call.place = page.enter(
            execution.token, watched_until_ns(call) if step.is_limited else 0, branch, name, ordinal, attempt,
            step.is_transaction, called.digest, claimed.id, claimed.epoch, execution.log.durable,
        )  # fmt: skip
        return place

    def end_in_page(self, place: int) -> None:
        """It has ended; the hub's thread sees to the rest."""
        if place >= 0 and self._page is not None:
            self._page.end(place)

    def leave_page(self, place: int) -> None:
        if place >= 0 and self._page is not None:
            self._page.leave(place)

    def _keep_in_page(self, call: StepCall) -> None:
        """On the hub's thread: a death before its outcome is durable is to tell of it. Of a step that was given up the
        outcome is recorded already."""
        place = call.place
        # guard G4: a step is shown until its outcome is durable
        if place >= 0 and (not call.is_kept_in_page or call.is_given_up or not call.execution.log.keep_place(place)):
            call.place = -1
            self.leave_page(place)

    def beaten(self, call: StepCall) -> None:
        """It says that it goes on: its supervisor, which steps in where the hub cannot, is to know."""
        has_ended = call.finished_at and not call.is_given_up
        if call.place >= 0 and self._page is not None and not has_ended:
            self._page.set_deadline(call.place, watched_until_ns(call))

    def finished(self, call: StepCall) -> None:
        self.post(self._finished, call)

    def context_of(self, call: StepCall) -> Context:
        """What a step sees is the body's context at the call; what it sets there, the body does not see."""
        context, call.context = call.context, None  # which will hold the call: together they would be a cycle
        assert context is not None
        return with_own_decimal(context)

    def new_context(self) -> Context:
        """Of a body."""
        context = self._base.copy()
        if self._decimal is not None:
            context.run(decimal.setcontext, self._decimal.copy())
        return context

    def _run_in_thread(self, call: StepCall) -> None:
        try:
            if self.may_run(call):
                if call.step.is_transaction:
                    self._run(call, run_unlimited)
                elif call.step.is_limited:
                    self.start_limits(call)
                    self._run(call, run_limited)
                else:
                    switch_count = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
                    self._run(call, run_limited)
                    call.has_switched = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw != switch_count
        except BaseException as error:  # whatever fails here, the body must hear of it and the thread go on
            call.error = error
        self.post(self._left_pool, call)

    def _left_pool(self, call: StepCall) -> None:
        self._pool.finished_one()
        self._finished(call)

    def _finished(self, call: StepCall) -> None:
        call.execution.calls.discard(call)
        if not isinstance(call, TransactionCall):
            self._keep_in_page(call)
        if call.step.is_limited or call.stop_at_ns:
            self.limits.remove(call)
            if call.running is not None and call.running.is_interrupted and type(call.error) is StepTimeout:
                call.error = StepTimeout(call.overdue_reason).with_traceback(call.error.__traceback__)
        elif call.started_at:
            pace = self._paces[call.step]
            if pace.may_learn:
                pace.observe(call.finished_at - call.started_at, call.has_switched)
        call.running = None  # an async step's task, whose context holds the call: together they would be a cycle
        self._finished_call(call)


def with_own_decimal(context: Context) -> Context:
    if DECIMAL in context:
        context.run(decimal.setcontext, context[DECIMAL].copy())
    return context


def watched_until_ns(call: StepCall) -> int:
    """From when on the supervisor ends it; 0: never."""
    if not (call.deadline_ns or call.step.heartbeat_timeout_ns):
        return 0
    return call.overdue_at_ns() + SUPERVISOR_GRACE_NS


def enter_step(call: StepCall) -> Any:
    caller.set(call)
    called = call.called
    args, kwargs = (called.args, called.kwargs) if called.is_fixed else call.own_arguments()
    if not middleware.step_hooks:
        return _call(call, args, kwargs) if call.step.is_transaction else call.function(*args, **kwargs)
    around = middleware.Around(call.as_try()).enter(middleware.step_hooks)
    try:
        result = _call(call, args, kwargs)
    except BaseException as error:
        around.leave("failed", error)
        raise
    around.leave("completed", None)
    return result


def _call(call: StepCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if isinstance(call, TransactionCall):
        return refuse_without(cast(Host, call.execution.host).transactions).perform(call, args, kwargs)
    return call.function(*args, **kwargs)


def run_unlimited(call: StepCall, context: Context) -> None:
    try:
        call.result = context.run(enter_step, call)
    except BaseException as error:
        call.error = error
    if Forked.is_child:
        end_child(call.error)


def run_limited(call: StepCall, context: Context) -> None:
    """StepTimeout may be raised anywhere in here; one that comes after the step has ended changes nothing."""
    running = call.running = RunningInThread()
    has_ended = False
    try:
        try:
            call.result = context.run(enter_step, call)
        except BaseException as error:
            call.error = error
        if Forked.is_child:
            end_child(call.error)
        has_ended = True
        running.close()
    except StepTimeout as error:
        running.close()
        if not has_ended and call.error is None:
            call.error = error
