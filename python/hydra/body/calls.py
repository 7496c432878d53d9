"""Who is calling in a body: a `Branch`, one line of calls, which counts them and so gives them their keys.

The body itself is one, and so is each bound step of a gather and each asyncio task of an async body.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, cast

from greenlet import getcurrent

from hydra import codec
from hydra.attributes import ATTRIBUTES, KeyChanges, changes_of
from hydra.body import attributes, callbacks, child_executions, gather, generations, maps, recorded_values, steps, waits
from hydra.body.compensation import ON_FAILURE
from hydra.body.protocol import RunningExecution
from hydra.body.step_call import CalledStep
from hydra.body.strand import Strand
from hydra.body.wait_first import FIRST, Awaited, First, Losers, Race
from hydra.context import Current
from hydra.definitions import BoundEach, BoundStep, BoundWorkflow, Step, Workflow, unknown_caller
from hydra.errors import HydraError
from hydra.execution import EVENT_PREFIX, ChildKey
from hydra.records import callbacks as callback_records
from hydra.records.child_records import SPAWN_PREFIX
from hydra.records.wait_notes import note_of


class Branch:
    """The caller in a sync body; lives on the hub thread."""

    __slots__ = ("_ordinals", "execution", "name")
    is_body = True

    def __init__(self, execution: RunningExecution, name: str) -> None:
        self.execution = execution
        self.name = name
        self._ordinals: dict[str, int] = {}

    def next_ordinal(self, name: str) -> int:
        """Counts the call. Another thread that got the body's context with it is none of its lines of control."""
        if type(getcurrent()) is not Strand and not self.execution.workflow.is_async:
            raise unknown_caller(f"`{name}`")
        ordinals = self._ordinals
        ordinal = ordinals.get(name, 0)
        ordinals[name] = ordinal + 1
        return ordinal

    def call_step(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if step.is_async:
            raise HydraError(
                f"step `{step.name}` is async: call it in an async workflow, or through `hydra.gather` or "
                "`hydra.wait_first`"
            )
        execution = self.execution
        key = (self.name, step.name, self.next_ordinal(step.name))
        digest, is_fixed = codec.digest_of_call(args, kwargs)
        value = steps.run_step(execution, CalledStep(key, step, digest, args, kwargs, is_fixed))
        execution.log.hand_out()
        return value

    def call_workflow(self, workflow: Workflow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise HydraError(f"workflow `{workflow.name}` cannot be called in a body; start it with `hydra.spawn`")

    def sleep(self, seconds: float) -> None:
        recorded_values.sleep(self.execution, self.name, self.next_ordinal("hydra.sleep"), seconds)

    def wait_event(self, name: str, annotation: Any, seconds: float | None) -> Any:
        ordinal = self.next_ordinal(EVENT_PREFIX + name)
        return waits.wait_event(self.execution, self.name, ordinal, name, annotation, seconds)

    def callback_token(self, key: str | None, annotation: Any) -> str:
        token = cast(str, self.value(callback_records.TOKEN, key, lambda: callbacks.new_token(self.execution)))
        if annotation is not Any:  # recorded beside it, so that a sender knows before anybody waits
            name = callback_records.Callback.of(token).name
            self.value(callback_records.TYPE, name, lambda: note_of(annotation))
        return token

    def wait_callback(self, token: str, annotation: Any, seconds: float | None) -> Any:
        return callbacks.wait(self.execution, token, annotation, seconds)

    def on_failure(self, bound: BoundStep[Any]) -> None:
        self.execution.register_undo(self.name, self.next_ordinal(ON_FAILURE), bound)

    def is_cancelled(self) -> bool:
        return False  # a body that is to stop is stopped

    def heartbeat(self, progress: Any) -> None:
        raise HydraError("`hydra.heartbeat` belongs in a step: a body takes no time of its own")

    def set_attributes(self, values: dict[str, Any]) -> None:
        attributes.change(self.execution, self.name, *self.changing(values))

    def changing(self, values: dict[str, Any]) -> tuple[int, KeyChanges]:
        """The number of the call, and what it changes."""
        workflow = self.execution.workflow
        return self.next_ordinal(ATTRIBUTES), changes_of(workflow.search, workflow.name, values)

    def spawn(self, bound: BoundWorkflow[Any], key: ChildKey | None) -> Any:
        ordinal = self.next_ordinal(SPAWN_PREFIX + bound.name)
        return child_executions.spawn(self.execution, self.name, ordinal, bound, key, child_executions.Child)

    def child_result(self, child: child_executions.Child[Any]) -> Any:
        return child.wait(self.execution)

    def value(self, name: str, key: str | None, make: Callable[[], Any]) -> Any:
        if key is None:
            return recorded_values.value(self.execution, self.name, name, self.next_ordinal(name), make)
        return recorded_values.pinned(self.execution, f"{name}:{key}", make)

    def patched(self, name: str) -> bool:
        return recorded_values.patched(self.execution, self.name, name)

    def gather(self, bound: tuple[BoundStep[Any], ...], concurrency: int | None) -> tuple[Any, ...]:
        return self.gathering(bound, concurrency)[1]()

    def gathering(
        self, bound: tuple[BoundStep[Any], ...], concurrency: int | None
    ) -> tuple[str, Callable[[], tuple[Any, ...]]]:
        """Its branch, and what runs the steps when it is called in a strand; their keys are taken now."""
        prefix = f"{self.name}/{self.next_ordinal('hydra.gather')}"
        digests = [codec.digest_of_call(each.args, each.kwargs)[0] for each in bound]
        return prefix, partial(gather.gather, self.execution, prefix, bound, digests, concurrency)

    def wait_first(self, waits: tuple[Awaited[Any], ...], losers: Losers) -> First[Any]:
        branch = f"{self.name}/first.{self.next_ordinal(FIRST)}"
        return Race(self.execution, branch, waits, losers).run()

    def map(self, bound: BoundEach[Any], chunk: int, concurrency: int) -> Any:
        return self.mapping(bound, chunk, concurrency)()

    def mapping(self, bound: BoundEach[Any], chunk: int, concurrency: int) -> Callable[[], Any]:
        """As `gathering`, for a map."""
        branch = f"{self.name}/map.{self.next_ordinal('hydra.map')}"
        return maps.Map(self.execution, branch, bound, chunk, concurrency).run

    def continue_as_new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        generations.begin_next(self.execution, *generations.next_call(self.execution.workflow, args, kwargs))

    def current(self) -> Current:
        return self.execution.current(None, self.execution.claimed.attempt)

    def idempotency_key(self, label: str | None) -> str:
        raise HydraError("`hydra.idempotency_key` belongs in a step: it names that step's effect")
