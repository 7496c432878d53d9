"""What a body learns once and is told again in each replay: how long it sleeps, `now`, `uuid4`, `random`, `patched`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from hydra import codec
from hydra.body import versions
from hydra.body.replay import PATCHED_PREFIX, Key
from hydra.execution import RecordKind

if TYPE_CHECKING:
    from hydra.body.executor import Execution

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SLEEP, VALUE = str(RecordKind.SLEEP), str(RecordKind.VALUE)


def sleep(execution: Execution, branch: str, ordinal: int, seconds: float) -> None:
    key = (branch, "hydra.sleep", ordinal)
    past = execution.ask(key, (SLEEP,), b"")
    if past is not None and past.outcome is not None:
        execution.wait_until(past.outcome.due_at)
        return
    now = execution.host.now()
    due_at = now + round(seconds * 1e6)
    execution.append(SLEEP, key, 1, b"", None, now, now, due_at)
    execution.handed = execution.seq
    execution.wait_until(due_at)


def value(execution: Execution, branch: str, name: str, ordinal: int, make: Callable[[], Any]) -> Any:
    key = (branch, name, ordinal)
    past = execution.ask(key, (VALUE,), b"")
    if past is not None and past.outcome is not None:
        assert past.outcome.payload is not None
        return codec.decode(past.outcome.payload)
    payload = make_value(execution, name, make)
    append_value(execution, key, payload)
    return codec.decode(payload)


def make_value(execution: Execution, name: str, make: Callable[[], Any]) -> bytes:
    if name.startswith("hydra.now"):
        return codec.encode(EPOCH + timedelta(microseconds=execution.host.now()))
    return codec.encode(make())


def append_value(execution: Execution, key: Key, payload: bytes) -> None:
    now = execution.host.now()
    execution.append(VALUE, key, 1, b"", payload, now, now)
    execution.handed = execution.seq


def patched(execution: Execution, branch: str, name: str) -> bool:
    full_name = PATCHED_PREFIX + name
    if full_name not in execution.pinned:
        if execution.stopping is not None:
            execution.interrupt()
        known = versions.is_patched(execution.history, branch, name)
        execution.pinned[full_name] = value(execution, "", full_name, 0, lambda: True) if known is None else known
    return cast(bool, execution.pinned[full_name])


def pinned(execution: Execution, name: str, make: Callable[[], Any]) -> Any:
    if name not in execution.pinned:
        execution.pinned[name] = value(execution, "", name, 0, make)
    return execution.pinned[name]
