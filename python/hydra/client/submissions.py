"""Submissions: what a caller asks for, checked and encoded, ready for a store; and what the store's answer means.

Refuses here what no database shall see. Reads no database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from hydra import _core
from hydra.client.signatures import KnownSignatures
from hydra.clock import seconds_of
from hydra.codec import MAX_PAYLOAD_BYTES, is_call_of
from hydra.config import to_instant
from hydra.debounce import Debounce, debounced
from hydra.definitions import BoundWorkflow
from hydra.errors import ConfigError, IdempotencyConflict, KeyTaken
from hydra.execution import Debounced, KeyReuse, Submission, Submitted, is_refused
from hydra.inputs import encode_all_bound, encode_bound
from hydra.keys import check_key, is_id, read_key_reuse
from hydra.tags import check_tags
from hydra.written import written

MAX_PRIORITY = 2**31 - 1


class SubmitOptions(msgspec.Struct, frozen=True):
    """How executions shall be submitted, whatever they are; checked once for many."""

    priority: int = 0
    run_at: int | None = None
    tags: dict[str, str] | None = None
    key_reuse: KeyReuse = KeyReuse.FIRST
    reuse_after_us: int | None = None
    debounce: Debounced | None = None


PLAIN = SubmitOptions()


def check_request(
    delay: timedelta | float | None,
    run_at: datetime | None,
    priority: int,
    tags: dict[str, str] | None,
    now: int,
    key_reuse: str | timedelta | float = KeyReuse.FIRST,
    debounce: Debounce | None = None,
) -> SubmitOptions:
    if delay is not None and run_at is not None:
        raise ConfigError("`delay` and `run_at` cannot both be given; choose one")
    if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > MAX_PRIORITY:
        raise ConfigError(f"`priority` must be a whole number of at most {MAX_PRIORITY}, not `{written(priority)}`")
    due_at = None if run_at is None else to_instant(run_at)
    if delay is not None:
        due_at = now + round(seconds_of(delay, "`delay`") * 1e6)
    waits = None if debounce is None else debounced(debounce)
    if waits is not None:
        if due_at is not None or key_reuse != KeyReuse.FIRST:
            other = "key_reuse" if due_at is None else "delay` or `run_at"
            raise ConfigError(f"`debounce` and `{other}` cannot both be given; choose one")
        due_at = now + waits.wait_us
    checked_tags = None if tags is None else check_tags(tags)
    return SubmitOptions(priority, due_at, checked_tags, *read_key_reuse(key_reuse), waits)


def prepare(
    bound: BoundWorkflow[Any],
    request: SubmitOptions,
    key: str | None,
    id: str | None,
    signatures: KnownSignatures,
    max_bytes: int = MAX_PAYLOAD_BYTES,
) -> Submission:
    """One submission with its arguments encoded; `check_bound` was there before."""
    if request.debounce is not None and key is None:
        raise ConfigError("`debounce` needs a `key`, which says what is one burst; give one")
    call = encode_bound(bound, max_bytes)
    own_id, own_key = _core.uuid7() if id is None else _check_id(id), None if key is None else check_key(key)
    return _submission(bound, request, own_key, own_id, call, signatures)


def prepare_many(
    bounds: Sequence[BoundWorkflow[Any]],
    request: SubmitOptions,
    keys: Sequence[str] | None,
    signatures: KnownSignatures,
    max_bytes: int = MAX_PAYLOAD_BYTES,
) -> list[Submission]:
    """`prepare` of each, encoded together."""
    calls = encode_all_bound(bounds, max_bytes)
    checked = [None] * len(bounds) if keys is None else [check_key(key) for key in keys]
    return [
        _submission(bound, request, key, id, call, signatures)
        for id, bound, call, key in zip(_core.uuid7_many(len(bounds)), bounds, calls, checked, strict=True)
    ]


def _submission(
    bound: BoundWorkflow[Any],
    request: SubmitOptions,
    key: str | None,
    id: str,
    call: tuple[bytes, bytes],
    signatures: KnownSignatures,
) -> Submission:
    terms = signatures.terms(bound, request.tags)
    return Submission(
        id,
        bound.name,
        *call,
        key,
        request.priority,
        request.run_at,
        terms.timeout_us,
        request.tags,
        terms.deadline_us,
        request.key_reuse,
        terms.limit_keys,
        request.reuse_after_us,
        request.debounce,
        terms.attributes,
    )


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
    is_of_key = submission.key is not None and (bool(answer.digest) or answer.id != submission.id)
    what = f"key `{submission.key}`" if is_of_key else f"id `{submission.id}`"
    conflicts = [submission.key or submission.id]
    if answer.made_with is not None:
        way = f"under the key `{answer.made_with}`" if answer.made_with else "without a key"
        message = f"{what} of workflow `{submission.workflow}` was used before {way}; repeat it that way"
        message += f", or leave the id out to begin another execution under the key `{submission.key}`"
        raise IdempotencyConflict(message, conflicts=conflicts)
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


def check_bound(bound: object) -> None:
    if not isinstance(bound, BoundWorkflow):
        raise ConfigError(
            f"`{written(bound)}` cannot be submitted; give a bound workflow, such as `bill.bind(invoice)`"
        )


def workflow_name(workflow: object) -> str:
    """Of a workflow that is given as itself or by its name."""
    name = workflow if isinstance(workflow, str) else getattr(workflow, "name", None)
    if not isinstance(name, str):
        raise ConfigError(f"`{written(workflow)}` is not a workflow; give it or its name")
    return name


def _check_id(id: str) -> str:
    if not is_id(id):
        raise ConfigError(f"`{written(id)}` is not an execution's id; give the id of a submission that is repeated")
    return id
