"""Children of an execution: begun by a record, waited for by a message, without a thread. Never writes a database."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from hydra import _core, codec, family
from hydra.body.mailbox import wait_message
from hydra.client.handle import read_outcome
from hydra.client.submissions import check_key
from hydra.context import inside
from hydra.definitions import RESERVED_PREFIX, BoundWorkflow, caller
from hydra.errors import HydraError, IdempotencyConflict
from hydra.execution import RecordKind, Submission

if TYPE_CHECKING:
    from hydra.body.executor import Execution

R = TypeVar("R")

SPAWN = str(RecordKind.SPAWN)
SPAWN_PREFIX = f"{RESERVED_PREFIX}spawn:"  # of the keys of spawns


def begin(bound: BoundWorkflow[R], key: str | None = None) -> Child[R]:
    """Begin a child execution; `child.result()` waits for it without a thread.

    With a `key`, the execution that has it already is the child; IdempotencyConflict if its arguments are others. This
    execution's end leaves its children alone; its cancel cancels those it made, and theirs, that have not ended.
    """
    here = inside("hydra.spawn")
    child: Child[R] = here.spawn(check_bound(bound), None if key is None else check_key(key))
    return child


def check_bound(bound: BoundWorkflow[R]) -> BoundWorkflow[R]:
    if not isinstance(bound, BoundWorkflow):
        raise HydraError(f"`hydra.spawn` takes a bound workflow such as `settle.bind(invoice)`, not {bound!r}.")
    return bound


class Child(Generic[R]):
    """A child execution, as its parent's body holds it. `R` is what its workflow returns."""

    __slots__ = ("_request_id", "id", "workflow")

    def __init__(self, id: str, workflow: str, request_id: str) -> None:
        self.id = id
        self.workflow = workflow
        self._request_id = request_id

    def result(self) -> R:
        """Wait for its end; its result, or WorkflowFailed from what left its body, or WorkflowCancelled."""
        here = caller.get()
        return cast(R, cast(Any, here).child_result(self))

    def wait(self, execution: Execution) -> R:
        """`result`, in a strand of the parent."""
        name = family.CHILD_PREFIX + self._request_id
        payload = wait_message(execution, ("", name, 0), name, None)
        assert payload is not None
        end = family.decode_end(payload)
        return cast(R, read_outcome(self.id, self.workflow, (end.status, end.payload, end.cause)))

    def __repr__(self) -> str:
        return f"<hydra.Child `{self.workflow}` {self.id}>"


class AsyncChild(Child[R]):
    """A child of an async body."""

    __slots__ = ()

    def result(self) -> Coroutine[Any, Any, R]:  # type: ignore[override]
        """Wait for its end; see `Child.result`."""
        return cast(Any, super().result())  # type: ignore[no-any-return]


def spawn(
    execution: Execution, branch: str, ordinal: int, bound: BoundWorkflow[R], key: str | None, child: type[Child[R]]
) -> Child[R]:
    """Begin a child, or find it in the records. With a key, what the key stands for already is the child."""
    input, digest = codec.encode_call(bound.args, bound.kwargs)
    place = (branch, SPAWN_PREFIX + bound.name, ordinal)
    past = execution.ask(place, (SPAWN,), digest)
    if past is not None and past.outcome is not None:
        assert past.outcome.payload is not None
        request_id = family.decode_id(past.outcome.payload)
    else:
        request_id = _core.uuid7()
        timeout_us = None if bound.workflow is None else bound.workflow.timeout_us
        priority = execution.claimed.priority
        asked = Submission(request_id, bound.name, input, digest, key, priority, None, timeout_us)
        now = execution.host.now()
        execution.append(SPAWN, place, 1, digest, family.encode_request(asked), now, now)
        execution.handed = execution.seq
    if key is None:
        return child(request_id, bound.name, request_id)
    name = family.SPAWNED_PREFIX + request_id
    answer = wait_message(execution, (branch, name, 0), name, None)
    assert answer is not None
    id = _core.decode(answer)
    if id is None:
        message = f"key `{key}` of workflow `{bound.name}` was used before with other arguments; use another one"
        raise IdempotencyConflict(message, conflicts=[key])
    return child(cast(str, id), bound.name, request_id)
