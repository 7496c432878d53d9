"""`hydra.wait_first`: several steps, waits and children of a sync body at once, of which it takes what ends first.

each in a strand of its own ──► the first outcome ──► recorded which it was ──► the body goes on
                            └──► the others: given up, or (`losers="run"`) their steps run on
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Generic, Literal, TypeVar, cast, overload

from hydra import codec
from hydra.body import callbacks, placed_steps, recorded_values, steps, waits
from hydra.body.child_executions import Child
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.body.replay import Key
from hydra.body.step_call import CalledStep
from hydra.body.strand import GivenUp, Request, running
from hydra.clock import seconds_of
from hydra.context import inside
from hydra.definition_checks import check_name
from hydra.definitions import BoundStep
from hydra.errors import HydraError, Interrupt
from hydra.execution import EVENT_PREFIX, RESERVED_PREFIX, RecordKind
from hydra.records import child_records
from hydra.records.callbacks import Callback
from hydra.written import written

T = TypeVar("T", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

FIRST = f"{RESERVED_PREFIX}first"  # the name of the record that says which it was
SLEEP = f"{RESERVED_PREFIX}sleep"
VALUE = str(RecordKind.VALUE)
NEVER = 1 << 62


class BoundWait(Generic[T]):
    """A wait to be begun by `wait_first`: for a time, an event or a callback."""

    __slots__ = ("annotation", "kind", "name", "seconds")

    def __init__(self, kind: str, name: str, seconds: float, annotation: Any) -> None:
        self.kind = kind
        self.name = name
        self.seconds = seconds
        self.annotation = annotation

    def __repr__(self) -> str:
        return f"<bound {self.kind} `{self.name}`>" if self.name else f"<bound {self.kind} of {self.seconds:g} s>"


Awaited = BoundStep[A] | BoundWait[A] | Child[A]
Losers = Literal["stop", "run"]


class First(Generic[T]):
    """What ended first: the `index` of what was given, and its result, which raises if it failed."""

    __slots__ = ("_error", "_value", "index")

    def __init__(self, index: int, value: Any, error: BaseException | None) -> None:
        self.index = index
        self._value = value
        self._error = error

    def result(self) -> T:
        """What it returned; raises what it failed with."""
        if self._error is not None:
            raise self._error
        return cast(T, self._value)

    def __repr__(self) -> str:
        return f"<hydra.First {self.index}>"


def after(duration: timedelta | float) -> BoundWait[None]:
    """For `wait_first`: a durable sleep of so many seconds, or a timedelta."""
    return BoundWait("sleep", "", seconds_of(duration, "the duration of `hydra.after`"), None)


@overload
def on_event(name: str, type: type[A]) -> BoundWait[A]: ...
@overload
def on_event(name: str, type: Any = ...) -> BoundWait[Any]: ...
def on_event(name: str, type: Any = Any) -> BoundWait[Any]:
    """For `wait_first`: a wait for an event, read as `type`. One that is given up takes none."""
    return BoundWait("event", check_name(name, "event"), 0, type)


@overload
def on_callback(token: str, type: type[A]) -> BoundWait[A]: ...
@overload
def on_callback(token: str, type: Any = ...) -> BoundWait[Any]: ...
def on_callback(token: str, type: Any = Any) -> BoundWait[Any]:
    """For `wait_first`: a wait for a callback, read as `type`."""
    return BoundWait("callback", token, 0, type)


@overload
def wait_first(a: Awaited[A], /, *, losers: Losers = ...) -> First[A]: ...
@overload
def wait_first(a: Awaited[A], b: Awaited[B], /, *, losers: Losers = ...) -> First[A | B]: ...
@overload
def wait_first(a: Awaited[A], b: Awaited[B], c: Awaited[C], /, *, losers: Losers = ...) -> First[A | B | C]: ...
@overload
def wait_first(
    a: Awaited[A], b: Awaited[B], c: Awaited[C], d: Awaited[D], /, *, losers: Losers = ...
) -> First[A | B | C | D]: ...
@overload
def wait_first(*waits: Awaited[A], losers: Losers = ...) -> First[A]: ...
@overload
def wait_first(*waits: Awaited[Any], losers: Losers = ...) -> First[Any]: ...
def wait_first(*waits: Awaited[Any], losers: Losers = "stop") -> First[Any]:
    """Wait for several things at once, in a sync body; which of them ended first is recorded.

        first = hydra.wait_first(quote.bind("a"), quote.bind("b"), hydra.on_event("stop"), hydra.after(50))
        if first.index == 2: ...

    A failure is an end, too: `result()` raises it. What did not come first is given up: a step is asked to stop, as by
    a cancel, and its outcome is recorded when it has ended, while the body goes on; a wait takes nothing any more. A
    child goes on by itself, and can be waited for again. In an async body use `asyncio.wait`.

    Args:
        waits: bound steps, children, and what `hydra.after`, `hydra.on_event` and `hydra.on_callback` give.
        losers: `"stop"`, or `"run"`: steps that were not first run to their end and are recorded.

    Raises:
        HydraError: for nothing to wait for, or what cannot be waited for.
    """
    check(waits, losers)
    here = inside("hydra.wait_first")
    first: First[Any] = here.wait_first(waits, losers)
    return first


def check(waits: tuple[Awaited[Any], ...], losers: object) -> None:
    if not waits:
        raise HydraError("`hydra.wait_first` needs something to wait for")
    for each in waits:
        if not isinstance(each, BoundStep | BoundWait | Child):
            raise HydraError(
                "`hydra.wait_first` takes bound steps such as `charge.bind(card)`, children, `hydra.after(…)`, "
                f"`hydra.on_event(…)` and `hydra.on_callback(…)`, not {written(each)}"
            )
    if losers not in ("stop", "run"):
        raise HydraError(f'`losers` of `hydra.wait_first` must be "stop" or "run", not {written(losers)}')


class Race:
    """One `wait_first` of an execution. `branch` is its own; each wait has one within."""

    def __init__(
        self, execution: RunningExecution, branch: str, waits: tuple[Awaited[Any], ...], losers: Losers
    ) -> None:
        self._execution = execution
        self._branch = branch
        self._waits = waits
        self._losers = losers
        self._requests = [Request() for _ in waits]
        self._first: First[Any] | None = None
        self._parent = running()
        self._digests = [digest_of(each) for each in waits]

    def run(self) -> First[Any]:
        execution = self._execution
        told = codec.encode([describe(each) for each in self._waits])
        digest = codec.encode_with_digest([told, self._digests])[1]
        past = execution.recorded.ask(self._key, (VALUE,), digest, has_parts=True)
        if past is not None and past.outcome is not None:
            assert past.outcome.payload is not None
            self._replay(codec.decode(past.outcome.payload))
        else:
            self._start(sorted(range(len(self._waits)), key=self._began_at), digest)
        while self._first is None:
            execution.strands.wait_idle(execution.host.now(), 0)
        execution.log.hand_out()
        return self._first

    @property
    def _key(self) -> Key:
        return self._branch, FIRST, 0

    def _replay(self, index: int) -> None:
        """The one that was first has its record; of the others, those whose steps are to run on."""
        others = [other for other in range(len(self._waits)) if other != index]
        unended = [other for other in others if not self._note(other) and self._runs_on(other)]
        for other in others:
            if not self._runs_on(other):
                self._stop_left(other)
        self._start([index, *unended], None)

    def _stop_left(self, index: int) -> None:
        if is_step(self._waits[index]):
            placed_steps.stop_left(self._execution, self._outcome_key(index))

    def _runs_on(self, index: int) -> bool:
        return self._losers == "run" and is_step(self._waits[index])

    def _note(self, index: int) -> bool:
        """What is recorded of one that lost counts as asked for; whether it has ended."""
        if is_step(self._waits[index]):
            placed_steps.pass_over(self._execution, self._outcome_key(index))
        past = self._execution.recorded.past(self._outcome_key(index))
        return past is not None and past.outcome is not None

    def _start(self, indices: list[int], digest: bytes | None) -> None:
        for index in indices:
            self._execution.strands.start_part(partial(self._strand, index, digest)).request = self._requests[index]

    def _strand(self, index: int, digest: bytes | None) -> None:
        value, error = None, None
        try:
            if self._first is not None and not self._runs_on(index):
                self._stop_left(index)  # an earlier claim may have begun it, and this one did not come to it
                raise GivenUp
            value = self._begin(index)()
        except (GivenUp, Interrupt):
            return
        except BaseException as caught:
            error = caught
        if self._first is None:
            self._end(First(index, value, error), digest)

    def _end(self, first: First[Any], digest: bytes | None) -> None:
        execution = self._execution
        if digest is not None:
            if execution.unwinding is not None:
                execution.strands.stand_still()
            now = execution.host.now()
            execution.log.append(VALUE, self._key, digest, codec.encode(first.index), Timing(1, now, now))
        self._first = first
        for index, request in enumerate(self._requests):
            if index != first.index:
                self._note(index)  # the body goes on before their strands do, perhaps to its end
                if not self._runs_on(index):
                    execution.give_up(request, f"{self._branch}.{index}", self._outcome_key(index))
        execution.host.resume_next(self._parent)

    def _begin(self, index: int) -> Callable[[], Any]:
        execution, branch, each = self._execution, f"{self._branch}.{index}", self._waits[index]
        if isinstance(each, BoundStep):
            return partial(steps.run_step, execution, CalledStep.of(branch, 0, each, self._digests[index]))
        if isinstance(each, Child):
            return partial(each.wait, execution)
        if each.kind == "event":
            return partial(waits.wait_event, execution, branch, 0, each.name, each.annotation, None)
        if each.kind == "callback":
            return partial(callbacks.wait, execution, each.name, each.annotation, None)
        return partial(recorded_values.sleep, execution, branch, 0, each.seconds)

    def _outcome_key(self, index: int) -> Key:
        """Of the record that ends it; of a sleep, that began it."""
        branch, each = f"{self._branch}.{index}", self._waits[index]
        if isinstance(each, BoundStep):
            return branch, each.step.name, 0
        if isinstance(each, Child):
            return "", child_records.CHILD_PREFIX + each.request_id, 0
        if each.kind == "event":
            return branch, EVENT_PREFIX + each.name, 0
        if each.kind == "callback":
            return "", Callback.of(each.name).name, 0
        return branch, SLEEP, 0

    def _began_at(self, index: int) -> tuple[int, int]:
        """What has ended already, in that order; the rest as given."""
        execution, key = self._execution, self._outcome_key(index)
        history = execution.history
        past = None if history is None else history.of(key)
        if past is not None and past.outcome is not None:
            if past.outcome.kind != RecordKind.SLEEP:
                return 0, past.outcome.seq
            return 1, past.outcome.due_at if past.outcome.due_at <= execution.host.now() else NEVER
        each = self._waits[index]
        if is_step(each):
            return 1, placed_steps.ended_at(execution, key) or NEVER
        name, wanted = key[1], None
        if isinstance(each, BoundWait) and each.kind == "event":
            name, wanted = each.name, waits.Wanted(each.annotation)
        return 1, execution.mailbox.arrived_at(name, wanted) or NEVER


def digest_of(each: Awaited[Any]) -> bytes:
    return codec.digest_of_call(each.args, each.kwargs)[0] if isinstance(each, BoundStep) else b""


def is_step(each: Awaited[Any]) -> bool:
    return isinstance(each, BoundStep)


def describe(each: Awaited[Any]) -> str:
    if isinstance(each, BoundStep):
        return f"step {each.step.name}"
    return f"child {each.workflow}" if isinstance(each, Child) else f"{each.kind} {each.name} {each.seconds:g}"
