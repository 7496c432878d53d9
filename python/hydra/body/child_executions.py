"""Children of an execution: begun by a record, waited for by a message, without a thread. Never writes a database."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar, cast

import msgspec

from hydra import _core, codec, middleware
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.body.replay import Key
from hydra.body.waits import wait_message
from hydra.context import inside
from hydra.definitions import BoundWorkflow, caller, calling
from hydra.errors import HydraError, IdempotencyConflict, KeyTaken, WorkflowCancelled, WorkflowFailed
from hydra.execution import RESERVED_PREFIX, ChildKey, KeyReuse, RecordKind, Submission
from hydra.inputs import encode_bound
from hydra.keys import check_key, check_key_reuse
from hydra.middleware import SubmitCall
from hydra.records import child_records
from hydra.records.child_records import SPAWN_PREFIX
from hydra.records.ends import read_outcome
from hydra.tags import tags_of
from hydra.workflow import code_of, registry
from hydra.written import written

R = TypeVar("R")

SPAWN = str(RecordKind.SPAWN)
SPAWN_AGAIN_PREFIX = f"{RESERVED_PREFIX}spawn_again:"  # of those that repeat one by the digest which its key knows


def begin(bound: BoundWorkflow[R], key: str | None = None, *, key_reuse: str = KeyReuse.FIRST) -> Child[R]:
    """Begin a child execution; `child.result()` waits for its end without a thread.

        child = hydra.spawn(ship.bind(card), key=f"ship-{card}")
        tracking = child.result()

    This execution's end leaves its children alone; its cancel cancels those it made, and theirs, that have not ended.

    Args:
        bound: a workflow with its arguments.
        key: an idempotency key: the execution that has it already is the child.
        key_reuse: for a key that was used before: `"first"`, `"reject"` (raises KeyTaken) or `"after_end"` (begins
            another where the last has ended), as of `Engine.submit`.

    Raises:
        IdempotencyConflict: the key was used with other arguments.
        KeyTaken: `key_reuse` lets nobody use the key again.
    """
    here = inside("hydra.spawn")
    child: Child[R] = here.spawn(check_bound(bound), check_child_key(key, key_reuse))
    return child


def check_child_key(key: str | None, key_reuse: str) -> ChildKey | None:
    reuse = check_key_reuse(key_reuse)
    return None if key is None else ChildKey(check_key(key), reuse)


def check_bound(bound: BoundWorkflow[R]) -> BoundWorkflow[R]:
    if not isinstance(bound, BoundWorkflow):
        raise HydraError(f"`hydra.spawn` takes a bound workflow such as `settle.bind(invoice)`, not {written(bound)}")
    return bound


class Child(Generic[R]):
    """A child execution, as its parent's body holds it. `R` is what its workflow returns."""

    __slots__ = ("id", "parent_id", "request_id", "workflow")

    def __init__(self, id: str, workflow: str, request_id: str, parent_id: str) -> None:
        self.id = id
        self.workflow = workflow
        self.request_id = request_id
        self.parent_id = parent_id

    def result(self) -> R:
        """Wait for its end; its result, or WorkflowFailed from what left its body, or WorkflowCancelled."""
        here = calling("`child.result()`")
        if here is None:
            raise HydraError(f"`child.result()` belongs in the body that spawned it; use `engine.get({self.id!r})`")
        return cast(R, cast(Any, here).child_result(self))

    def wait(self, execution: RunningExecution) -> R:
        """`result`, in a strand of the parent."""
        self.check_parent(execution)
        name = child_records.CHILD_PREFIX + self.request_id
        payload = wait_message(execution, ("", name, 0), name, None)
        assert payload is not None
        end = child_records.decode_end(payload)
        outcome = end.status, end.payload, end.cause
        try:
            return cast(R, read_outcome(self.id, self.workflow, outcome, registry.function_of(self.workflow)))
        except (WorkflowFailed, WorkflowCancelled) as error:
            execution.causes.note(error, execution.mailbox.child_seqs[name])
            raise

    def check_parent(self, execution: RunningExecution) -> None:
        """The database tells the end of a child to nobody but its parent."""
        if self.parent_id != execution.claimed.id:
            raise HydraError(
                f"child `{self.id}` is not of execution `{execution.claimed.id}` but of `{self.parent_id}`, which "
                "alone can wait for it; give its result on by an argument, an event or a callback"
            )

    def __repr__(self) -> str:
        return f"<hydra.Child `{self.workflow}` {self.id}>"


