"""Creates executions. A key or id that is known already is answered with what it stands for (R18)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter

import msgspec

from hydra.errors import PayloadError
from hydra.execution import Submission, Submitted, is_refused
from hydra.stores.admission import NEVER
from hydra.stores.repeats import Held, Made, known_answer, made_by
from hydra.stores.rescheduling import Reschedule, Rescheduled
from hydra.stores.reuse import FreedKey, KeyHolder, submit_in_turn
from hydra.stores.sqlite import attributes
from hydra.stores.sqlite.acts import reschedule
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.replacing import read_holder
from hydra.stores.sqlite.statements import RowStatement, to_json
from hydra.stores.sqlite.transaction import BLOB, NULL, Transaction
from hydra.written import written

_SUBMIT_KEYS = RowStatement("submit_keys")
_SUBMIT_EXECUTIONS = RowStatement("submit_executions")
_SUBMIT_INPUTS = RowStatement("submit_inputs")
_workflow = attrgetter("workflow")


def submit(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    """The answer to each, in their order."""
    return submit_in_turn(submissions, _Keys(transaction, now), now)


class _Keys:
    """See `hydra.stores.reuse.Keys`; under the write lock."""

    def __init__(self, transaction: Transaction, now: int) -> None:
        self._transaction = transaction
        self._now = now

    def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        return _submit(self._transaction, submissions, self._now)

    def free(self, keys: Sequence[FreedKey]) -> None:
        rows = to_json(list(keys))
        self._transaction.execute("add_former_keys", rows=rows)
        if any(key.taken_by is not None for key in keys):
            self._transaction.execute("tell_passed_keys", rows=rows, now=self._now)
        self._transaction.execute("free_keys", rows=rows)

    def lock_holder(self, submission: Submission) -> KeyHolder | None:
        return read_holder(self._transaction, submission)

    def replace(self, order: Reschedule) -> Rescheduled | None:
        return reschedule(self._transaction, order, self._now)


def submit_all_or_none(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    """The answer to each; nothing is made when one is refused."""
    connection = transaction.connection
    connection.execute("savepoint hydra_submit_in")
    answers = submit(transaction, submissions, now)
    if any(map(is_refused, submissions, answers)):
        connection.execute("rollback to hydra_submit_in")
    connection.execute("release hydra_submit_in")
    return answers


def _submit(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    """First as if all were new; when one is not, again without those that are known."""
    rows = _Rows(transaction.namespace, submissions, now)
    if len(submissions) == 1:  # without a savepoint, before which each page that is written is copied
        if rows.write(transaction):
            return [Submitted(submissions[0].id, True)]
        return _submit_unknown(transaction, submissions, now)
    connection = transaction.connection
    connection.execute("savepoint hydra_submit")
    if rows.write(transaction):
        answers = [Submitted(submission.id, True) for submission in submissions]
    else:
        connection.execute("rollback to hydra_submit")
        answers = _submit_unknown(transaction, submissions, now)
    connection.execute("release hydra_submit")
    return answers


def _submit_unknown(transaction: Transaction, submissions: Sequence[Submission], now: int) -> list[Submitted]:
    pairs = to_json([(s.workflow, s.key) for s in submissions if s.key is not None])
    keys = {
        (workflow, key): Held(id, bytes.fromhex(digest), bool(is_purged))
        for workflow, key, id, digest, is_purged in transaction.select_json("submit_known_keys", rows=pairs)
    }
    ids = {
        id: Made(bytes.fromhex(digest), *rest)
        for id, digest, *rest in transaction.select_json("submit_known_ids", ids=to_json([s.id for s in submissions]))
    }
    answers: list[Submitted] = []
    unknown: list[Submission] = []
    for submission in submissions:
        held = None if submission.key is None else keys.get((submission.workflow, submission.key))
        answer = known_answer(submission, transaction.namespace, ids.get(submission.id), held)
        if answer is None:
            ids[submission.id] = made_by(submission, transaction.namespace)
            if submission.key is not None:
                keys[submission.workflow, submission.key] = Held(submission.id, submission.digest, False)
            unknown.append(submission)
        answers.append(answer or Submitted(submission.id, True))
    if unknown and not _Rows(transaction.namespace, unknown, now).write(transaction):
        raise AssertionError("a key or id appeared under the write lock")
    return answers


class _Rows:
    """What is written of submissions that are new."""

    def __init__(self, namespace: str, submissions: Sequence[Submission], now: int) -> None:
        self._submissions = submissions
        self._executions: list[tuple[object, ...]] = []
        self._inputs: list[tuple[object, ...]] = []
        self._keys: list[tuple[object, ...]] = []
        self._called: set[str] = set()
        for s in submissions:
            run_at = now if s.run_at is None else s.run_at
            wake_at = run_at if run_at > now else NULL
            timeout_at = s.timeout_at(now)
            gate: object = NULL
            limit_keys: object = NULL
            if s.limit_keys:
                gate, limit_keys = s.limit_keys[0], to_json(s.limit_keys)
                if wake_at is NULL:  # it waits from the start: the trigger that makes older code's wait has no work
                    wake_at = NEVER
                    self._called.add(s.limit_keys[0])
            times = (NULL, NULL) if timeout_at is None else (timeout_at, timeout_at - max(run_at, now))
            self._executions.append((s.id, namespace, s.workflow, s.priority, run_at, wake_at, times[0], gate))
            tags = msgspec.json.encode(s.tags).decode() if s.tags else NULL
            key = NULL if s.key is None else s.key
            digest, input = BLOB(s.digest), BLOB(s.input)
            self._inputs.append((s.id, key, digest, input, tags, now, times[1], limit_keys))
            if s.key is not None:
                if "\0" in s.key:
                    raise PayloadError(f"the key {written(s.key)} holds a NUL character; leave it out")
                self._keys.append((namespace, s.workflow, s.key, s.id, digest, now))

    def write(self, transaction: Transaction) -> bool:
        """Whether all were new. Otherwise some may be written: of one alone nothing is."""
        try:
            if self._keys and transaction.execute_rows(_SUBMIT_KEYS, self._keys) != len(self._keys):
                return False
            if transaction.execute_rows(_SUBMIT_EXECUTIONS, self._executions) != len(self._executions):
                if len(self._keys) == 1:
                    _, workflow, key, *_ = self._keys[0]
                    transaction.execute("take_back_key", workflow=workflow, key=key)
                return False
            transaction.execute_rows(_SUBMIT_INPUTS, self._inputs)
            if self._called:
                transaction.execute("call_gates", keys=to_json(sorted(self._called)))
            if searched := [(s.id, s.attributes) for s in self._submissions if s.attributes]:
                attributes.add(transaction, searched)
        except UnicodeEncodeError as error:
            raise PayloadError(f"a key, name or id is not valid Unicode text: {written(error.object)}") from error
        changes = Changes()
        if len(self._submissions) == 1:
            changes.add(self._submissions[0].workflow, "pending")
        else:
            for workflow, count in Counter(map(_workflow, self._submissions)).items():
                changes.add(workflow, "pending", count)
        changes.write(transaction)
        return True
