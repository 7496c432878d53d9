"""The decorators `@hydra.workflow`, `@hydra.step` and `@hydra.transaction`, and the registry of what they define."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from hydra.breakers import Breaker, BreakerNames
from hydra.cron import Cron
from hydra.definition_checks import check_name, timeout_of
from hydra.definitions import (
    BODY_TIMEOUT_SECONDS,
    CANCEL_GRACE_SECONDS,
    AsyncStep,
    AsyncWorkflow,
    BoundWorkflow,
    Definition,
    RetentionLike,
    Step,
    StepWorkflow,
    Transaction,
    Workflow,
)
from hydra.errors import ConfigError
from hydra.limits import Limit, LimitNames
from hydra.retry import DEFAULT_BACKOFF, Backoff, OnExhausted, RetryDelay, RetryIf, RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")


class NamedWorkflow:
    """A workflow whose code this program does not have."""

    def __init__(self, name: str) -> None:
        self.name = check_name(name, "workflow")

    def bind(self, /, *args: Any, **kwargs: Any) -> BoundWorkflow[Any]:
        """A call to submit; it is checked where it runs."""
        return BoundWorkflow(self.name, args, kwargs, None)


def named(name: str) -> NamedWorkflow:
    """The workflow of that name, for a program without the app's code.

        engine.submit(hydra.named("bill").bind("visa-1", 1999))

    The arguments are checked against the signature that a supervisor recorded, or else by the worker.
    """
    return NamedWorkflow(name)


def code_of(bound: BoundWorkflow[Any]) -> Workflow[..., Any] | None:
    """The workflow of a bound call, also of one by its name, where this process has the code."""
    return bound.workflow or registry.workflows.get(bound.name)


class Registry:
    """Every definition by name; two of one kind with one name must come from one function."""

    def __init__(self) -> None:
        self.workflows: dict[str, Workflow[..., Any]] = {}
        self.steps: dict[str, Step[..., Any]] = {}
        self._limits = LimitNames()
        self._breakers = BreakerNames()

    def add_workflow(self, workflow: Workflow[..., Any]) -> None:
        refuse_other(self.workflows.get(workflow.name), workflow)
        self._limits.add(workflow.name, workflow.limits)
        self.workflows[workflow.name] = workflow

    def add_step(self, step: Step[..., Any]) -> None:
        refuse_other(self.steps.get(step.name), step)
        if step.breaker is not None:
            self._breakers.add(step.name, step.breaker)
        self.steps[step.name] = step
        if step.placed_as is not None:
            self.add_workflow(StepWorkflow(step))

    def function_of(self, name: str) -> Callable[..., Any] | None:
        """The code of a workflow, where this process has it."""
        workflow = self.workflows.get(name)
        return None if workflow is None else workflow.function


registry = Registry()


def checked_options(decorator: Callable[P, R]) -> Callable[P, R]:
    """The decorator, which refuses an option it does not have in a sentence of hydra's own, naming those there are."""
    options = [name for name, each in inspect.signature(decorator).parameters.items() if each.kind is each.KEYWORD_ONLY]

    @functools.wraps(decorator)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        unknown = next((name for name in kwargs if name not in options), None)
        if unknown is not None:
            near = difflib.get_close_matches(unknown, options, 1)
            meant = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(f'`{name}`' for name in options)}"
            raise ConfigError(f"`@hydra.{decorator.__name__}` has no option `{unknown}`; {meant}")
        if len(args) > 1:
            raise ConfigError(f"`@hydra.{decorator.__name__}` takes its options by name, such as `{options[0]}=…`")
        return decorator(*args, **kwargs)

    return checked


def is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function.__func__ if isinstance(function, staticmethod) else function)


