"""Creates executions. A key or id that is known already gets what it stands for, never an insert over it (R18)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.errors import HydraError, StoreUnavailable
from hydra.execution import Submission, Submitted
from hydra.stores.mysql.failures import DUPLICATE, error_code
from hydra.stores.mysql.statements import NO_NODE, id_list, id_text, key_hash, literal, new_id_literal
from hydra.stores.mysql.transaction import MAX_ROWS, Transaction

MAX_RACES = 10  # times others may make a key or id between our look and our insert


def submit(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    """First as if all were new; when one is not, again without those that are known."""
    answers: list[Submitted] = []
    for start in range(0, len(submissions), MAX_ROWS):
        part = submissions[start : start + MAX_ROWS]
        if _insert(transaction, part, now):
            answers += [Submitted(submission.id, True) for submission in part]
        else:
            answers += _submit_unknown(transaction, part, now)
    return answers


def submit_all_or_none(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    """Nothing is created when one conflicts."""
    transaction.savepoint("hydra_submit_all")
    answers = submit(transaction, submissions, now)
    if any(answer.conflict for answer in answers):
        transaction.roll_back_to("hydra_submit_all")
        transaction.changes.clear()
    else:
        transaction.release_savepoint("hydra_submit_all")
    return answers


def _submit_unknown(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    for _ in range(MAX_RACES):
        answers, unknown = _sort_out(transaction, submissions)
        if not unknown or _insert(transaction, unknown, now):
            return answers
    raise StoreUnavailable("other programs kept submitting the same keys or ids; try again")


def _sort_out(transaction: Transaction, submissions: Sequence[Submission]) -> tuple[list[Submitted], list[Submission]]:
    """The answer to each, and which of them are to be inserted for it to be true."""
    keys = _known_keys(transaction, submissions)
    ids = {
        id_text(id): (digest, namespace, workflow.decode())
        for id, namespace, workflow, digest in transaction.select(
            "submit_known_ids", ids=id_list(s.id for s in submissions)
        )
    }
    own_namespace = transaction.namespace_name.encode()
    answers: list[Submitted] = []
    unknown: list[Submission] = []
    for submission in submissions:
        fact = (submission.digest, own_namespace, submission.workflow)
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
    return answers, unknown


def _known_keys(
    transaction: Transaction, submissions: Sequence[Submission]
) -> dict[tuple[str, str], tuple[str, bytes]]:
    hashes = {
        key_hash(transaction.namespace_name, s.workflow, s.key): (s.workflow, s.key)
        for s in submissions
        if s.key is not None
    }
    if not hashes:
        return {}
    rows = transaction.select("submit_known_keys", hashes=", ".join(sorted(hashes)))
    return {hashes[literal(hash)]: (id_text(id), digest) for hash, id, digest in rows}


def _insert(transaction: Transaction, submissions: Sequence[Submission], now: int) -> bool:
    """Whether all were new; otherwise nothing was done."""
    namespace = transaction.namespace
    keys, executions, ready, timers, deadlines = [], [], [], [], []
    for s in submissions:
        id, workflow, digest = new_id_literal(s.id), literal(s.workflow), literal(s.digest)
        key = literal(s.key)
        run_at = now if s.run_at is None else s.run_at
        wake_at = run_at if run_at > now else 0
        timeout_at = 0 if s.timeout_us is None else now + s.timeout_us
        tags = _tags_literal(s.tags) if s.tags else "null"
        if s.key is not None:
            hash = key_hash(transaction.namespace_name, s.workflow, s.key)
            keys.append(f"({hash}, {namespace}, {workflow}, {key}, {id}, {digest}, {now})")
        executions.append(
            f"({id}, {namespace}, {workflow}, {key}, 'pending', {NO_NODE}, 0, 1, {s.priority}, {now}, {run_at}, "
            f"{wake_at}, {timeout_at}, 0, 0, 0, 0, 0, '', 0, 0, x'', 0, {digest}, {tags}, {literal(s.input)})"
        )
        if wake_at:
            timers.append(f"({namespace}, {wake_at}, {id})")
        else:
            ready.append(f"({namespace}, {workflow}, {-s.priority}, {run_at}, {id})")
        if timeout_at:
            deadlines.append(f"({namespace}, {timeout_at}, {id})")
    try:
        transaction.savepoint("hydra_submit")
        transaction.queue_rows("submit_keys", sorted(keys))
        transaction.queue_rows("submit_executions", executions)
        transaction.queue_rows("add_ready", ready)
        transaction.queue_rows("add_timers", timers)
        transaction.queue_rows("keep_deadlines", deadlines)
        transaction.release_savepoint("hydra_submit")
    except HydraError:
        raise
    except Exception as error:
        if error_code(error) != DUPLICATE:
            raise
        transaction.roll_back_to("hydra_submit")
        return False
    for s in submissions:
        transaction.move(s.workflow, None, "pending")
    return True


def _tags_literal(tags: dict[str, str]) -> str:
    for text in (*tags, *tags.values()):
        literal(text)  # refuses what is no text
    return literal(msgspec.json.encode(tags))
