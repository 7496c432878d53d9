"""What user code calls inside an execution: `sleep`, `now`, `gather`, `current` …; and what these mean elsewhere.

Who is calling is in `workflow.caller`. Nothing here does I/O; the executor decides what is recorded and what waits.
"""

from __future__ import annotations

import random as random_numbers
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, Protocol, TypeVar, cast, overload

import msgspec

from hydra.clock import seconds_of
from hydra.definition_checks import check_name
from hydra.definitions import BoundEach, BoundStep, BoundWorkflow, Caller, caller, calling
from hydra.errors import HydraError
from hydra.execution import ChildKey
from hydra.written import written

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


class Current(msgspec.Struct, frozen=True):
    """Where the calling code runs."""

    id: str
    workflow: str
    step: str | None
    namespace: str
    tags: dict[str, str]
    attempt: int  # the step's in a step, the execution's in a body
    execution_attempt: int
    version: str | None = None  # of the workflow, under which the execution began; None where it declared none
    key: str | None = None  # the execution's
    node: str = ""  # its id, where one runs it
    worker: int | None = None  # the number of its place on the node; None in a program's own process


class Inside(Caller, Protocol):
    """A caller inside an execution: a body (or a branch of it), or a step."""

    def sleep(self, seconds: float) -> None: ...
    def wait_event(self, name: str, annotation: Any, seconds: float | None) -> Any: ...
    def callback_token(self, key: str | None, annotation: Any) -> str: ...
    def wait_callback(self, token: str, annotation: Any, seconds: float | None) -> Any: ...
    def on_failure(self, bound: BoundStep[Any]) -> None: ...
    def continue_as_new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn: ...
    def is_cancelled(self) -> bool: ...
    def heartbeat(self, progress: Any) -> None: ...
    def set_attributes(self, values: dict[str, Any]) -> None: ...
    def spawn(self, bound: BoundWorkflow[Any], key: ChildKey | None) -> Any: ...
    def child_result(self, child: Any) -> Any: ...
    def value(self, name: str, key: str | None, make: Callable[[], Any]) -> Any: ...
    def patched(self, name: str) -> bool: ...
    def gather(self, bound: tuple[BoundStep[Any], ...], concurrency: int | None) -> tuple[Any, ...]: ...
    def wait_first(self, waits: Any, losers: Any) -> Any: ...
    def map(self, bound: BoundEach[Any], chunk: int, concurrency: int) -> Any: ...
    def current(self) -> Current: ...
    def idempotency_key(self, label: str | None) -> str: ...


def sleep(duration: timedelta | float) -> None:
    """Wait durably, for seconds or a timedelta. A longer sleep is a row in the database, not a thread."""
    inside("hydra.sleep").sleep(seconds_of(duration, "the duration of `hydra.sleep`"))


@overload
def wait_event(name: str, type: type[T], timeout: timedelta | float | None = ...) -> T: ...
@overload
def wait_event(name: str, type: Any = ..., timeout: timedelta | float | None = ...) -> Any: ...
def wait_event(name: str, type: Any = Any, timeout: timedelta | float | None = None) -> Any:
    """Wait durably for a signal of that name; what it says, as `type`. One sent before the wait counts.

        approval = hydra.wait_event("approved", Approval, timeout=timedelta(days=2))

    Two waits take two signals, in the order of their arrival. `timeout` is in seconds, or a timedelta; None: no limit.

    Raises:
        EventTimeout: none came in time.
    """
    here = inside("hydra.wait_event")
    return here.wait_event(check_name(name, "event"), type, wait_seconds(timeout))


