"""Creates executions. A key or id known already is answered with what it stands for, never inserted over (R18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hydra.execution import Submission, Submitted, is_refused
from hydra.stores.postgres import attributes
from hydra.stores.postgres.acts import reschedule
from hydra.stores.postgres.arrays import bigints, byteas, integers, key_hash, text, texts, uuid, uuids
from hydra.stores.postgres.news import READY
from hydra.stores.postgres.replacing import lock_holder
from hydra.stores.postgres.session import Step
from hydra.stores.postgres.transaction import UNDO, Transaction
from hydra.stores.repeats import Held, Made, known_answer
from hydra.stores.rescheduling import Reschedule, Rescheduled
from hydra.stores.reuse import FreedKey, KeyHolder, submit_in_turn

ROWS_PER_STATEMENT = 1_000
BYTES_PER_STATEMENT = 16 * 1024 * 1024


def submit(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    """`add`, and others are told. A key that is freed stays locked until its successor is there: where that is to be
    (`is_reusing`), it takes a transaction of several flushes."""
    answers = add(transaction, submissions, now)
    transaction.announce(READY, len(submissions))
    return answers


def submit_all_or_none(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    """In a caller's transaction."""
    answers = submit(transaction, submissions, now)
    if any(map(is_refused, submissions, answers)):
        transaction.run(UNDO)
    return answers


