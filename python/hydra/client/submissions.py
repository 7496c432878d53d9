"""Submissions: what a caller asks for, checked and encoded, ready for a store; and what the store's answer means.

Refuses here what no database shall see. Reads no database but for the queue's depth.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from hydra import _core
from hydra.client.signatures import KnownSignatures
from hydra.clock import boottime_ns, seconds_of
from hydra.codec import MAX_PAYLOAD_BYTES, is_call_of
from hydra.config import to_instant
from hydra.definitions import BoundWorkflow
from hydra.errors import ConfigError, IdempotencyConflict, KeyTaken, QueueFull
from hydra.execution import KeyReuse, Submission, Submitted, is_refused
from hydra.inputs import encode_all_bound, encode_bound
from hydra.keys import check_key, check_key_reuse, is_id
from hydra.limits import FAIR, is_of_turns, shown_key, split_key
from hydra.stores.store import Store
from hydra.tags import check_tags

DEPTH_AGE_NS = 250_000_000  # how old the known queue depth may be when `max_pending` is checked
LIMITS_AGE_NS = 1_000_000_000  # how old a copy of the limits may be then
MAX_KNOWN_DEPTHS = 10_000  # keys whose depth is remembered
DEPTH_SHARE = 0.1  # of the time, at most, goes to reading it
MAX_PRIORITY = 2**31 - 1


class SubmitOptions(msgspec.Struct, frozen=True):
    """How executions shall be submitted, whatever they are; checked once for many."""

    priority: int = 0
    run_at: int | None = None
    tags: dict[str, str] | None = None
    key_reuse: KeyReuse = KeyReuse.FIRST


PLAIN = SubmitOptions()


def check_request(
    delay: timedelta | float | None,
    run_at: datetime | None,
    priority: int,
    tags: dict[str, str] | None,
    now: int,
    key_reuse: str = KeyReuse.FIRST,
) -> SubmitOptions:
    if delay is not None and run_at is not None:
        raise ConfigError("`delay` and `run_at` cannot both be given; choose one")
    if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > MAX_PRIORITY:
        raise ConfigError(f"`priority` must be a whole number of at most {MAX_PRIORITY}, not `{priority!r:.80}`")
    due_at = None if run_at is None else to_instant(run_at)
    if delay is not None:
        due_at = now + round(seconds_of(delay, "`delay`") * 1e6)
    return SubmitOptions(priority, due_at, None if tags is None else check_tags(tags), check_key_reuse(key_reuse))


def prepare(
    bound: BoundWorkflow[Any],
    request: SubmitOptions,
    key: str | None,
    id: str | None,
    signatures: KnownSignatures,
    max_bytes: int = MAX_PAYLOAD_BYTES,
) -> Submission:
    """One submission with its arguments encoded."""
    check_bound(bound)
    input, digest = encode_bound(bound, max_bytes)
    return Submission(
        _core.uuid7() if id is None else _check_id(id),
        bound.name,
        input,
        digest,
        None if key is None else check_key(key),
        request.priority,
        request.run_at,
        None if bound.workflow is None else bound.workflow.timeout_us,
        request.tags,
        None if bound.workflow is None else bound.workflow.deadline_us,
        request.key_reuse,
        signatures.limit_keys(bound, request.tags),
    )


def prepare_many(
    bounds: Sequence[BoundWorkflow[Any]],
    request: SubmitOptions,
    keys: Sequence[str] | None,
    signatures: KnownSignatures,
    max_bytes: int = MAX_PAYLOAD_BYTES,
) -> list[Submission]:
    """`prepare` of each, encoded together."""
    for bound in bounds:
        check_bound(bound)
    calls = encode_all_bound(bounds, max_bytes)
    checked = [None] * len(bounds) if keys is None else [check_key(key) for key in keys]
    return [
        Submission(
            id,
            bound.name,
            input,
            digest,
            key,
            request.priority,
            request.run_at,
            None if bound.workflow is None else bound.workflow.timeout_us,
            request.tags,
            None if bound.workflow is None else bound.workflow.deadline_us,
            request.key_reuse,
            signatures.limit_keys(bound, request.tags),
        )
        for id, bound, (input, digest), key in zip(_core.uuid7_many(len(bounds)), bounds, calls, checked, strict=True)
    ]


def readmitted(bounds: Sequence[BoundWorkflow[Any]], answers: Sequence[Submitted]) -> list[Submitted]:
    """Without conflicts that are none: the arguments' classes have gained fields since, which are at their defaults."""
    return [
        msgspec.structs.replace(answer, conflict=False)
        if answer.conflict and answer.digest and is_call_of(answer.digest, bound.args, bound.kwargs)
        else answer
        for bound, answer in zip(bounds, answers, strict=True)
    ]


def accepted_id(submission: Submission, answer: Submitted) -> str:
    """The id of the execution the submission stands for; IdempotencyConflict or KeyTaken when it has none."""
    if not is_refused(submission, answer):
        return answer.id
    what = f"id `{submission.id}`" if submission.key is None else f"key `{submission.key}`"
    conflicts = [submission.key or submission.id]
    if is_taken(submission, answer):
        message = f"{what} of workflow `{submission.workflow}` {taken_by(answer)}"
        raise KeyTaken(message, conflicts=conflicts, execution_id=answer.id)
    message = f"{what} of workflow `{submission.workflow}` was used before with other arguments; use another one"
    raise IdempotencyConflict(message, conflicts=conflicts)