def on_failure(undo: BoundStep[Any]) -> None:
    """Register a step that undoes something: run, newest first, if this execution fails for good or is cancelled.

        hydra.on_failure(refund.bind(card, pennies))
        charge(card, pennies)

    Register it before the step that it undoes, and write it so that it does no harm if nothing was done; registered
    after, an effect whose record was lost would stay. An undo step is recorded and tried again like any step. If it
    fails for good, the others still run, and the execution ends failed and says so. What was undone cannot be retried.

    Raises:
        HydraError: for what is no bound step, and outside a workflow's body.
    """
    if not isinstance(undo, BoundStep):
        raise HydraError(f"`hydra.on_failure` takes a bound step such as `refund.bind(payment)`, not {written(undo)}")
    inside("hydra.on_failure").on_failure(undo)


@overload
def continue_as_new(bound: BoundWorkflow[Any], /) -> NoReturn: ...
@overload
def continue_as_new(*args: Any, **kwargs: Any) -> NoReturn: ...
def continue_as_new(*args: Any, **kwargs: Any) -> NoReturn:
    """End this run of the body and begin the same execution again, with these arguments and without its records.

        hydra.continue_as_new(poll.bind(cursor))  # or, for this workflow, hydra.continue_as_new(cursor)

    For workflows without an end. Id and key stay, so handles, signals and cancels reach whatever run there is; events
    that nobody has taken go over. Undo steps and children of before are left as they are. A time-out of the workflow
    goes on from the submission.

    Raises:
        HydraError: for another workflow than this one, and outside a workflow's body.
    """
    inside("hydra.continue_as_new").continue_as_new(args, kwargs)


def cancelled() -> bool:
    """In a step: whether its execution is to stop (cancelled, out of time, its worker leaving). False elsewhere."""
    here = caller.get()
    return here is not None and cast(Inside, here).is_cancelled()


def heartbeat(progress: Any = None) -> None:
    """In a long step: say that it goes on, and how far it is.

        for done, block in enumerate(blocks):
            hydra.heartbeat({"blocks": done})

    The last word is seen in `hydra show` and `Handle.steps()`, a few seconds later; nothing is recorded. It costs
    microseconds, so call it often; a step with `heartbeat_timeout=` must. Outside an execution it does nothing.

    Args:
        progress: any value that encodes to at most 16 KiB.

    Raises:
        LeaseLost: another node may have the execution by now: end the effect at once.
    """
    here = caller.get()
    if here is not None:
        cast(Inside, here).heartbeat(progress)


def set_attributes(**kwargs: Any) -> None:
    """In a body: change what this execution is found by, and publish it to whoever looks.

        @hydra.workflow(search={"customer": str, "state": str})
        def bill(customer: str) -> None:
            hydra.set_attributes(state="charging")

    It is recorded, and a replay changes nothing twice. Readers see it once the record is durable, which is before the
    next step starts.

    Args:
        kwargs: values by name, as `search=` of the workflow declares them; None: it has none any more.

    Raises:
        PayloadError: for a name that is not declared, or a value that does not fit.
        HydraError: outside of a workflow's body.
    """
    inside("hydra.set_attributes").set_attributes(kwargs)


def now(key: str | None = None) -> datetime:
    """The time (UTC), recorded: a replay sees the same."""
    return cast(datetime, recorded("hydra.now", key, utc_now))


def uuid4(key: str | None = None) -> uuid.UUID:
    """A random UUID, recorded: a replay sees the same."""
    return cast(uuid.UUID, recorded("hydra.uuid4", key, uuid.uuid4))


def random(key: str | None = None) -> float:
    """A random number in [0, 1), recorded: a replay sees the same."""
    return cast(float, recorded("hydra.random", key, random_numbers.random))


def patched(name: str) -> bool:
    """Whether an execution goes the new way through a change of its workflow's code of that name.

    True, and recorded, for one that comes here first; False for one that has records from past this place, made
    without the change, so that it stays on the way it began. The same wherever one execution asks, in async bodies too.

        if hydra.patched("send receipts"):
            send_receipt(charge)

    Once no execution from before the change is open (`hydra list`), the condition and the old way can go: what is
    recorded of it is ignored then. Outside an execution it is True.
    """
    check_name(name, "patch")
    here = calling("`hydra.patched`")
    return True if here is None else cast(Inside, here).patched(name)