def add(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    """The answer to each, in their order."""
    return submit_in_turn(submissions, _Keys(transaction, now), now)


class _Keys:
    """See `hydra.stores.reuse.Keys`."""

    def __init__(self, transaction: Transaction, now: int) -> None:
        self._transaction = transaction
        self._now = now

    def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        return _submit(self._transaction, submissions, self._now)

    def free(self, keys: Sequence[FreedKey]) -> None:
        hashed = sorted((each.workflow, key_hash(each.key), each.id, each.taken_by) for each in keys)
        if ended := [each for each in hashed if each[3] is None]:
            self._transaction.execute("free_keys", **_columns(ended))
        if older := [each for each in hashed if each[3] is not None]:
            taken_bys = bigints([taken_by for *_, taken_by in older])
            self._transaction.execute("free_older_keys", **_columns(older), taken_bys=taken_bys, now=self._now)

    def lock_holder(self, submission: Submission) -> KeyHolder | None:
        return lock_holder(self._transaction, submission)

    def replace(self, order: Reschedule) -> Rescheduled | None:
        return reschedule(self._transaction, order, self._now)


def _columns(keys: Sequence[tuple[str, bytes, str, int | None]]) -> dict[str, object]:
    return {
        "workflows": texts([workflow for workflow, *_ in keys]),
        "key_hashes": byteas([hash for _, hash, *_ in keys]),
        "ids": uuids([id for _, _, id, _ in keys]),
    }


def _submit(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    """One statement where all is new."""
    unique = list({submission.id: submission for submission in reversed(submissions)}.values())[::-1]
    steps: list[Step]
    if len(unique) == 1 and unique[0].key is None and not unique[0].limit_keys:
        steps = [("submit_one", _execution(transaction.namespace, unique[0], now))]
    else:
        steps = [(_statement(part), _executions(part, now)) for part in _parts(unique)]
    results = transaction.run(*steps, *attributes.adding(unique))[: len(steps)]
    created = {row[0] for result in results for row in result.rows}
    if len(created) == len(submissions):
        return [Submitted(submission.id, True) for submission in submissions]
    return _answers(transaction, submissions, created)


def _statement(submissions: Sequence[Submission]) -> str:
    return "submit_limited" if any(s.limit_keys for s in submissions) else "submit_executions"


def _answers(transaction: Transaction, submissions: Sequence[Submission], created: set[str]) -> list[Submitted]:
    """Later statements than the inserts, so they see whose each key and id is (R18)."""
    keys = sorted({(s.workflow, s.key) for s in submissions if s.key is not None})
    pairs = {
        "workflows": texts([workflow for workflow, _ in keys]),
        "key_hashes": byteas([key_hash(key) for _, key in keys]),
    }
    by_key, by_id = transaction.run(
        ("submit_known_keys", pairs),
        ("submit_known_ids", {"ids": uuids(sorted({s.id for s in submissions}))}),
    )
    # guard R18: a key that is taken is answered with what it stands for
    known_keys = {(workflow, key): Held(*fact) for workflow, key, *fact in by_key.rows}
    known_ids = {id: Made(*fact) for id, *fact in by_id.rows}
    for stolen in _stolen_keys(transaction, submissions, known_keys, known_ids):
        del known_keys[stolen]
    answers: list[Submitted] = []
    for submission in submissions:
        if submission.id in created:
            created.remove(submission.id)
            answers.append(Submitted(submission.id, True))
            continue
        held = None if submission.key is None else known_keys.get((submission.workflow, submission.key))
        answer = known_answer(submission, transaction.namespace, known_ids.get(submission.id), held)
        answers.append(answer or Submitted(submission.id, False))
    return answers


def _stolen_keys(
    transaction: Transaction,
    submissions: Sequence[Submission],
    known_keys: Mapping[tuple[str, str], Held],
    known_ids: Mapping[str, Made],
) -> list[tuple[str, str]]:
    """Given back: a submission that raced another of its id for the execution has taken the key, and lost the race."""
    stolen: dict[tuple[str, str], str] = {}
    for s in submissions:
        held = None if s.key is None else known_keys.get((s.workflow, s.key))
        made = known_ids.get(s.id)
        if s.key is not None and held is not None and made is not None and held.id == s.id and made.key != s.key:
            stolen[s.workflow, s.key] = s.id
    if stolen:
        names = sorted(stolen)  # as they go in
        transaction.execute(
            "take_back_keys",
            workflows=texts([workflow for workflow, _ in names]),
            key_hashes=byteas([key_hash(key) for _, key in names]),
            ids=uuids([stolen[name] for name in names]),
        )
    return list(stolen)


def _execution(namespace: str, submission: Submission, now: int) -> dict[str, object]:
    s = submission
    return {
        "namespace": text(namespace),
        "now": now,
        "id": uuid(s.id),
        "due_at": now if s.run_at is None else s.run_at,
        "timeout_at": s.timeout_at(now),
        "priority": s.priority,
        "workflow": text(s.workflow),
        "digest": s.digest,
        "input": s.input,
        "tags": text(_json(s.tags)),
    }


def _executions(submissions: Sequence[Submission], now: int) -> dict[str, object]:
    return {
        "now": now,
        "ids": uuids([s.id for s in submissions]),
        "due_ats": bigints([now if s.run_at is None else s.run_at for s in submissions]),
        "timeout_ats": bigints([s.timeout_at(now) for s in submissions]),
        "priorities": integers([s.priority for s in submissions]),
        "workflows": texts([s.workflow for s in submissions]),
        "keys": texts([s.key for s in submissions]),
        "key_hashes": byteas([None if s.key is None else key_hash(s.key) for s in submissions]),
        "digests": byteas([s.digest for s in submissions]),
        "inputs": byteas([s.input for s in submissions]),
        "tags": texts([_json(s.tags) for s in submissions]),
        "limit_keys": texts([_json(s.limit_keys) for s in submissions]),
    }


def _json(value: dict[str, str] | tuple[str, ...] | None) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


def _parts(submissions: Sequence[Submission]) -> list[Sequence[Submission]]:
    parts: list[Sequence[Submission]] = []
    start = size = 0
    for index, submission in enumerate(submissions):
        size += len(submission.input)
        if index - start == ROWS_PER_STATEMENT or (size > BYTES_PER_STATEMENT and index > start):
            parts.append(submissions[start:index])
            start, size = index, len(submission.input)
    if start < len(submissions):
        parts.append(submissions[start:])
    return parts
