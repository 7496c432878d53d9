"""Hooks of programs around submissions, executions and steps. Holds them, calls them, and lets none of them do harm.

    add_middleware(a); add_middleware(b)          a enters, b enters, it happens, b leaves, a leaves

What a hook raises, before or after, is logged once and changes nothing: neither whether the thing happens, nor what
comes of it. Where no hook is registered, nothing here is called.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from typing import Any, TypeVar

from hydra.blocks import contextmanager
from hydra.errors import ConfigError, Interrupt, StepTimeout
from hydra.written import written

Managed = AbstractContextManager[Any] | AbstractAsyncContextManager[Any] | None
Hook = Callable[[Any], object]

log = logging.getLogger("hydra.middleware")


class SubmitCall:
    """One call of `submit`, `submit_many` or `spawn`, as a `hydra.Middleware` sees it.

    `workflow` is the name of the first execution, `count` how many there are, `namespace` theirs. `key` is that of a
    single one. `parent` is the id of the execution whose body spawns it; None for a program's own. `tags` may be
    changed before the submission: all of its executions get them.

    When the hook is left, `outcome` is `submitted` or `failed`, and `ids` names the executions.
    """

    __slots__ = ("count", "ids", "key", "namespace", "outcome", "parent", "tags", "workflow")

    def __init__(
        self, workflow: str, count: int, key: str | None, namespace: str, tags: dict[str, str], parent: str | None
    ) -> None:
        self.workflow = workflow
        self.count = count
        self.key = key
        self.namespace = namespace
        self.tags = tags
        self.parent = parent
        self.outcome = ""
        self.ids: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<submission of `{self.workflow}`>"


class ExecutionRun:
    """One run of a workflow's body, as a `hydra.Middleware` sees it: from where its records begin to where it rests.

    A body that waits for long is left and run again later: `number` counts its runs on all nodes, from 1 on, and
    `attempt` those that began because the one before had failed.

    When the hook is left, `outcome` says what this run came to: `completed`, `failed`, `retry` (another attempt
    follows), `sleeping`, `waiting`, `parked`, `cancelled`, `continued`, `released` (handed back) or `lost`.
    """

    __slots__ = ("attempt", "id", "key", "namespace", "number", "outcome", "tags", "workflow")

    def __init__(
        self, id: str, workflow: str, key: str | None, namespace: str, tags: dict[str, str], attempt: int, number: int
    ) -> None:
        self.id = id
        self.workflow = workflow
        self.key = key
        self.namespace = namespace
        self.tags = tags
        self.attempt = attempt
        self.number = number
        self.outcome = ""

    def __repr__(self) -> str:
        return f"<run {self.number} of execution `{self.id}`>"


class StepTry:
    """One try of a step, as a `hydra.Middleware` sees it. A step that is answered from its record has none.

    `name` is the step's, `attempt` the number of this try. `id`, `workflow`, `key`, `tags` and `execution_attempt` are
    those of the execution that called it. When the hook is left, `outcome` is `completed` or `failed`: whether another
    try follows is decided later.
    """

    __slots__ = (
        "attempt",
        "execution_attempt",
        "id",
        "is_async",
        "key",
        "name",
        "namespace",
        "outcome",
        "tags",
        "workflow",
    )

    def __init__(
        self,
        name: str,
        attempt: int,
        is_async: bool,
        id: str,
        workflow: str,
        key: str | None,
        namespace: str,
        tags: dict[str, str],
        execution_attempt: int,
    ) -> None:
        self.name = name
        self.attempt = attempt
        self.is_async = is_async
        self.id = id
        self.workflow = workflow
        self.key = key
        self.namespace = namespace
        self.tags = tags
        self.execution_attempt = execution_attempt
        self.outcome = ""

    def __repr__(self) -> str:
        return f"<try {self.attempt} of step `{self.name}`>"


class Middleware:
    """Base class of hooks around what hydra does: override what you need, and register it by `hydra.add_middleware`.

        class Timing(hydra.Middleware):
            @contextmanager
            def step(self, call: hydra.StepTry) -> Iterator[None]:
                began = time.monotonic()
                try:
                    yield
                finally:
                    print(call.name, call.outcome, time.monotonic() - began)

    A hook returns a context manager, or None to leave this one alone. It is entered before the thing happens and left
    after it, with the exception that came of it; its `outcome` is known then. A suspension is no exception. Around
    async steps and `AsyncEngine.submit` it may be an async context manager.

    What a hook raises is logged once and changes nothing, and an exception that it suppresses is raised all the same.
    Hooks run where the thing itself does: those of `execution` on the one thread of all bodies, so they must not block.
    They call no steps, and nothing else that is recorded.
    """

    def submit(self, call: SubmitCall) -> Managed:
        """Around `Engine.submit`, `submit_many` (once for all) and `hydra.spawn` (not again when that is replayed)."""
        return None

    def execution(self, run: ExecutionRun) -> Managed:
        """Around each run of a workflow's body, before its end is written."""
        return None

    def step(self, call: StepTry) -> Managed:
        """Around each try of a step, in the thread or task that runs it."""
        return None


M = TypeVar("M", bound=Middleware)

submit_hooks: list[Hook] = []
execution_hooks: list[Hook] = []
step_hooks: list[Hook] = []
_registered: list[Middleware] = []
_told: set[tuple[str, str]] = set()  # which hook failed with which error