@overload
def step(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncStep[P, R]: ...
@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *,
    name: str | None = ...,
    max_attempts: int = ...,
    backoff: Backoff = ...,
    timeout: timedelta | float | None = ...,
    retry_on: tuple[type[BaseException], ...] = ...,
    retry_if: RetryIf | None = ...,
    retry_delay: RetryDelay | None = ...,
    deadline: timedelta | float | None = ...,
    on_exhausted: OnExhausted = ...,
    inline: bool = ...,
    heartbeat_timeout: timedelta | float | None = ...,
    cancel_grace: timedelta | float = ...,
    lookup: Callable[[str], Any] | None = ...,
    breaker: Breaker | None = ...,
    cool_down: str | None = ...,
    limits: Sequence[Limit] | None = ...,
    labels: Sequence[str] = ...,
) -> StepDecorator: ...
@checked_options
def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    max_attempts: int = 1,
    backoff: Backoff = DEFAULT_BACKOFF,
    timeout: timedelta | float | None = None,
    retry_on: tuple[type[BaseException], ...] = (Exception,),
    retry_if: RetryIf | None = None,
    retry_delay: RetryDelay | None = None,
    deadline: timedelta | float | None = None,
    on_exhausted: OnExhausted = "fail",
    inline: bool = False,
    heartbeat_timeout: timedelta | float | None = None,
    cancel_grace: timedelta | float = CANCEL_GRACE_SECONDS,
    lookup: Callable[[str], Any] | None = None,
    breaker: Breaker | None = None,
    cool_down: str | None = None,
    limits: Sequence[Limit] | None = None,
    labels: Sequence[str] = (),
) -> Any:
    """Make a function a step; bare, or with its retry policy, time-outs and name. Durations are timedeltas, or seconds.

        @hydra.step(max_attempts=5, retry_on=(ConnectionError,), timeout=30)
        def charge(card: str, pennies: int) -> str: ...

    Args:
        function: the function, which may be async.
        name: of its records; None: the function's own.
        max_attempts: tries of a step that raises, the first included; what dies with its worker uses up none.
        backoff: the pauses between them.
        timeout: seconds of one try, from its start; None: no limit.
        retry_on: the exceptions after which it is tried again.
        retry_if: asked of each of these, whether to try again; False: it fails at once.
        retry_delay: of the exception and the number of the attempt: seconds until the next; None: the back-off says.
        deadline: seconds from the start of its first try after which none begins any more; None: no limit.
        on_exhausted: "fail", or "park" to wait for a person when no attempt is left: `resume` gives it new ones.
        inline: run on the hub's own thread: for what is known to take less than a millisecond.
        heartbeat_timeout: seconds a try may go without a call of `hydra.heartbeat`; None: no limit.
        cancel_grace: seconds a try gets to end once its execution was cancelled or ran out of time; 30 by default.
        lookup: whether an earlier try took effect, asked before the next.
        breaker: a `hydra.Breaker`: while it is open, the step waits instead of calling.
        cool_down: limits of its workflow, by their key or name: all who share this execution's key wait as long as
            `retry_delay` reads off an error (or a RetryAfter without a `key` says), and that uses up no attempt.
        limits: how many may run at once, or begin in a while: `hydra.Concurrency` and `hydra.Rate`; all hold.
        labels: of the nodes that run it, such as `["gpu"]`, wherever the workflow's body runs.

    A step with limits or labels runs as an execution of its own, so its body's execution holds no place while it
    waits. Its arguments and its result go through the database, as a child's do. `limits=[]` keeps a step so whose last
    limit was taken away, until no execution from before is open.

    `lookup` is for effects that must not happen twice: before the step runs again, whatever ended its earlier try,
    `lookup(key)` is asked with the step's `hydra.idempotency_key()` whether it took effect. It answers
    `hydra.Found(result)`, `hydra.NOT_FOUND` (the step runs again) or `hydra.UNSURE` (the execution is parked until a
    person resolves it). It costs one more record, durable before the step starts.

    Raises:
        ConfigError: for an option, a name or a function that it does not take.
    """

    retry = RetryPolicy(
        max_attempts, backoff, retry_on, retry_if, retry_delay, on_exhausted, deadline_of_tries(deadline), cool_down
    )

    def define(function: Callable[..., Any]) -> Step[..., Any]:
        definition: Step[..., Any] = (AsyncStep if is_async(function) else Step)(
            function,
            name=name,
            retry=retry,
            timeout=timeout,
            inline=inline,
            heartbeat_timeout=heartbeat_timeout,
            cancel_grace=cancel_grace,
            lookup=lookup,
            breaker=breaker,
            limits=limits,
            labels=labels,
        )
        registry.add_step(definition)
        return definition

    return define if function is None else define(function)


