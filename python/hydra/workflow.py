"""The decorators `@hydra.workflow`, `@hydra.step` and `@hydra.transaction`, and the registry of what they define."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from hydra.definitions import (
    AsyncStep,
    AsyncWorkflow,
    BoundWorkflow,
    Definition,
    Step,
    Transaction,
    Workflow,
    check_name,
)
from hydra.errors import ConfigError
from hydra.retry import Backoff
from hydra.schedules import Cron

P = ParamSpec("P")
R = TypeVar("R")


class NamedWorkflow:
    """A workflow whose code this program does not have."""

    def __init__(self, name: str) -> None:
        self.name = check_name(name, "workflow")

    def bind(self, *args: Any, **kwargs: Any) -> BoundWorkflow[Any]:
        """A call to submit; it is checked where it runs."""
        return BoundWorkflow(self.name, args, kwargs, None)


def named(name: str) -> NamedWorkflow:
    """The workflow of that name, for a program without the app's code."""
    return NamedWorkflow(name)


class Registry:
    """Every definition by name; two of one kind with one name must come from one function."""

    def __init__(self) -> None:
        self.workflows: dict[str, Workflow[..., Any]] = {}
        self.steps: dict[str, Step[..., Any]] = {}

    def add_workflow(self, workflow: Workflow[..., Any]) -> None:
        refuse_other(self.workflows.get(workflow.name), workflow)
        self.workflows[workflow.name] = workflow

    def add_step(self, step: Step[..., Any]) -> None:
        refuse_other(self.steps.get(step.name), step)
        self.steps[step.name] = step


registry = Registry()


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
    inline: bool = ...,
    heartbeat_timeout: timedelta | float | None = ...,
    cancel_grace: timedelta | float = ...,
    lookup: Callable[[str], Any] | None = ...,
) -> StepDecorator: ...
def step(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a step; bare, or with its retry policy, time-outs and name.

    Durations are timedeltas or seconds. `heartbeat_timeout` ends a try that has not called `hydra.heartbeat` for so
    long, as `timeout` ends one that takes too long; `cancel_grace` is what a try gets to end once its execution was
    cancelled or ran out of time.

    `lookup` is for effects that must not happen twice: before the step runs again, whatever ended its earlier try,
    `lookup(key)` is asked with the step's `hydra.idempotency_key()` whether it took effect. It answers
    `hydra.Found(result)`, `hydra.NOT_FOUND` (the step runs again) or `hydra.UNSURE` (the execution is parked until a
    person resolves it). It costs one more record, durable before the step starts.
    """

    def define(function: Callable[..., Any]) -> Step[..., Any]:
        definition: Step[..., Any] = (AsyncStep if inspect.iscoroutinefunction(function) else Step)(function, **options)
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
) -> TransactionDecorator: ...
def transaction(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a step whose writes to the store's database commit with its record: exactly once."""

    def define(function: Callable[..., Any]) -> Transaction[..., Any]:
        definition: Transaction[..., Any] = Transaction(function, **options)
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
    timeout: timedelta | float | None = ...,
    schedule: Cron | None = ...,
    version: str | Sequence[str | None] | None = ...,
) -> WorkflowDecorator: ...
def workflow(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a workflow; bare, or with its retry policy, time-out, name, schedule and version.

    `version` is recorded as the first thing of an execution, before its first step. Code that does not declare the
    version an execution began under does not run it: it goes to a node that does, or is parked. A sequence declares
    more, the newest first: `version=("2", "1", None)` begins executions under "2" and also goes on with those of "1"
    and those begun before there was any; `hydra.current().version` tells them apart.
    """

    def define(function: Callable[..., Any]) -> Workflow[..., Any]:
        kind = AsyncWorkflow if inspect.iscoroutinefunction(function) else Workflow
        definition: Workflow[..., Any] = kind(function, **options)
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
    raise ConfigError(f"two {new.kind}s are named `{new.name}`: {places}; give one of them another name.")


def origin_of(function: Callable[..., Any]) -> tuple[str, str]:
    code = getattr(inspect.unwrap(function), "__code__", None)
    qualname = getattr(function, "__qualname__", function.__name__)
    return (function.__module__ if code is None else code.co_filename, qualname)