def add_middleware(middleware: M) -> M:
    """Put hooks around what hydra does in this process, and in the workers of an app that calls it at import.

        tracing = hydra.add_middleware(Tracing())

    The first that is registered is the outermost: it is entered first and left last.

    Raises:
        ConfigError: it is no `hydra.Middleware`, or is registered already.
    """
    if isinstance(middleware, type) and issubclass(middleware, Middleware):
        raise ConfigError(
            f"`{middleware.__name__}` is a class of middleware; give one of it, `{middleware.__name__}()`"
        )
    if not isinstance(middleware, Middleware):
        raise ConfigError(f"{written(middleware)} is no middleware; derive its class from `hydra.Middleware`")
    if any(each is middleware for each in _registered):
        raise ConfigError(f"`{type(middleware).__name__}` is registered already; register it once")
    _registered.append(middleware)
    _sort()
    return middleware


def remove_middleware(middleware: Middleware) -> None:
    """Take out what `add_middleware` put in; for tests.

    Raises:
        ConfigError: it is not registered.
    """
    if all(each is not middleware for each in _registered):
        raise ConfigError(f"{written(middleware)} is not registered as middleware")
    _registered[:] = [each for each in _registered if each is not middleware]
    _sort()


def _sort() -> None:
    """Only what is overridden is ever called."""
    for name, hooks in (("submit", submit_hooks), ("execution", execution_hooks), ("step", step_hooks)):
        plain = getattr(Middleware, name)
        hooks[:] = [getattr(each, name) for each in _registered if getattr(type(each), name) is not plain]


class Around:
    """The hooks around one thing. `enter` before it, then `leave`, once."""

    __slots__ = ("_about", "_entered")

    def __init__(self, about: SubmitCall | ExecutionRun | StepTry) -> None:
        self._about = about
        self._entered: list[tuple[Hook, Any]] = []

    def enter(self, hooks: list[Hook]) -> Around:
        for hook in list(hooks):
            try:
                if (manager := hook(self._about)) is not None:
                    if not isinstance(manager, AbstractContextManager):
                        raise no_manager(manager)
                    manager.__enter__()
                    self._entered.append((hook, manager))
            except StepTimeout:  # the step's own, raised into its thread
                self.leave("failed", None)
                raise
            except (Exception, SystemExit) as error:
                tell(name_of(hook), f"before {self._about!r}, which it leaves alone", error)
            except BaseException:
                self.leave("failed", None)
                raise
        return self

    def leave(self, outcome: str, error: BaseException | None) -> None:
        """In reverse. What is raised here is not what came of the thing."""
        self._about.outcome = outcome
        error = seen(error)
        passing: BaseException | None = None
        while self._entered:
            hook, manager = self._entered.pop()
            try:
                manager.__exit__(*(NOTHING if error is None else (type(error), error, error.__traceback__)))
            except (Exception, SystemExit) as raised:
                if raised is not error:
                    tell(name_of(hook), f"after {self._about!r}, of which it changes nothing", raised)
            except BaseException as raised:
                if raised is not error:
                    passing = raised
        if passing is not None:
            raise passing

    async def enter_async(self, hooks: list[Hook]) -> Around:
        for hook in list(hooks):
            try:
                manager = hook(self._about)
                if isinstance(manager, AbstractAsyncContextManager):
                    await manager.__aenter__()
                elif isinstance(manager, AbstractContextManager):
                    manager.__enter__()
                elif manager is not None:
                    raise no_manager(manager)
                if manager is not None:
                    self._entered.append((hook, manager))
            except (Exception, SystemExit) as error:
                tell(name_of(hook), f"before {self._about!r}, which it leaves alone", error)
            except BaseException:
                await self.leave_async("failed", None)
                raise
        return self

    async def leave_async(self, outcome: str, error: BaseException | None) -> None:
        """As `leave`; a cancellation that comes now comes too late to change what has come of it."""
        self._about.outcome = outcome
        error = seen(error)
        passing: BaseException | None = None
        while self._entered:
            hook, manager = self._entered.pop()
            given = NOTHING if error is None else (type(error), error, error.__traceback__)
            try:
                if isinstance(manager, AbstractAsyncContextManager):
                    await manager.__aexit__(*given)
                else:
                    manager.__exit__(*given)
            except (Exception, SystemExit, asyncio.CancelledError) as raised:
                if raised is not error:
                    tell(name_of(hook), f"after {self._about!r}, of which it changes nothing", raised)
            except BaseException as raised:
                if raised is not error:
                    passing = raised
        if passing is not None:
            raise passing


NOTHING = (None, None, None)


@contextmanager
def around_submission(call: SubmitCall) -> Iterator[None]:
    around = Around(call).enter(submit_hooks)
    try:
        yield
    except BaseException as error:
        around.leave("failed", error)
        raise
    around.leave("submitted", None)


def seen(error: BaseException | None) -> BaseException | None:
    """What hooks are told of: that an execution rests or stops is no exception to them."""
    if error is None or Interrupt in type(error).__mro__ or GeneratorExit in type(error).__mro__:
        return None
    return error


def no_manager(found: object) -> ConfigError:
    if isinstance(found, AbstractAsyncContextManager):
        return ConfigError("it gave an async context manager, which fits only async steps and `AsyncEngine.submit`")
    if hasattr(found, "send"):
        return ConfigError("it is a generator; decorate it with `contextlib.contextmanager`")
    return ConfigError(f"it gave {written(found)}; give a context manager or None")


def name_of(hook: Hook) -> str:
    return str(getattr(hook, "__qualname__", hook))


def tell(name: str, when: str, error: BaseException) -> None:
    """Once for each kind of error of each hook."""
    key = (name, type(error).__qualname__)
    if key in _told:
        return
    _told.add(key)
    with suppress(Exception):  # handlers and filters of logging are the user's, too
        log.warning("hook `%s` failed %s; the next time is not told: %s", name, when, error, exc_info=error)