@overload
def transaction(function: Callable[Concatenate[Any, P], R], /) -> Transaction[P, R]: ...
@overload
def transaction(
    *,
    name: str | None = ...,
    max_attempts: int = ...,
    backoff: Backoff = ...,
    retry_on: tuple[type[BaseException], ...] = ...,
    retry_if: RetryIf | None = ...,
    retry_delay: RetryDelay | None = ...,
    deadline: timedelta | float | None = ...,
    on_exhausted: OnExhausted = ...,
) -> TransactionDecorator: ...
@checked_options
def transaction(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    max_attempts: int = 1,
    backoff: Backoff = DEFAULT_BACKOFF,
    retry_on: tuple[type[BaseException], ...] = (Exception,),
    retry_if: RetryIf | None = None,
    retry_delay: RetryDelay | None = None,
    deadline: timedelta | float | None = None,
    on_exhausted: OnExhausted = "fail",
) -> Any:
    """Make a function a step whose writes to the store's database commit with its record: exactly once.

        @hydra.transaction
        def post(db, invoice: str, pennies: int) -> None:  # called as post("inv-42", 1999)
            db.execute("insert into ledger values (%s, %s)", (invoice, pennies))

    Its first parameter takes the connection. The options are as of `hydra.step`; it has no time-out and no `lookup`.

    Args:
        function: the function, which is not async.
        name: of its records; None: the function's own.
        max_attempts: tries of a transaction that raises, the first included.
        backoff: the pauses between them.
        retry_on: the exceptions after which it is tried again.
        retry_if: asked of each of these, whether to try again; False: it fails at once.
        retry_delay: of the exception and the number of the attempt: seconds until the next; None: the back-off says.
        deadline: seconds from the start of its first try after which none begins any more; None: no limit.
        on_exhausted: "fail", or "park" to wait for a person when no attempt is left: `resume` gives it new ones.

    Raises:
        ConfigError: for an option, a name or a function that it does not take.
    """

    retry = RetryPolicy(
        max_attempts, backoff, retry_on, retry_if, retry_delay, on_exhausted, deadline_of_tries(deadline)
    )

    def define(function: Callable[..., Any]) -> Transaction[..., Any]:
        definition: Transaction[..., Any] = Transaction(function, name=name, retry=retry)
        registry.add_step(definition)
        return definition

    return define if function is None else define(function)


