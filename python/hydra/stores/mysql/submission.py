"""Creates executions. A key or id that is known already gets what it stands for, never an insert over it (R18)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.errors import HydraError, StoreUnavailable
from hydra.execution import FINAL, Submission, Submitted, is_refused
from hydra.stores.acts import SUBMISSION, Act, ActKind
from hydra.stores.admission import NEVER
from hydra.stores.mysql import attributes
from hydra.stores.mysql.acts import add_acts, reschedule
from hydra.stores.mysql.admitting import enter_queues
from hydra.stores.mysql.failures import DUPLICATE, error_code
from hydra.stores.mysql.locking import lock_executions
from hydra.stores.mysql.replacing import lock_holder, made_of
from hydra.stores.mysql.statements import NO_NODE, id_list, id_literal, id_text, key_hash, literal, new_id_literal
from hydra.stores.mysql.transaction import MAX_ROWS, Transaction
from hydra.stores.repeats import Held, known_answer, made_by
from hydra.stores.rescheduling import Reschedule, Rescheduled
from hydra.stores.reuse import FreedKey, KeyHolder, submit_in_turn

MAX_RACES = 10  # times others may make a key or id between our look and our insert


def submit(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
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
        _free_keys(self._transaction, keys, self._now)

    def lock_holder(self, submission: Submission) -> KeyHolder | None:
        return lock_holder(self._transaction, submission)

    def replace(self, order: Reschedule) -> Rescheduled | None:
        return reschedule(self._transaction, order, self._now)


def _free_keys(transaction: Transaction, keys: Sequence[FreedKey], now: int) -> None:
    """What has ended, or was purged, or has its key for long, gives it up; not to a submission that was made before
    (R17)."""
    made = made_of(transaction, [key.id for key in keys])
    asked = {key_hash(transaction.namespace_name, key.workflow, key.key): key for key in keys if key.id not in made}
    if not asked:
        return
    locked = transaction.select("lock_keys", hashes=", ".join(sorted(asked)))
    holders = {literal(hash): id_text(id) for hash, id, _ in locked}
    held = {e.id: e for e in lock_executions(transaction, holders.values())}
    free: list[str] = []
    for hash, _, created_at in locked:
        key, holder = asked[literal(hash)], held.get(holders[literal(hash)])
        has_ended = holder is None or holder.status in FINAL
        if not (has_ended if key.taken_by is None else created_at <= key.taken_by):
            continue
        free.append(literal(hash))
        if holder is not None and not has_ended:
            passed = f"its key is that of execution `{key.id}`"
            add_acts(transaction, [Act(holder.id, key.id, ActKind.KEY_PASSED, now, SUBMISSION, "", passed)])
    if free:
        former = sorted(id_literal(holders[hash]) for hash in free if holders[hash] in held)
        transaction.queue_rows("add_former_keys", [f"({id})" for id in former])
        transaction.queue("free_keys", hashes=", ".join(sorted(free)))
        transaction.flush()


def _submit(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
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
    if any(map(is_refused, submissions, answers)):
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
    ids = made_of(transaction, [s.id for s in submissions])
    answers: list[Submitted] = []
    unknown: list[Submission] = []
    for submission in submissions:
        held = None if submission.key is None else keys.get((submission.workflow, submission.key))
        answer = known_answer(submission, transaction.namespace_name, ids.get(submission.id), held)
        if answer is None:
            ids[submission.id] = made_by(submission, transaction.namespace_name)
            if submission.key is not None:
                keys[submission.workflow, submission.key] = Held(submission.id, submission.digest, False)
            unknown.append(submission)
        answers.append(answer or Submitted(submission.id, True))
    return answers, unknown


def _known_keys(transaction: Transaction, submissions: Sequence[Submission]) -> dict[tuple[str, str], Held]:
    hashes = {
        key_hash(transaction.namespace_name, s.workflow, s.key): (s.workflow, s.key)
        for s in submissions
        if s.key is not None
    }
    if not hashes:
        return {}
    rows = transaction.select("submit_known_keys", hashes=", ".join(sorted(hashes)))
    there = transaction.select("existing_ids", ids=id_list(id_text(id) for _, id, _ in rows)) if rows else ()
    ids = {id for (id,) in there}
    return {hashes[literal(hash)]: Held(id_text(id), digest, id not in ids) for hash, id, digest in rows}


def _insert(transaction: Transaction, submissions: Sequence[Submission], now: int) -> bool:
    """Whether all were new; otherwise nothing was done."""
    namespace = transaction.namespace
    keys, executions, ready, timers, deadlines = [], [], [], [], []
    limited: list[tuple[str, int, int, str]] = []
    for s in submissions:
        id, workflow, digest = new_id_literal(s.id), literal(s.workflow), literal(s.digest)
        key = literal(s.key)
        run_at = now if s.run_at is None else s.run_at
        wake_at = run_at if run_at > now else 0
        gate, limit_keys, held = "''", "null", wake_at
        if s.limit_keys:
            gate, limit_keys = literal(s.limit_keys[0]), literal(msgspec.json.encode(s.limit_keys))
            held = wake_at or NEVER
        timeout_at = s.timeout_at(now) or 0
        timeout_us = timeout_at and timeout_at - max(run_at, now)
        tags = _tags_literal(s.tags) if s.tags else "null"
        if s.key is not None:
            hash = key_hash(transaction.namespace_name, s.workflow, s.key)
            keys.append(f"({hash}, {namespace}, {workflow}, {key}, {id}, {digest}, {now})")
        executions.append(
            f"({id}, {namespace}, {workflow}, {key}, 'pending', {NO_NODE}, 0, 1, {s.priority}, {now}, {run_at}, "
            f"{held}, {timeout_at}, 0, 0, 0, 0, 0, '', 0, 0, x'', 0, {digest}, {tags}, {literal(s.input)}, "
            f"{timeout_us}, {gate}, {gate}, {limit_keys})"
        )
        if wake_at:
            timers.append(f"({namespace}, {wake_at}, {id})")
        elif s.limit_keys:
            limited.append((s.limit_keys[0], -s.priority, run_at, s.id))
        else:
            ready.append(f"({namespace}, {workflow}, {-s.priority}, {run_at}, {id})")
        if timeout_at:
            deadlines.append(f"({namespace}, {timeout_at}, {id})")
    try:
        transaction.savepoint("hydra_submit")
        transaction.queue_rows("submit_keys", sorted(keys))
        transaction.queue_rows("submit_executions", executions)
        transaction.queue_rows("add_ready", ready)
        enter_queues(transaction, limited)
        transaction.queue_rows("add_timers", timers)
        transaction.queue_rows("keep_deadlines", deadlines)
        attributes.add(transaction, [(s.id, s.attributes) for s in submissions if s.attributes])
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
