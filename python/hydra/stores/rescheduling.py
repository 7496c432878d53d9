"""When what waits is due, how urgent it is, and with which arguments it will begin, once somebody has changed it. Pure:
every store asks this, and writes.

ready ──────(later)─────► delayed        a key of a limit is given back
delayed ────(at once)───► ready          at a limit: held back there, like whatever becomes due
held back ──(at once)───► held back      the limit decides; only its place in the queue changes
any other: it does not wait, or ends already: nothing is changed

Other arguments only while it has never begun. They may lead to other limits: then it leaves those it waits at.
"""

from __future__ import annotations

import msgspec

from hydra.execution import Status, Submission
from hydra.stores.acts import SUBMISSION, Act, ActKind
from hydra.stores.admission import NEVER
from hydra.tick_queue import to_datetime


class Replacement(msgspec.Struct, frozen=True):
    """Other arguments, with what follows from them. Workflow and key are the execution's own: its key leads to the
    digest of its arguments, and is locked before it."""

    workflow: str
    key: str | None
    input: bytes
    digest: bytes
    tags: dict[str, str] | None
    limit_keys: tuple[str, ...] | None
    attributes: dict[str, bytes] | None = None


class Reschedule(msgspec.Struct, frozen=True):
    """None: as it is. An `at` that has passed means at once."""

    id: str
    act: Act
    at: int | None = None
    priority: int | None = None
    replacement: Replacement | None = None
    is_debounced: bool = False  # what is due already is not put off; of a burst one line is kept


class Rescheduled(msgspec.Struct, frozen=True):
    """The status before, and whether this order has changed it, now or in an earlier try."""

    status: Status
    is_changed: bool


class Place(msgspec.Struct, frozen=True):
    """Where a pending execution waits. `wake_at` is None where it is ready, NEVER where a limit holds it back."""

    priority: int
    run_at: int
    wake_at: int | None
    timeout_at: int | None

    @property
    def is_delayed(self) -> bool:
        return self.wake_at is not None and self.wake_at != NEVER


def move(
    order: Reschedule, status: Status, place: Place, attention: str | None, epoch: int, timeout_us: int, now: int
) -> Place | None:
    """None: it is not one that waits. `timeout_us` is how long its time-out is from when it is due."""
    if status is not Status.PENDING or attention:  # guard R10: what runs, or is to be undone, keeps its time
        return None
    if order.replacement is not None and epoch > 0:  # guard R10: what has begun keeps its arguments
        return None
    at = None if order.is_debounced and not place.is_delayed else order.at
    priority = place.priority if order.priority is None else order.priority
    run_at, wake_at = place.run_at, place.wake_at
    if at is not None and at > now:
        run_at = wake_at = at
    elif at is not None:
        run_at, wake_at = min(run_at, now), NEVER if wake_at == NEVER else None
    return Place(priority, run_at, wake_at, _timeout_at(place.timeout_at, run_at, epoch, timeout_us))


def at_other_limits(place: Place) -> Place:
    """Where it goes on with other limits than those it waited at: it begins to wait like whatever becomes due."""
    return msgspec.structs.replace(place, wake_at=None) if place.wake_at == NEVER else place


def act_of(order: Reschedule, before: Place, after: Place, now: int) -> Act:
    """The line that says what was changed."""
    changes = []
    if order.replacement is not None:
        changes.append("other arguments")
    if (before.run_at, before.wake_at) != (after.run_at, after.wake_at):
        changes.append(f"due {_when(before, now)}, now {_when(after, now)}")
    if before.priority != after.priority:
        changes.append(f"priority {before.priority}, now {after.priority}")
    return msgspec.structs.replace(order.act, detail="; ".join(changes) or "nothing was changed")


def debounce_order(submission: Submission, holder_id: str, submitted_at: int, now: int) -> Reschedule | None:
    """What a debounced submission makes of the execution that has its key, if that has not begun. None: it asks for no
    such thing."""
    debounce = submission.debounce
    if debounce is None:
        return None
    at = now + debounce.wait_us
    if debounce.max_wait_us is not None:
        at = min(at, submitted_at + debounce.max_wait_us)
    s = submission
    replacement = Replacement(s.workflow, s.key, s.input, s.digest, s.tags, s.limit_keys, s.attributes)
    act = Act(holder_id, s.id, ActKind.DEBOUNCE, now, SUBMISSION, "")
    return Reschedule(holder_id, act, at, s.priority, replacement, is_debounced=True)


def _timeout_at(timeout_at: int | None, run_at: int, epoch: int, timeout_us: int) -> int | None:
    """A time-out counts from when it is due: with what never ran it moves, and one that would have passed by then
    starts again."""
    if timeout_at is None or (epoch > 0 and timeout_at > run_at):
        return timeout_at
    return run_at + timeout_us


def _when(place: Place, now: int) -> str:
    if place.wake_at in (None, NEVER) or place.run_at <= now:
        return "at once"
    return f"{to_datetime(place.run_at):%Y-%m-%d %H:%M:%S} UTC"
