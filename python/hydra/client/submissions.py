"""Submissions: what a caller asks for, checked and encoded, ready for a store; and what the store's answer means.

Refuses here what no database shall see. Reads no database but for the queue's depth.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from hydra import _core
from hydra.clock import boottime_ns, seconds_of
from hydra.codec import MAX_PAYLOAD_BYTES, encode_call, encode_calls
from hydra.config import to_instant
from hydra.definitions import BoundWorkflow
from hydra.errors import ConfigError, IdempotencyConflict, PayloadError, QueueFull
from hydra.execution import Submission, Submitted
from hydra.schedules import KEY_PREFIX
from hydra.stores.store import Store

DEPTH_AGE_NS = 250_000_000  # how old the known queue depth may be when `max_pending` is checked
DEPTH_SHARE = 0.1  # of the time, at most, goes to reading it
TAG_COUNT_MAX = 50
TAG_LENGTH_MAX = 500
KEY_LENGTH_MAX = 500
PRIORITY_MAX = 2**31 - 1


class Request(msgspec.Struct, frozen=True):
    """How executions shall be submitted, whatever they are; checked once for many."""

    priority: int = 0
    run_at: int | None = None
    tags: dict[str, str] | None = None


def check_request(
    delay: timedelta | float | None,
    run_at: datetime | None,
    priority: int,
    tags: dict[str, str] | None,
    now: int,
) -> Request:
    if delay is not None and run_at is not None:
        raise ConfigError("`delay` and `run_at` cannot both be given; choose one")
    if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > PRIORITY_MAX:
        raise ConfigError(f"`priority` must be a whole number of at most {PRIORITY_MAX}, not `{priority!r:.80}`")
    due_at = None if run_at is None else to_instant(run_at)
    if delay is not None:
        due_at = now + round(seconds_of(delay, "`delay`") * 1e6)
    return Request(priority, due_at, None if tags is None else check_tags(tags))


def prepare(
    bound: BoundWorkflow[Any], request: Request, key: str | None, id: str | None, max_bytes: int = MAX_PAYLOAD_BYTES
) -> Submission:
    """One submission with its arguments encoded."""
    _check_bound(bound)
    input, digest = encode_call(bound.args, bound.kwargs, max_bytes)
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
    )


def prepare_many(
    bounds: Sequence[BoundWorkflow[Any]],
    request: Request,
    keys: Sequence[str] | None,
    max_bytes: int = MAX_PAYLOAD_BYTES,
) -> list[Submission]:
    """`prepare` of each, encoded together."""
    for bound in bounds:
        _check_bound(bound)
    calls = encode_calls([(bound.args, bound.kwargs) for bound in bounds], max_bytes)
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
        )
        for id, bound, (input, digest), key in zip(_core.uuid7_many(len(bounds)), bounds, calls, checked, strict=True)
    ]


def accepted_id(submission: Submission, answer: Submitted) -> str:
    """The id of the execution the submission stands for; IdempotencyConflict when it clashes."""
    if answer.conflict:
        what = f"id `{submission.id}`" if submission.key is None else f"key `{submission.key}`"
        message = f"{what} of workflow `{submission.workflow}` was used before with other arguments; use another one"
        raise IdempotencyConflict(message, conflicts=[submission.key or submission.id])
    return answer.id


def refuse_conflicts(conflicts: list[str], count: int, rest: str) -> None:
    """One error for all of many that clash; `rest` says what became of the others."""
    if conflicts:
        named = ", ".join(f"`{key}`" for key in conflicts[:3]) + (" …" if len(conflicts) > 3 else "")
        message = f"{len(conflicts)} of {count} keys were used before with other arguments: {named}; {rest}"
        raise IdempotencyConflict(message, conflicts=conflicts)


class QueueDepth:
    """How many executions are pending, as far as a submission must know: read now and then, counted in between."""

    def __init__(self, max_pending: int) -> None:
        self._max_pending = max_pending
        self._count = 0
        self._stale_at_ns = 0
        self._lock = threading.Lock()

    def require_room(self, store: Store, count: int) -> None:
        with self._lock:
            if (began_ns := boottime_ns()) >= self._stale_at_ns:
                self._count = store.pending_count(self._max_pending)
                ended_ns = boottime_ns()
                self._stale_at_ns = ended_ns + max(DEPTH_AGE_NS, round((ended_ns - began_ns) / DEPTH_SHARE))
            if self._count + count > self._max_pending:
                asked = f"{count} more" if count > 1 else "one more"
                limit = f"the limit is {self._max_pending}"
                raise QueueFull(f"{self._count} executions are pending and {limit}; submit {asked} later")
            self._count += count


def _check_bound(bound: object) -> None:
    if not isinstance(bound, BoundWorkflow):
        raise ConfigError(f"`{bound!r}` cannot be submitted; give a bound workflow, such as `bill.bind(invoice)`")


def check_key(key: object) -> str:
    """A key to submit under."""
    checked = check_known_key(key)
    if checked.startswith(KEY_PREFIX):
        raise ConfigError(f"the key `{checked:.80}` is a schedule's; give one that does not start with `{KEY_PREFIX}`")
    return checked


def check_known_key(key: object) -> str:
    """A key to find an execution by."""
    if not isinstance(key, str) or not 0 < len(key) <= KEY_LENGTH_MAX or not _is_unicode(key):
        raise ConfigError(f"`{key!r:.80}` is not a key; give a text of 1 to {KEY_LENGTH_MAX} characters")
    return key


def is_id(id: object) -> bool:
    """Whether this can be an execution's id at all."""
    if not isinstance(id, str):
        return False
    try:
        return str(uuid.UUID(id)) == id
    except ValueError:
        return False


def _check_id(id: str) -> str:
    if not is_id(id):
        raise ConfigError(f"`{id!r:.80}` is not an execution's id; give the id of a submission that is repeated")
    return id


def check_tags(tags: object) -> dict[str, str]:
    if not isinstance(tags, dict) or len(tags) > TAG_COUNT_MAX:
        raise ConfigError(f"`tags` must be a dict of at most {TAG_COUNT_MAX} texts by name")
    for name, text in tags.items():
        if not isinstance(name, str) or not isinstance(text, str) or not _is_unicode(name + text):
            raise ConfigError(f"the tag `{name!r:.80}` is not a text by name; give both as str")
        if "\0" in name + text:
            raise PayloadError(f"the tag {name!r:.80} holds a NUL character; leave it out")
        if len(name) + len(text) > TAG_LENGTH_MAX:
            raise ConfigError(f"the tag `{name:.80}` is longer than {TAG_LENGTH_MAX} characters")
    return tags


def _is_unicode(text: str) -> bool:
    """Half a surrogate pair is no text that a database could keep."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
