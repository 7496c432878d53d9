"""Definitions: what `@hydra.workflow` and `@hydra.step` make of a function, and what binding one to arguments gives.

Calling a definition asks `caller` (set by whoever runs an execution) what the call means; outside an execution it is
a plain call. Nothing here runs an execution or touches a database.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import timedelta
from functools import cached_property
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, Protocol, TypeVar

from hydra import attributes
from hydra.breakers import Breaker
from hydra.call_terms import CallTerms
from hydra.clock import seconds_of
from hydra.codec import Signature
from hydra.config import label_names, retention_of
from hydra.cron import Cron
from hydra.definition_checks import (
    MAX_NAME_LENGTH,
    check_function,
    check_name,
    check_versions,
    positional_range,
    timeout_of,
)
from hydra.errors import ConfigError, HydraError, PayloadError
from hydra.interruptions import let_out
from hydra.limit_calls import keys_of_call
from hydra.limits import Limit, check_limits, check_max_pending
from hydra.records.placed import STEP_WORKFLOW_PREFIX
from hydra.retry import DEFAULT_POLICY, RetryPolicy
from hydra.values.hints import signature_of
from hydra.written import written

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")

BODY_TIMEOUT_SECONDS = 10.0  # for a body to run without calling hydra: everything else on its worker waits meanwhile
CANCEL_GRACE_SECONDS = 30.0  # for a step to end once its execution was cancelled or ran out of time


class Caller(Protocol):
    """What a call means where it is made: in a body it is recorded, in a step it is plain."""

    def call_step(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...
    def call_workflow(self, workflow: Workflow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any: ...


# seconds or a timedelta, for all outcomes or by outcome
RetentionLike = timedelta | float | Mapping[str, timedelta | float | None] | None

caller: ContextVar[Caller | None] = ContextVar("hydra_caller", default=None)


class Process:
    """What a call without a caller means in this process: a plain call, unless it is a worker's."""

    is_worker = False


def calling(what: str) -> Caller | None:
    """Who calls; None for a plain call. In a worker, where nobody is known, it would be lost to the records."""
    here = caller.get()
    if here is None and Process.is_worker:
        raise unknown_caller(what)
    return here


def unknown_caller(what: str) -> HydraError:
    return HydraError(
        f"{what} is called in a thread or callback, where hydra cannot tell for which execution, so it would not be "
        "recorded; run steps side by side by `hydra.gather` or `hydra.map`, or call what needs no record by `.function`"
    )


