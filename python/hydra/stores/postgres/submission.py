"""Creates executions. A key or id known already is answered with what it stands for, never inserted over (R18)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hydra.execution import Submission, Submitted
from hydra.stores.postgres.arrays import bigints, byteas, integers, key_hash, text, texts, uuid, uuids
from hydra.stores.postgres.session import Result, Step

ROWS_PER_STATEMENT = 1_000
BYTES_PER_STATEMENT = 16 * 1024 * 1024

Run = Callable[..., list[Result]]


def submit(run: Run, namespace: str, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    """`run` executes statements in one transaction. One statement where all is new."""
    unique = list({submission.id: submission for submission in reversed(submissions)}.values())[::-1]
    steps: list[Step]
    if len(unique) == 1 and unique[0].key is None:
        steps = [("submit_one", _execution(namespace, unique[0], now))]
    else:
        steps = [("submit_executions", _executions(namespace, part, now)) for part in _parts(unique)]
    created = {row[0] for result in run(*steps) for row in result.rows}
    if len(created) == len(submissions):
        return [Submitted(submission.id, True) for submission in submissions]
    return _answers(run, namespace, submissions, created)


def _answers(run: Run, namespace: str, submissions: Sequence[Submission], created: set[str]) -> list[Submitted]:
    """Later statements than the inserts, so they see whose each key and id is (R18)."""
    keys = sorted({(s.workflow, s.key) for s in submissions if s.key is not None})
    pairs = {
        "workflows": texts([workflow for workflow, _ in keys]),
        "key_hashes": byteas([key_hash(key) for _, key in keys]),
    }
    by_key, by_id = run(
        ("submit_known_keys", {"namespace": namespace, **pairs}),
        ("submit_known_ids", {"ids": uuids(sorted({s.id for s in submissions}))}),
    )
    known_keys = {(workflow, key): (id, digest) for workflow, key, id, digest in by_key.rows}
    known_ids = {id: fact for id, *fact in by_id.rows}
    answers: list[Submitted] = []
    for submission in submissions:
        known = None if submission.key is None else known_keys.get((submission.workflow, submission.key))
        if submission.id in created:
            created.remove(submission.id)
            answers.append(Submitted(submission.id, True))
        elif known is not None:
            answers.append(Submitted(known[0], False, conflict=known[1] != submission.digest))
        else:
            fact = [submission.digest, namespace, submission.workflow]
            answers.append(Submitted(submission.id, False, conflict=known_ids.get(submission.id, fact) != fact))
    return answers


def _execution(namespace: str, submission: Submission, now: int) -> dict[str, object]:
    s = submission
    return {
        "namespace": text(namespace),
        "now": now,
        "id": uuid(s.id),
        "due_at": now if s.run_at is None else s.run_at,
        "timeout_at": None if s.timeout_us is None else now + s.timeout_us,
        "priority": s.priority,
        "workflow": text(s.workflow),
        "digest": s.digest,
        "input": s.input,
        "tags": text(_json(s.tags)),
    }


def _executions(namespace: str, submissions: Sequence[Submission], now: int) -> dict[str, object]:
    return {
        "namespace": namespace,
        "now": now,
        "ids": uuids([s.id for s in submissions]),
        "due_ats": bigints([now if s.run_at is None else s.run_at for s in submissions]),
        "timeout_ats": bigints([None if s.timeout_us is None else now + s.timeout_us for s in submissions]),
        "priorities": integers([s.priority for s in submissions]),
        "workflows": texts([s.workflow for s in submissions]),
        "keys": texts([s.key for s in submissions]),
        "key_hashes": byteas([None if s.key is None else key_hash(s.key) for s in submissions]),
        "digests": byteas([s.digest for s in submissions]),
        "inputs": byteas([s.input for s in submissions]),
        "tags": texts([_json(s.tags) for s in submissions]),
    }


def _json(tags: dict[str, str] | None) -> str | None:
    return msgspec.json.encode(tags).decode() if tags else None


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