def is_taken(submission: Submission, answer: Submitted) -> bool:
    """Whether it is refused for whose key it is, whatever the arguments."""
    is_rejecting = submission.key_reuse is KeyReuse.REJECT and answer.id != submission.id
    return is_refused(submission, answer) and (is_rejecting or answer.purged)


def taken_by(answer: Submitted) -> str:
    if answer.purged:
        return (
            f"was used by execution `{answer.id}`, which ended and was purged, so it does not run again; "
            'use another one, or `key_reuse="after_end"`'
        )
    return f"was used by execution `{answer.id}`; use another one"


def refuse_conflicts(submissions: Sequence[Submission], answers: Sequence[Submitted], count: int, rest: str) -> None:
    """One error for all of many that have no execution; `rest` says what became of the others."""
    refused = [(s, answer) for s, answer in zip(submissions, answers, strict=True) if is_refused(s, answer)]
    if not refused:
        return
    conflicts = [s.key or s.id for s, _ in refused]
    named = ", ".join(f"`{key}`" for key in conflicts[:3]) + (" …" if len(conflicts) > 3 else "")
    if not any(is_taken(s, answer) for s, answer in refused):
        message = f"{len(conflicts)} of {count} keys were used before with other arguments: {named}; {rest}"
        raise IdempotencyConflict(message, conflicts=conflicts)
    s, first = next((s, answer) for s, answer in refused if is_taken(s, answer))
    message = f"{len(conflicts)} of {count} keys are not free: {named}; `{s.key}` {taken_by(first)}; {rest}"
    raise KeyTaken(message, conflicts=conflicts, execution_id=first.id)


class QueueDepth:
    """How many executions are pending, as far as a submission must know: read now and then, counted in between."""

    def __init__(self, max_pending: int) -> None:
        self._max_pending = max_pending
        self._count = 0
        self._stale_at_ns = 0
        self._lock = threading.Lock()

    def require_room(self, store: Store, count: int) -> None:
        with self._lock:
            self.take(store.pending_count, count, self._max_pending)

    def take(self, read: Callable[[int], int], count: int, most: int, of: str = "") -> None:
        if (began_ns := boottime_ns()) >= self._stale_at_ns:
            self._count = read(most)
            ended_ns = boottime_ns()
            self._stale_at_ns = ended_ns + max(DEPTH_AGE_NS, round((ended_ns - began_ns) / DEPTH_SHARE))
        if self._count + count > most:
            asked = f"{count} more" if count > 1 else "one more"
            raise QueueFull(f"{self._count} executions{of} are pending and the limit is {most}; submit {asked} later")
        self._count += count


class KeyDepths:
    """The same for each value of a `hydra.Fair`: how many wait for their turn, against what the database says of it."""

    def __init__(self) -> None:
        self._depths: dict[str, QueueDepth] = {}
        self._most: dict[str, int] = {}  # of each limit that has one
        self._stale_at_ns = 0
        self._lock = threading.Lock()

    def require_room(self, store: Store, submissions: Sequence[Submission]) -> None:
        keys = Counter(s.limit_keys[0] for s in submissions if s.limit_keys and is_of_turns(s.limit_keys[0]))
        if not keys:
            return
        with self._lock:
            if boottime_ns() >= self._stale_at_ns:
                limits = [each for each in store.limits() if each.kind == FAIR]
                self._most = {each.name: each.per_us if each.set_per_us is None else each.set_per_us for each in limits}
                self._stale_at_ns = boottime_ns() + LIMITS_AGE_NS
            for key, count in keys.items():
                if most := self._most.get(split_key(key)[1], 0):
                    self._require(store, key, count, most)

    def _require(self, store: Store, key: str, count: int, most: int) -> None:
        depth = self._depths.pop(key, None) or QueueDepth(most)
        self._depths[key] = depth  # the last ones asked for are last
        if len(self._depths) > MAX_KNOWN_DEPTHS:
            del self._depths[next(iter(self._depths))]
        depth.take(lambda limit: store.waiting_count(key, limit), count, most, f" of `{shown_key(key)}`")


def check_bound(bound: object) -> None:
    if not isinstance(bound, BoundWorkflow):
        raise ConfigError(f"`{bound!r}` cannot be submitted; give a bound workflow, such as `bill.bind(invoice)`")


def workflow_name(workflow: object) -> str:
    """Of a workflow that is given as itself or by its name."""
    name = workflow if isinstance(workflow, str) else getattr(workflow, "name", None)
    if not isinstance(name, str):
        raise ConfigError(f"`{workflow!r:.80}` is not a workflow; give it or its name")
    return name


def _check_id(id: str) -> str:
    if not is_id(id):
        raise ConfigError(f"`{id!r:.80}` is not an execution's id; give the id of a submission that is repeated")
    return id