class UnknownCaller:
    """In a thread that a body started: what would need a record is refused, though the process is the program's own."""

    is_body = True

    def call_step(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        raise unknown_caller(f"step `{step.name}`")

    def call_workflow(self, workflow: Workflow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        raise unknown_caller(f"workflow `{workflow.name}`")

    def is_cancelled(self) -> bool:
        return False

    def heartbeat(self, progress: Any) -> None:
        """As outside an execution."""

    def __getattr__(self, name: str) -> NoReturn:
        raise unknown_caller(f"`hydra.{name}`")


class Definition(Generic[P, R]):
    """A registered function: its name, its signature, and how it is tried again."""

    kind = "definition"

    def __init__(self, function: Callable[..., Any], name: str | None, retry: RetryPolicy) -> None:
        if isinstance(function, staticmethod):
            function = function.__func__
        check_function(function, self.kind, name)
        self.function = function
        self.name = check_name(function.__name__ if name is None else name, self.kind)
        self.retry = retry
        self.is_async = inspect.iscoroutinefunction(function)
        try:
            self.signature = signature_of(function)
        except ValueError as error:
            let_out(error)
            raise ConfigError(f"`@hydra.{self.kind}` belongs on a function, not on {function!r}") from None
        self.types = Signature.of(function)
        self._positional = positional_range(self.signature)
        self.__name__ = function.__name__
        self.__qualname__ = getattr(function, "__qualname__", function.__name__)
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def check_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse arguments the function would refuse."""
        if not kwargs and self._positional is not None and self._positional[0] <= len(args) <= self._positional[1]:
            return
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            let_out(error)
            raise HydraError(f"{self.kind} `{self.name}` cannot be called like this: {error}") from None

    def fit_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments as the annotations have them; PayloadError where they cannot be."""
        try:
            return self.types.fitter.fit(args, kwargs)
        except PayloadError as error:
            raise PayloadError(f"the arguments do not fit {self.kind} `{self.name}`: {error}") from None

    def __repr__(self) -> str:
        return f"<hydra.{self.kind} `{self.name}`>"


class Step(Definition[P, R]):
    """A function whose outcome is recorded once per execution."""

    kind = "step"
    is_transaction = False

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        retry: RetryPolicy = DEFAULT_POLICY,
        timeout: timedelta | float | None = None,
        inline: bool = False,
        heartbeat_timeout: timedelta | float | None = None,
        cancel_grace: timedelta | float = CANCEL_GRACE_SECONDS,
        lookup: Callable[[str], Any] | None = None,
        breaker: Breaker | None = None,
        limits: Sequence[Limit] | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        super().__init__(function, name, retry)
        self.breaker = breaker
        if breaker is not None and not isinstance(breaker, Breaker):
            raise ConfigError(f"`breaker` of step `{self.name}` must be a hydra.Breaker, not {written(breaker)}")
        if breaker is not None and lookup is not None:
            raise ConfigError(f"step `{self.name}` has a `lookup`, which waits for no `breaker`; leave one of them out")
        self.limits = () if limits is None else check_limits(limits, self.name, self.signature, self.kind)
        self.labels = label_names(labels, f"`labels` of step `{self.name}`")
        # It has to wait for its place, or for its node: it runs as an execution of this workflow.
        self.placed_as = None if limits is None and not self.labels else STEP_WORKFLOW_PREFIX + self.name
        if self.placed_as is not None and len(self.placed_as) > MAX_NAME_LENGTH:
            longest = MAX_NAME_LENGTH - len(STEP_WORKFLOW_PREFIX)
            raise ConfigError(
                f"step `{self.name}` has limits or labels, so its name may have at most {longest} characters; "
                "give it a shorter one by `name=`"
            )
        self.timeout_ns = self._timeout_ns("timeout", timeout)
        self.heartbeat_timeout_ns = self._timeout_ns("heartbeat_timeout", heartbeat_timeout)
        self.is_limited = bool(self.timeout_ns or self.heartbeat_timeout_ns)  # a try may be ended for the time it takes
        self.cancel_grace_ns = round(seconds_of(cancel_grace, f"`cancel_grace` of step `{self.name}`") * 1e9)
        self.inline = inline
        self.lookup = lookup
        # Nothing has to be asked before it runs for the first time.
        self.is_plain = breaker is None and lookup is None and self.placed_as is None and not self.is_transaction
        if lookup is not None and inspect.iscoroutinefunction(lookup) is not self.is_async:
            raise ConfigError(f"step `{self.name}` and its `lookup` must both be async, or neither")
        if inline and self.is_limited:
            raise ConfigError(f"step `{self.name}` cannot have a timeout and be inline: nothing could end it")
        if inline and self.is_async:
            raise ConfigError(f"step `{self.name}` cannot be inline: it is async and runs on the event loop")

    def _timeout_ns(self, name: str, timeout: timedelta | float | None) -> int:
        return 0 if timeout is None else round(timeout_of(timeout, f"`{name}` of step `{self.name}`") * 1e9)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        here = caller.get()
        if here is None:
            if Process.is_worker:
                raise unknown_caller(f"step `{self.name}`")
            return self.function(*args, **kwargs)  # type: ignore[no-any-return]
        return here.call_step(self, args, kwargs)  # type: ignore[no-any-return]

    def bind(self, /, *args: P.args, **kwargs: P.kwargs) -> BoundStep[R]:
        """A call to be made later, by `hydra.gather` or `hydra.aio.call`."""
        self.check_call(args, kwargs)
        return BoundStep(self, args, kwargs)

    def bind_each(
        self: Step[Concatenate[T, Q], R], items: Iterable[T], /, *args: Q.args, **kwargs: Q.kwargs
    ) -> BoundEach[R]:
        """A call for each item, to be made by `hydra.map`: the item comes first, then `args` and `kwargs`, for all."""
        if self.is_transaction:
            raise HydraError(f"transaction `{self.name}` cannot be bound to each of many items; loop over them in it")
        if self.lookup is not None:
            raise HydraError(f"step `{self.name}` has a `lookup`, which needs records of its own; call it in a loop")
        if self.breaker is not None:
            raise HydraError(f"step `{self.name}` has a `breaker`, for which no item can wait; call it in a loop")
        if self.placed_as is not None:
            raise HydraError(
                f"step `{self.name}` has limits or labels, so each call is an execution of its own; call it by "
                "`hydra.gather`, or spawn a workflow with these limits for each item"
            )
        if self.retry.parks:
            raise HydraError(
                f'step `{self.name}` has `on_exhausted="park"`, and each item of a map has an outcome of its own; '
                "call it in a loop, or see to the items that failed"
            )
        self.check_call((None, *args), kwargs)
        return BoundEach(self, items if isinstance(items, Sequence) else list(items), args, kwargs)


class AsyncStep(Step[P, R]):
    """A step of an `async def` function: calling it gives a coroutine."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:  # type: ignore[override]
        return super().__call__(*args, **kwargs)  # type: ignore[return-value]


class Transaction(Step[P, R]):
    """A step whose first argument is a connection, in a transaction that also writes the step's record."""

    is_transaction = True

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        retry: RetryPolicy = DEFAULT_POLICY,
    ) -> None:
        super().__init__(function, name=name, retry=retry)
        parameters = list(self.signature.parameters.values())
        if self.is_async:
            raise ConfigError(f"transaction `{self.name}` must not be async: its connection is not")
        if not parameters or parameters[0].kind not in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            raise ConfigError(f"transaction `{self.name}` needs a first parameter, which takes the connection")
        self.signature = self.signature.replace(parameters=parameters[1:])
        self._positional = positional_range(self.signature)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        here = calling(f"transaction `{self.name}`")
        if here is None:
            raise HydraError(
                f"transaction `{self.name}` gets its connection from hydra, in a workflow; "
                f"elsewhere call `{self.__name__}.function(connection, …)`"
            )
        return here.call_step(self, args, kwargs)  # type: ignore[no-any-return]


class Workflow(Definition[P, R]):
    """A function hydra runs to completion."""

    kind = "workflow"
    step: Step[P, R] | None = None  # it is the execution of one step

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        retry: RetryPolicy = DEFAULT_POLICY,
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
    ) -> None:
        super().__init__(function, name, retry)
        self.search = {} if search is None else attributes.check_search(search, self.name, self.signature)
        self.labels = label_names(labels, f"`labels` of workflow `{self.name}`")
        kept = f"`retention` of workflow `{self.name}`"
        self.retention = {} if retention is None else retention_of(retention, kept)
        own = f"workflow `{self.name}`"
        self.max_pending = None if max_pending is None else check_max_pending(max_pending, own)
        self.limits = check_limits(limits, self.name, self.signature)
        self.versions = check_versions(version, self.name)
        self.timeout_us = self._limit_us("timeout", timeout)
        self.deadline_us = self._limit_us("deadline", deadline)
        limit = f"`body_timeout` of workflow `{self.name}`"
        self.body_timeout_ns = 0 if body_timeout is None else round(timeout_of(body_timeout, limit) * 1e9)
        self.schedule = schedule
        if schedule is not None:
            self._check_schedule(schedule)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        here = calling(f"workflow `{self.name}`")
        if here is None:
            return self.function(*args, **kwargs)  # type: ignore[no-any-return]
        return here.call_workflow(self, args, kwargs)  # type: ignore[no-any-return]

    def bind(self, /, *args: P.args, **kwargs: P.kwargs) -> BoundWorkflow[R]:
        """A call to submit."""
        self.check_call(args, kwargs)
        return BoundWorkflow(self.name, args, kwargs, self)

    def terms(self, args: tuple[Any, ...], kwargs: dict[str, Any], tags: Mapping[str, str] | None = None) -> CallTerms:
        """What a call of it is submitted with beside its arguments. PayloadError where they do not say it."""
        if not self.limits and not self.search:
            return self._plain_terms
        keys = found = None
        if self.limits:
            keys = keys_of_call(self.limits, self.name, self.signature, *self.fit_call(args, kwargs), tags)
        if self.search:
            found = attributes.keys_of_call(self.search, self.name, self.signature, args, kwargs, self.fit_call)
        return CallTerms(self.timeout_us, self.deadline_us, keys, found)

    @cached_property
    def _plain_terms(self) -> CallTerms:
        """Of any call, where its arguments say nothing of it."""
        return CallTerms(self.timeout_us, self.deadline_us)

    def _limit_us(self, name: str, limit: timedelta | float | None) -> int | None:
        return None if limit is None else round(timeout_of(limit, f"`{name}` of workflow `{self.name}`") * 1e6)

    def _check_schedule(self, schedule: object) -> None:
        if not isinstance(schedule, Cron):
            raise ConfigError(f"`schedule` of workflow `{self.name}` must be a `hydra.Cron`, not {written(schedule)}")
        try:
            self.signature.bind()
        except TypeError as error:
            let_out(error)
            raise ConfigError(
                f"workflow `{self.name}` has a schedule, which calls it without arguments ({error}); give each "
                "parameter a default, and take the tick from `hydra.current().tags`"
            ) from None