@overload
def gather(a: BoundStep[A], /, *, concurrency: int | None = ...) -> tuple[A]: ...
@overload
def gather(a: BoundStep[A], b: BoundStep[B], /, *, concurrency: int | None = ...) -> tuple[A, B]: ...
@overload
def gather(
    a: BoundStep[A], b: BoundStep[B], c: BoundStep[C], /, *, concurrency: int | None = ...
) -> tuple[A, B, C]: ...
@overload
def gather(
    a: BoundStep[A], b: BoundStep[B], c: BoundStep[C], d: BoundStep[D], /, *, concurrency: int | None = ...
) -> tuple[A, B, C, D]: ...
@overload
def gather(
    a: BoundStep[A],
    b: BoundStep[B],
    c: BoundStep[C],
    d: BoundStep[D],
    e: BoundStep[E],
    /,
    *,
    concurrency: int | None = ...,
) -> tuple[A, B, C, D, E]: ...
@overload
def gather(*bound: BoundStep[T], concurrency: int | None = ...) -> tuple[T, ...]: ...
@overload
def gather(*bound: BoundStep[Any], concurrency: int | None = ...) -> tuple[Any, ...]: ...
def gather(*bound: BoundStep[Any], concurrency: int | None = None) -> tuple[Any, ...]:
    """Run steps in parallel, at most `concurrency` at a time (None: all); their results in order.

        left, right = hydra.gather(quote.bind("a"), quote.bind("b"))

    A failure stops none of the others: all run to their end, and then the first failure, in the order in which the
    steps were given, is raised. The results of the others are recorded.

    Raises:
        HydraError: for what is no bound step, or a `concurrency` below 1.
    """
    check_gather(bound, concurrency)
    here = calling("`hydra.gather`")
    if here is None:
        return tuple(each.step.function(*each.args, **each.kwargs) for each in bound)
    return cast(Inside, here).gather(bound, concurrency)


def check_gather(bound: tuple[BoundStep[Any], ...], concurrency: object) -> None:
    for each in bound:
        if not isinstance(each, BoundStep):
            raise HydraError(f"`hydra.gather` takes bound steps such as `charge.bind(card)`, not {written(each)}")
    if concurrency is not None and (
        isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1
    ):
        raise HydraError(
            f"`concurrency` of `hydra.gather` must be a whole number from 1 on, not {written(concurrency)}"
        )


def current() -> Current:
    """Where the calling code runs: `id`, `workflow`, `step`, `namespace`, `tags`, `attempt`, `version`.

    Raises:
        HydraError: outside an execution.
    """
    return inside("hydra.current").current()


def idempotency_key(label: str | None = None) -> str:
    """A text that is the same in all tries of this step of this execution: hand it to outside APIs.

        provider.charge(card, pennies, idempotency_key=hydra.idempotency_key())

    Args:
        label: for a step that makes several calls, one for each.

    Raises:
        HydraError: outside a step.
    """
    return inside("hydra.idempotency_key").idempotency_key(label)


def recorded(name: str, key: str | None, make: Callable[[], Any]) -> Any:
    here = calling(f"`{name}`")
    return make() if here is None else cast(Inside, here).value(name, key, make)


def wait_seconds(timeout: timedelta | float | None, what: str = "hydra.wait_event") -> float | None:
    return None if timeout is None else seconds_of(timeout, f"`timeout` of `{what}`")


def utc_now() -> datetime:
    return datetime.now(UTC)


def inside(what: str) -> Inside:
    here = calling(f"`{what}`")
    if here is None:
        raise HydraError(
            f"`{what}` works only inside an execution; in a test use hydra.testing.step_context(key=…) or Harness"
        )
    return cast(Inside, here)
