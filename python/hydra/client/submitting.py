"""What makes executions: one, many, or one from another's records. Each is durable when its call returns.

submit ─► codec ─► journal (group commit) ─► store.submit ─► Handle
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from hydra import _core, config, middleware
from hydra.client import doubts
from hydra.client.acting import author
from hydra.client.database_access import DatabaseAccess
from hydra.client.handle import Handle
from hydra.client.pending_bounds import PendingBounds
from hydra.client.session import EngineSession
from hydra.client.submissions import (
    PLAIN,
    SubmitOptions,
    accepted_id,
    check_bound,
    check_request,
    prepare,
    prepare_many,
    readmitted,
    refuse_conflicts,
)
from hydra.debounce import Debounce
from hydra.definitions import BoundWorkflow
from hydra.errors import ConfigError, HydraError, IllegalMove
from hydra.execution import KeyReuse, Record, Snapshot, Submission, Submitted, is_refused
from hydra.interruptions import has_submitted_nothing, is_of_handler, may_have_submitted
from hydra.keys import check_key, is_id
from hydra.offload import Offload
from hydra.payload_keys import PayloadKeys, why_closed
from hydra.pointers import is_pointer
from hydra.records.forks import count_before, prepare_fork
from hydra.records.placed import not_alone
from hydra.stores.acts import ActKind
from hydra.stores.encrypting import refuse_keyed
from hydra.stores.offloading import fetched_history
from hydra.stores.rows import UNREADABLE
from hydra.tags import tags_of

R = TypeVar("R")

SUBMIT_CHUNK_SIZE = 5_000  # executions of one transaction in submit_many
_created = attrgetter("created")


class Submitting(DatabaseAccess):
    """The part of `Engine` that submits. `max_pending` and `max_payload_bytes` are as there."""

    def __init__(
        self,
        url: str | None,
        namespace: str,
        migrate: bool,
        max_pending: int | None,
        max_payload_bytes: int,
        timeout: timedelta | float | None,
        payload_keys: PayloadKeys | None,
        offload: Offload | None,
    ) -> None:
        self.max_payload_bytes = config.count_of(max_payload_bytes, "`max_payload_bytes`")
        own = None if max_pending is None else config.count_of(max_pending, "`max_pending`")
        self.pending_bounds = PendingBounds(own)
        super().__init__(url, namespace, migrate, timeout, payload_keys, offload)

    def submit(
        self,
        bound: BoundWorkflow[R],
        key: str | None = None,
        delay: timedelta | float | None = None,
        run_at: datetime | None = None,
        priority: int = 0,
        tags: dict[str, str] | None = None,
        id: str | None = None,
        connection: object = None,
        *,
        key_reuse: str | timedelta | float = KeyReuse.FIRST,
        debounce: Debounce | None = None,
    ) -> Handle[R]:
        """Make one execution durable and return its handle. When it returns, a power cut changes nothing.

            engine.submit(bill.bind("visa-1", 1999), key="inv-42", delay=timedelta(hours=1), tags={"run": "2026-11"})

        The same `key` with the same arguments gives the first execution, so a submission with a key may be repeated.

        Args:
            bound: a workflow with its arguments, such as `bill.bind("visa-1", 1999)`.
            key: an idempotency key, once for each workflow in the namespace.
            delay: seconds (or a timedelta) until it is due.
            run_at: the instant at which it is due, with a time zone; not together with `delay`.
            priority: of what is due, larger runs first.
            tags: texts by name, to find it by, and for labels of metrics.
            id: a UUID of your own, with which a submission without a key may be repeated, for as long as its execution
                is kept: once that is purged it begins again. One with a key is repeated with its key.
            connection: of your own open transaction: the execution becomes real with its commit.
            key_reuse: for a key that was used before. `"first"` gives the first execution; `"reject"` raises KeyTaken;
                `"after_end"` gives it only while it is open, and begins another once it has ended. Seconds, or a
                timedelta, give it for so long after it took the key, and then begin another, though it may be open.
            debounce: a `hydra.Debounce`, with a key: what has the key and has not begun waits again, with these
                arguments, priority and tags. Where it has begun, or ended, another begins.

        Raises:
            IdempotencyConflict: the key was used with other arguments, or the id with others, or without this key.
            KeyTaken: `key_reuse` lets nobody use it again, or what had it was purged. (Keys outlive a purge.)
            PayloadError: the arguments do not fit the workflow, or cannot be encoded; PayloadTooLarge: they are too
                large.
            QueueFull: `max_pending` is reached: of the engine, the workflow, a limit or the namespace.
            StoreUnavailable: the database did not answer; with `outcome="unknown"` it may have happened. Repeat it.
        """
        sent: list[str] = []  # the id, once it may have left
        try:
            submission = self.prepare(bound, key, delay, run_at, priority, tags, id, key_reuse, debounce)
            if middleware.submit_hooks:
                call = self.hooked(submission)
                with middleware.around_submission(call):
                    submission = self.tagged(bound, submission, call)
                    handle = self._submit(submission, connection, bound, sent)
                    call.ids = (handle.id,)
                return handle
            return self._submit(submission, connection, bound, sent)
        except BaseException as error:
            if sent and (not isinstance(error, HydraError) or is_of_handler(error)):
                may_have_submitted(error, sent[0])
            else:
                has_submitted_nothing(error)
            raise

    def _forget_session(self) -> None:
        super()._forget_session()
        self.pending_bounds.renew_lock()

    def _submit(
        self, submission: Submission, connection: object, bound: BoundWorkflow[R], sent: list[str]
    ) -> Handle[R]:
        if connection is None:
            session = self.session()
            sent.append(submission.id)
            answer = session.submit(submission)
        else:
            (answer,) = self.join(lambda store, now: store.submit_in(connection, [submission], now))
        self.refuse_keyed(answer)
        return self.accept(submission, answer, bound)

    def submit_many(
        self,
        bounds: Sequence[BoundWorkflow[R]],
        keys: Sequence[str] | None = None,
        delay: timedelta | float | None = None,
        run_at: datetime | None = None,
        priority: int = 0,
        tags: dict[str, str] | None = None,
        connection: object = None,
        progress: Callable[[int], object] | None = None,
        *,
        key_reuse: str | timedelta | float = KeyReuse.FIRST,
    ) -> list[Handle[R]]:
        """Submit many executions, 5,000 in each transaction; their handles, in order.

            engine.submit_many([bill.bind(card, pennies) for card, pennies in invoices], keys=numbers)

        It submits all it can; then one IdempotencyConflict names the keys that clash. Repeating it with the same keys
        is safe. With a `connection` it is all or nothing. The other arguments are those of `submit`, for every
        execution.

        Args:
            bounds: the workflows with their arguments.
            keys: one for each, in order; None: without keys.
            progress: called after each transaction with the count of what is done.

        Raises:
            IdempotencyConflict: some keys were used with other arguments; `conflicts` lists them. The others are
                submitted.
            KeyTaken: some keys are not free by `key_reuse`, or what had them was purged.
            ConfigError: there are not as many keys as executions.
        """
        if isinstance(keys, str):
            raise ConfigError(f"`keys` is one text, `{keys:.80}`; give a list with one for each execution")
        if keys is not None and len(keys) != len(bounds):
            raise ConfigError(f"`keys` has {len(keys)} entries for {len(bounds)} executions; give one for each")
        session = self.session()
        self._check_unknown(session, bounds)
        request = check_request(delay, run_at, priority, tags, session.now(), key_reuse)
        if middleware.submit_hooks and bounds:
            call = middleware.SubmitCall(bounds[0].name, len(bounds), None, self.namespace, dict(tags or {}), None)
            with middleware.around_submission(call):
                request = msgspec.structs.replace(request, tags=tags_of(call, request.tags))
                handles = self._submit_many(session, bounds, request, keys, connection, progress)
                call.ids = tuple(handle.id for handle in handles)
            return handles
        return self._submit_many(session, bounds, request, keys, connection, progress)

    def _submit_many(
        self,
        session: EngineSession,
        bounds: Sequence[BoundWorkflow[R]],
        request: SubmitOptions,
        keys: Sequence[str] | None,
        connection: object,
        progress: Callable[[int], object] | None,
    ) -> list[Handle[R]]:
        if connection is not None:
            submissions = prepare_many(bounds, request, keys, session.signatures, self.max_payload_bytes)
            answers = self.join(lambda store, now: store.submit_in(connection, submissions, now))
            agreed = readmitted(bounds, answers)
            refuse_keyed(session.store, agreed)
            if agreed != answers:  # one that conflicts keeps all out, so they are asked for once more
                submissions = again = [
                    each
                    if answer.conflict or not answer.digest
                    else msgspec.structs.replace(each, digest=answer.digest)
                    for each, answer in zip(submissions, agreed, strict=True)
                ]
                answers = self.join(lambda store, now: store.submit_in(connection, again, now))
            refuse_conflicts(submissions, answers, len(bounds), "nothing was submitted")
            return self._handles(submissions, answers)
        handles: list[Handle[R]] = []
        refused: list[tuple[Submission, Submitted]] = []
        for start in range(0, len(bounds), SUBMIT_CHUNK_SIZE):
            end = start + SUBMIT_CHUNK_SIZE
            part = None if keys is None else keys[start:end]
            submissions = prepare_many(bounds[start:end], request, part, session.signatures, self.max_payload_bytes)
            self._require_room(session, submissions)
            answers = session.submit_many(submissions)
            if not all(map(_created, answers)):
                answers = readmitted(bounds[start:end], answers)
                refuse_keyed(session.store, answers)
                both = zip(submissions, answers, strict=True)
                refused += [(s, answer) for s, answer in both if is_refused(s, answer)]
            handles += self._handles(submissions, answers)
            if progress is not None:
                progress(len(handles))
        refuse_conflicts(
            [s for s, _ in refused], [answer for _, answer in refused], len(bounds), "the others are submitted"
        )
        return handles

    def fork(
        self,
        id: str,
        from_step: str,
        *,
        number: int = 1,
        input: BoundWorkflow[Any] | None = None,
        key: str | None = None,
        force: bool = False,
        refuse: Callable[[Snapshot, bytes, list[Record]], None] | None = None,
    ) -> Handle[Any]:
        """Begin a new execution with what this one had recorded before a step; its handle.

        From that step on everything is done again, under other idempotency keys. Tags and audit trail name where it
        comes from. A fork has no children: what is recorded of those spawned before the step stays, and the fork is
        told how they ended.

        Args:
            id: the execution to begin from.
            from_step: the name of the first step to run again.
            number: which call of that step, from 1 on.
            input: other arguments, such as `bill.bind(other)`. What is recorded stays as it is: where they change the
                arguments of a recorded step the fork is parked and says so.
            key: an idempotency key of the new execution.
            force: also where a step would run again of which nobody knows whether it took effect, its own or one of a
                child that would be begun anew. One that a parked execution is in doubt of is resolved first, with force
                or without.
            refuse: called with the source, the input and the records of the fork before it is made; it may raise.

        Raises:
            NotFound: there is no such execution.
            ConfigError: the input is of another workflow.
            IllegalMove: it is the execution of a step (fork the one that called the step), or a step may have taken
                effect that would run again.
            HydraError: nothing is recorded of the step, a child from before it has not ended, or its effects were
                undone.
        """
        session = self.session()
        if not is_id(id):
            raise self.not_found(id)
        snapshot, records = self.snapshot(id), self.read(lambda store: store.records(id))
        if reason := not_alone(snapshot):
            raise IllegalMove(reason)
        count = count_before(id, records, from_step, number)
        payload = self.fetched(self.read(lambda store: store.input(id))) or b"" if input is None else b""
        kept = [record.payload for record in records[:count]]
        if refuse is not None:
            records = fetched_history(session.store, payload, records)[1]
        if reason := why_closed([payload, *(each for each in kept if not is_pointer(each))]):
            raise HydraError(f"execution `{id}` cannot be forked: {reason}")
        if reason := doubts.why_no_fork(session.store, snapshot, records, count, force):
            raise IllegalMove(reason)
        if input is None:
            digest = hashlib.blake2b(payload, digest_size=16).digest()
            new_id, checked = _core.uuid7(), None if key is None else check_key(key)
            if UNREADABLE in snapshot.limit_keys:
                raise HydraError(f"execution `{id}` cannot be forked: the limits of its row cannot be read")
            limits = snapshot.limit_keys or None
            submission = Submission(new_id, snapshot.workflow, payload, digest, checked, limit_keys=limits)
        elif input.name != snapshot.workflow:
            raise ConfigError(f"execution `{id}` is of workflow `{snapshot.workflow}`; give an input for that")
        else:
            self._check_unknown(session, [input])
            options = SubmitOptions(tags=snapshot.tags or None)  # which keys of limits may name
            submission = prepare(input, options, key, None, session.signatures, self.max_payload_bytes)
        if refuse is not None:
            refuse(snapshot, submission.input, list(records[:count]))
        self._require_room(session, [submission])
        fork = prepare_fork(snapshot, submission, records[:count], from_step, takes_attributes=input is None)
        lines = [author().act(submission.id, ActKind.FORK_OF, session.now(), f"with {count} records of `{id}`", id)]
        answer = session.fork(fork, lines)
        self.refuse_keyed(answer)
        return self.accept(submission, answer)

    # what AsyncEngine uses, too

    def prepare(
        self,
        bound: BoundWorkflow[Any],
        key: str | None,
        delay: timedelta | float | None,
        run_at: datetime | None,
        priority: int,
        tags: dict[str, str] | None,
        id: str | None,
        key_reuse: str | timedelta | float = KeyReuse.FIRST,
        debounce: Debounce | None = None,
    ) -> Submission:
        """One submission, checked and encoded, for which there is room, unless hooks give it tags before. Used by
        AsyncEngine."""
        session = self.session()
        self._check_unknown(session, [bound])
        request = PLAIN
        is_plain = key_reuse == KeyReuse.FIRST and debounce is None
        if delay is not None or run_at is not None or priority or tags is not None or not is_plain:
            request = check_request(delay, run_at, priority, tags, session.now(), key_reuse, debounce)
        submission = prepare(bound, request, key, id, session.signatures, self.max_payload_bytes)
        if not middleware.submit_hooks:
            self._require_room(session, [submission])
        return submission

    def hooked(self, submission: Submission) -> middleware.SubmitCall:
        """As hooks see it. Used by AsyncEngine."""
        tags = dict(submission.tags or {})
        return middleware.SubmitCall(submission.workflow, 1, submission.key, self.namespace, tags, None)

    def tagged(self, bound: BoundWorkflow[Any], submission: Submission, call: middleware.SubmitCall) -> Submission:
        """With the tags that hooks have made of its own, and the keys of limits that these lead to; there is room for
        it. Used by AsyncEngine."""
        session, tags = self.session(), tags_of(call, submission.tags)
        if tags != submission.tags:
            keys = session.signatures.terms(bound, tags).limit_keys
            submission = msgspec.structs.replace(submission, tags=tags, limit_keys=keys)
        self._require_room(session, [submission])
        return submission

    def refuse_keyed(self, answer: Submitted) -> None:
        """ConfigError where only who has a key that is not here can say whether it clashes. Used by AsyncEngine."""
        if answer.conflict:
            refuse_keyed(self.session().store, [answer])

    def accept(self, submission: Submission, answer: Submitted, bound: BoundWorkflow[Any] | None = None) -> Handle[Any]:
        """The handle of what the store answered. Used by AsyncEngine."""
        if bound is not None and answer.conflict:
            (answer,) = readmitted([bound], [answer])
        return Handle(self, accepted_id(submission, answer), submission.workflow)

    # inside

    def _handles(self, submissions: Sequence[Submission], answers: Sequence[Submitted]) -> list[Handle[Any]]:
        return [Handle(self, answer.id, s.workflow) for s, answer in zip(submissions, answers, strict=True)]

    def _check_unknown(self, session: EngineSession, bounds: Sequence[BoundWorkflow[Any]]) -> None:
        """The arguments of workflows whose code is not here, against what a supervisor recorded of them."""
        for bound in bounds:
            check_bound(bound)
        if unknown := [bound for bound in bounds if bound.workflow is None]:
            session.signatures.check(unknown)

    def _require_room(self, session: EngineSession, submissions: Sequence[Submission]) -> None:
        self.pending_bounds.require_room(session.store, submissions)
