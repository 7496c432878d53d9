"""Who is calling in a body: a `Branch`, one line of calls, which counts them and so gives them their keys.

The body itself is one, and so is each bound step of a gather and each asyncio task of an async body.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, cast

from hydra import codec
from hydra.body import bulk, callbacks, gathering, mailbox, recorded, spawning, steps
from hydra.body.undoing import ON_FAILURE
from hydra.client import completions
from hydra.context import Current
from hydra.definitions import BoundEach, BoundStep, BoundWorkflow, Step, Workflow
from hydra.errors import HydraError

if TYPE_CHECKING:
    from hydra.body.executor import Execution


class Branch:
    """The caller in a sync body; lives on the hub thread."""

    __slots__ = ("_ordinals", "execution", "name")

    def __init__(self, execution: Execution, name: str) -> None:
        self.execution = execution
        self.name = name
        self._ordinals: dict[str, int] = {}

    def next_ordinal(self, name: str) -> int:
        ordinals = self._ordinals
        ordinal = ordinals.get(name, 0)
        ordinals[name] = ordinal + 1
        return ordinal

    def call_step(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if step.is_async:
            raise HydraError(f"step `{step.name}` is async: call it in an async workflow, or through `hydra.gather`.")
        execution = self.execution
        value = steps.run_step(
            execution, self.name, step, self.next_ordinal(step.name), codec.encode_call(args, kwargs)[1], args, kwargs
        )
        execution.handed = execution.seq
        return value

    def call_workflow(self, workflow: Workflow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise HydraError(f"workflow `{workflow.name}` cannot be called in a body; start it with `hydra.spawn`.")

    def sleep(self, seconds: float) -> None:
        recorded.sleep(self.execution, self.name, self.next_ordinal("hydra.sleep"), seconds)

    def wait_event(self, name: str, annotation: Any, seconds: float | None) -> Any:
        ordinal = self.next_ordinal(mailbox.EVENT_PREFIX + name)
        return mailbox.wait_event(self.execution, self.name, ordinal, name, annotation, seconds)

    def callback_token(self, key: str | None) -> str:
        return cast(str, self.value(completions.TOKEN, key, lambda: callbacks.new_token(self.execution)))

    def wait_callback(self, token: str, annotation: Any, seconds: float | None) -> Any:
        return callbacks.wait(self.execution, token, annotation, seconds)

    def on_failure(self, bound: BoundStep[Any]) -> None:
        execution = self.execution
        execution.undoing.register(execution, self.name, self.next_ordinal(ON_FAILURE), bound)

    def is_cancelled(self) -> bool:
        return False  # a body that is to stop is stopped

    def heartbeat(self, progress: Any) -> None:
        raise HydraError("`hydra.heartbeat` belongs in a step: a body takes no time of its own.")

    def spawn(self, bound: BoundWorkflow[Any], key: str | None) -> Any:
        ordinal = self.next_ordinal(spawning.SPAWN_PREFIX + bound.name)
        return spawning.spawn(self.execution, self.name, ordinal, bound, key, spawning.Child)

    def child_result(self, child: spawning.Child[Any]) -> Any:
        return child.wait(self.execution)

    def value(self, name: str, key: str | None, make: Callable[[], Any]) -> Any:
        if key is None:
            return recorded.value(self.execution, self.name, name, self.next_ordinal(name), make)
        return recorded.pinned(self.execution, f"{name}:{key}", make)

    def patched(self, name: str) -> bool:
        return recorded.patched(self.execution, self.name, name)

    def gather(self, bound: tuple[BoundStep[Any], ...], concurrency: int | None) -> tuple[Any, ...]:
        return self.gathering(bound, concurrency)()

    def gathering(self, bound: tuple[BoundStep[Any], ...], concurrency: int | None) -> Callable[[], tuple[Any, ...]]:
        """The keys are taken now; called in a strand, it runs the steps."""
        prefix = f"{self.name}/{self.next_ordinal('hydra.gather')}"
        digests = [codec.encode_call(each.args, each.kwargs)[1] for each in bound]
        return partial(gathering.gather, self.execution, prefix, bound, digests, concurrency)

    def map(self, bound: BoundEach[Any], chunk: int, concurrency: int) -> Any:
        return self.mapping(bound, chunk, concurrency)()

    def mapping(self, bound: BoundEach[Any], chunk: int, concurrency: int) -> Callable[[], Any]:
        """As `gathering`, for a map."""
        branch = f"{self.name}/map.{self.next_ordinal('hydra.map')}"
        return bulk.Map(self.execution, branch, bound, chunk, concurrency).run

    def continue_as_new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        execution = self.execution
        execution.continue_as_new(*next_call(execution.workflow, args, kwargs))

    def current(self) -> Current:
        return self.execution.current(None, self.execution.claimed.attempt)

    def idempotency_key(self, label: str | None) -> str:
        raise HydraError("`hydra.idempotency_key` belongs in a step: it names that step's effect.")


def next_call(
    workflow: Workflow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the next generation: given as such, or as a bound call of the same workflow."""
    if len(args) == 1 and not kwargs and isinstance(args[0], BoundWorkflow):
        bound: BoundWorkflow[Any] = args[0]
        if bound.name != workflow.name:
            raise HydraError(
                f"workflow `{workflow.name}` cannot continue as workflow `{bound.name}`; begin that with `hydra.spawn`."
            )
        return bound.args, bound.kwargs
    workflow.check_call(args, kwargs)
    return args, kwargs