class AsyncChild(Child[R]):
    """A child of an async body."""

    __slots__ = ()

    def result(self) -> Coroutine[Any, Any, R]:  # type: ignore[override]
        """Wait for its end; see `Child.result`."""
        return cast(Any, super().result())  # type: ignore[no-any-return]


def spawn(
    execution: RunningExecution,
    branch: str,
    ordinal: int,
    bound: BoundWorkflow[R],
    child_key: ChildKey | None,
    child: type[Child[R]],
) -> Child[R]:
    """Begin a child, or find it in the records. With a key, what the key stands for already is the child."""
    digest = codec.digest_of_call(bound.args, bound.kwargs)[0]
    request_id = _ask_for_child(execution, (branch, SPAWN_PREFIX + bound.name, ordinal), bound, child_key, digest)
    if child_key is None:
        return child(request_id, bound.name, request_id, execution.claimed.id)
    answer = _wait_answer(execution, branch, request_id)
    if answer.conflicting and codec.is_call_of(answer.conflicting, bound.args, bound.kwargs):
        place = (branch, SPAWN_AGAIN_PREFIX + bound.name, ordinal)
        request_id = _ask_for_child(execution, place, bound, child_key, digest, answer.conflicting)
        answer = _wait_answer(execution, branch, request_id)
    if answer.child_id is not None:
        return child(answer.child_id, bound.name, request_id, execution.claimed.id)
    if answer.conflicting is not None:
        message = f"key `{child_key.key}` of workflow `{bound.name}` was used before with other arguments"
        raise IdempotencyConflict(f"{message}; use another one", conflicts=[child_key.key])
    message = f"key `{child_key.key}` of workflow `{bound.name}` was used by execution `{answer.taken_by}`"
    raise KeyTaken(f"{message}; use another one", conflicts=[child_key.key], execution_id=answer.taken_by)


def _ask_for_child(
    execution: RunningExecution,
    place: Key,
    bound: BoundWorkflow[Any],
    child_key: ChildKey | None,
    digest: bytes,
    known_digest: bytes | None = None,
) -> str:
    """The id of the request, recorded or made now. `known_digest`: that of the same arguments when their classes
    lacked fields, by which the key knows them."""
    past = execution.recorded.ask(place, (SPAWN,), digest, (bound.args, bound.kwargs))
    if past is not None and past.outcome is not None:
        assert past.outcome.payload is not None
        return child_records.decode_id(past.outcome.payload)
    if bound.workflow is None and (code := code_of(bound)) is not None:
        code.fit_call(bound.args, bound.kwargs)
    key, reuse = child_key or (None, KeyReuse.FIRST)
    asked = Submission(
        _core.uuid7(),
        bound.name,
        encode_bound(bound)[0],
        known_digest or digest,
        key,
        execution.claimed.priority,
        key_reuse=reuse,
    )
    if middleware.submit_hooks and execution.host.has_hooks:
        return _record_with_hooks(execution, place, asked, bound, digest)
    return _record(execution, place, _with_terms(asked, bound), digest)


def _with_terms(asked: Submission, bound: BoundWorkflow[Any]) -> Submission:
    """With what its code says, whether it was called by that or by its name; else the node adds what it knows."""
    code = code_of(bound)
    if code is None:
        return msgspec.structs.replace(asked, is_by_name=True)
    terms = code.terms(bound.args, bound.kwargs, asked.tags)
    return msgspec.structs.replace(
        asked, timeout_us=terms.limit_us, limit_keys=terms.limit_keys, attributes=terms.attributes
    )


def _record(execution: RunningExecution, place: Key, asked: Submission, digest: bytes) -> str:
    now = execution.host.now()
    execution.log.append(SPAWN, place, digest, child_records.encode_request(asked), Timing(1, now, now))
    execution.log.hand_out()
    return asked.id


def _record_with_hooks(
    execution: RunningExecution, place: Key, asked: Submission, bound: BoundWorkflow[Any], digest: bytes
) -> str:
    call = SubmitCall(asked.workflow, 1, asked.key, execution.host.namespace, {}, execution.claimed.id)
    token = caller.set(None)  # hooks are no part of the body: what they called would be recorded
    try:
        with middleware.around_submission(call):
            tagged = msgspec.structs.replace(asked, tags=tags_of(call, None))
            id = _record(execution, place, _with_terms(tagged, bound), digest)
            call.ids = (id,)
    finally:
        caller.reset(token)
    return id


def _wait_answer(execution: RunningExecution, branch: str, request_id: str) -> child_records.Answer:
    name = child_records.SPAWNED_PREFIX + request_id
    payload = wait_message(execution, (branch, name, 0), name, None)
    assert payload is not None
    return child_records.read_answer(payload)
