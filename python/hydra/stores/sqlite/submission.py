"""Creates executions. A key or id that is known already is answered with what it stands for, never inserted over (R18)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from hydra.execution import Submission, Submitted
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.statements import execute, select_json, to_json

MAX_BYTES = 64 * 1024 * 1024  # inputs written by one statement


def submit(
    connection: sqlite3.Connection, namespace: str, submissions: Sequence[Submission], now: int
) -> list[Submitted]:
    """First as if all were new; when one is not, again without those that are known."""
    answers: list[Submitted] = []
    for part in _parts(submissions):
        connection.execute("savepoint hydra_submit")
        try:
            if _insert(connection, namespace, part, now):
                answers += [Submitted(submission.id, True) for submission in part]
            else:
                connection.execute("rollback to hydra_submit")
                answers += _submit_unknown(connection, namespace, part, now)
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback to hydra_submit")
                connection.execute("release hydra_submit")
            raise
        connection.execute("release hydra_submit")
    return answers


def _submit_unknown(
    connection: sqlite3.Connection, namespace: str, submissions: Sequence[Submission], now: int
) -> list[Submitted]:
    pairs = to_json([(s.workflow, s.key) for s in submissions if s.key is not None])
    keys = {
        (workflow, key): (id, bytes.fromhex(digest))
        for workflow, key, id, digest in select_json(connection, "submit_known_keys", namespace=namespace, rows=pairs)
    }
    ids = {
        id: (bytes.fromhex(digest), known_namespace, workflow)
        for id, digest, known_namespace, workflow in select_json(
            connection, "submit_known_ids", ids=to_json([s.id for s in submissions])
        )
    }
    answers: list[Submitted] = []
    unknown: list[Submission] = []
    for submission in submissions:
        fact = (submission.digest, namespace, submission.workflow)
        known = None if submission.key is None else keys.get((submission.workflow, submission.key))
        if known is not None:
            answers.append(Submitted(known[0], False, conflict=known[1] != submission.digest))
        elif submission.id in ids:
            answers.append(Submitted(submission.id, False, conflict=ids[submission.id] != fact))
        else:
            ids[submission.id] = fact
            if submission.key is not None:
                keys[submission.workflow, submission.key] = (submission.id, submission.digest)
            unknown.append(submission)
            answers.append(Submitted(submission.id, True))
    if unknown and not _insert(connection, namespace, unknown, now):
        raise AssertionError("a key or id appeared under the write lock")
    return answers


def _insert(connection: sqlite3.Connection, namespace: str, submissions: Sequence[Submission], now: int) -> bool:
    """Whether all were new; otherwise the caller rolls back."""
    rows: list[object] = []
    pieces: list[bytes] = []
    offset, keyed_count = 1, 0
    changes = Changes()
    for s in submissions:
        run_at = now if s.run_at is None else s.run_at
        digest_bytes, input_bytes = len(s.digest), len(s.input)
        rows.append(
            (
                s.id,
                s.workflow,
                s.key,
                s.priority,
                run_at,
                run_at if run_at > now else None,
                None if s.timeout_us is None else now + s.timeout_us,
                msgspec.json.encode(s.tags).decode() if s.tags else None,
                offset,
                digest_bytes,
                input_bytes,
            )
        )
        pieces.append(s.digest)
        pieces.append(s.input)
        offset += digest_bytes + input_bytes
        keyed_count += s.key is not None
        changes.add(s.workflow, "pending")
    values = {"namespace": namespace, "rows": to_json(rows), "bytes": b"".join(pieces), "now": now}
    if keyed_count and execute(connection, "submit_keys", **values) != keyed_count:
        return False
    if execute(connection, "submit_executions", **values) != len(rows):
        return False
    execute(connection, "submit_inputs", **values)
    changes.write(connection, namespace)
    return True


def _parts(submissions: Sequence[Submission]) -> list[Sequence[Submission]]:
    parts: list[Sequence[Submission]] = []
    start = size = 0
    for index, submission in enumerate(submissions):
        if size + len(submission.input) > MAX_BYTES and index > start:
            parts.append(submissions[start:index])
            start, size = index, 0
        size += len(submission.input)
    if start < len(submissions):
        parts.append(submissions[start:])
    return parts