@overload
def workflow(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncWorkflow[P, R]: ...
@overload
def workflow(function: Callable[P, R], /) -> Workflow[P, R]: ...
@overload
def workflow(
    *,
    name: str | None = ...,
    max_attempts: int = ...,
    backoff: Backoff = ...,
    retry_if: RetryIf | None = ...,
    retry_delay: RetryDelay | None = ...,
    on_exhausted: OnExhausted = ...,
    timeout: timedelta | float | None = ...,
    deadline: timedelta | float | None = ...,
    body_timeout: timedelta | float | None = ...,
    schedule: Cron | None = ...,
    version: str | Sequence[str | None] | None = ...,
    labels: Sequence[str] = ...,
    limits: Sequence[Limit] = ...,
    retention: RetentionLike = ...,
    max_pending: int | None = ...,
    search: Mapping[str, type] | None = ...,
) -> WorkflowDecorator: ...
@checked_options
def workflow(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    max_attempts: int = 1,
    backoff: Backoff = DEFAULT_BACKOFF,
    retry_if: RetryIf | None = None,
    retry_delay: RetryDelay | None = None,
    on_exhausted: OnExhausted = "fail",
    timeout: timedelta | float | None = None,
    deadline: timedelta | float | None = None,
    body_timeout: timedelta | float | None = BODY_TIMEOUT_SECONDS,
    schedule: Cron | None = None,
    version: str | Sequence[str | None] | None = None,
    labels: Sequence[str] = (),
    limits: Sequence[Limit] = (),
    retention: RetentionLike = None,
    max_pending: int | None = None,
    search: Mapping[str, type] | None = None,
) -> Any:
    """Make a function a workflow; bare, or with its retry policy, time-out, name, schedule, version and labels.

        @hydra.workflow(timeout=timedelta(days=3))
        def bill(card: str, pennies: int) -> str: ...

    Args:
        function: the function, which may be async.
        name: under which it is submitted; None: the function's own.
        max_attempts: attempts of an execution whose body raises, the first included; what is recorded stays.
        backoff: the pauses between them.
        retry_if: asked of what left the body, whether another attempt follows; False: it fails at once.
        retry_delay: of that and the number of the attempt: seconds until the next; None: the back-off says.
        on_exhausted: "fail", or "park" to wait for a person when no attempt is left; nothing is undone meanwhile.
        timeout: seconds of an execution (or a timedelta) from when it is due, sleeps included; None: no limit.
        deadline: the same from when it is submitted, however long it is delayed.
        body_timeout: seconds the body may run between two calls of hydra, since its worker waits; 10 by default; None:
            no limit.
        schedule: when it runs by itself, without arguments.
        version: of its code, recorded with each execution; None: none.
        labels: of the nodes that run it, such as `["gpu"]`: those started with all of them.
        limits: how many of it may run at once, or begin in a while, and who has turns: `hydra.Concurrency`,
            `hydra.Rate` and `hydra.Fair`; all hold.
        retention: how long an execution is kept once it has ended, in place of what its nodes say: seconds (or a
            timedelta), or by outcome, such as `{"completed": timedelta(days=7), "failed": None}`; None there: for ever.
        max_pending: how many of it may be pending before `submit` raises QueueFull; None: no limit.
        search: attributes by which its executions are found, and their types: str, int, float, bool or datetime, such
            as `{"customer": str}`. One that is called as a parameter begins as its argument; `hydra.set_attributes`
            changes each.

    `version` is recorded as the first thing of an execution, before its first step. Code that does not declare the
    version an execution began under does not run it: it goes to a node that does, or is parked. A sequence declares
    more, the newest first: `version=("2", "1", None)` begins executions under "2" and also goes on with those of "1"
    and those begun before there was any; `hydra.current().version` tells them apart.

    Raises:
        ConfigError: for an option, a name or a function that it does not take.
    """

    retry = RetryPolicy(max_attempts, backoff, retry_if=retry_if, retry_delay=retry_delay, on_exhausted=on_exhausted)

    def define(function: Callable[..., Any]) -> Workflow[..., Any]:
        definition: Workflow[..., Any] = (AsyncWorkflow if is_async(function) else Workflow)(
            function,
            name=name,
            retry=retry,
            timeout=timeout,
            deadline=deadline,
            body_timeout=body_timeout,
            schedule=schedule,
            version=version,
            labels=labels,
            limits=limits,
            retention=retention,
            max_pending=max_pending,
            search=search,
        )
        registry.add_workflow(definition)
        return definition

    return define if function is None else define(function)


class StepDecorator(Protocol):
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncStep[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Step[P, R]: ...


class TransactionDecorator(Protocol):
    def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> Transaction[P, R]: ...


class WorkflowDecorator(Protocol):
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncWorkflow[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Workflow[P, R]: ...


def refuse_other(known: Definition[..., Any] | None, new: Definition[..., Any]) -> None:
    """One name, one function; importing or reloading the same file again is no conflict."""
    if known is None or origin_of(known.function) == origin_of(new.function):
        return
    places = " and ".join(sorted(f"{each.__module__}.{each.__qualname__}" for each in (known, new)))
    raise ConfigError(f"two {new.kind}s are named `{new.name}`: {places}; give one of them another name")


def deadline_of_tries(deadline: timedelta | float | None) -> float | None:
    return None if deadline is None else timeout_of(deadline, "`deadline` of a step")


def origin_of(function: Callable[..., Any]) -> tuple[str, str]:
    code = getattr(inspect.unwrap(function), "__code__", None)
    qualname = getattr(function, "__qualname__", function.__name__)
    return (function.__module__ if code is None else code.co_filename, qualname)