class StepWorkflow(Workflow[P, R]):
    """As which a step with limits or labels runs: an execution of its own, of a name that is hydra's."""

    def __init__(self, step: Step[P, R]) -> None:
        super().__init__(step.function, name=step.name, labels=step.labels)
        assert step.placed_as is not None
        self.name = step.placed_as
        self.limits = step.limits
        self.step = step
        self.is_async = False  # its body is hydra's, which runs the step


class AsyncWorkflow(Workflow[P, R]):
    """A workflow of an `async def` function: calling it outside an execution gives a coroutine."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:  # type: ignore[override]
        return super().__call__(*args, **kwargs)  # type: ignore[return-value]


class BoundStep(Generic[R]):
    """A step and the arguments of one call."""

    __slots__ = ("args", "kwargs", "step")

    def __init__(self, step: Step[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.step = step
        self.args = args
        self.kwargs = kwargs

    def __repr__(self) -> str:
        return f"<bound step `{self.step.name}`>"


class BoundEach(Generic[R]):
    """A step and many items: one call for each, which differ in their first argument."""

    __slots__ = ("args", "items", "kwargs", "step")

    def __init__(self, step: Step[..., R], items: Sequence[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.step = step
        self.items = items
        self.args = args
        self.kwargs = kwargs

    def call(self, index: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.items[index], *self.args), self.kwargs

    def __repr__(self) -> str:
        return f"<step `{self.step.name}` bound to {len(self.items)} items>"


class BoundWorkflow(Generic[R]):
    """A workflow's name and the arguments of one call; `workflow` is None when only the name is known here."""

    __slots__ = ("args", "kwargs", "name", "workflow")

    def __init__(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], workflow: Workflow[..., R] | None
    ) -> None:
        self.name = name
        self.args = args
        self.kwargs = kwargs
        self.workflow = workflow

    @property
    def function(self) -> Callable[..., Any] | None:
        """None when only the name is known here."""
        return None if self.workflow is None else self.workflow.function

    def __repr__(self) -> str:
        return f"<bound workflow `{self.name}`>"
