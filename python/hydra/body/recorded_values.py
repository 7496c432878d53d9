"""What a body learns once and is told again in each replay: how long it sleeps, `now`, `uuid4`, `random`, `patched`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hydra import codec
from hydra.body import versions
from hydra.body.endings import told
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.body.replay import PATCHED_PREFIX, Key
from hydra.body.replay_order import Order
from hydra.body.source_places import place_of
from hydra.errors import Interrupt
from hydra.execution import RecordKind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SLEEP, VALUE = str(RecordKind.SLEEP), str(RecordKind.VALUE)


def sleep(execution: RunningExecution, branch: str, ordinal: int, seconds: float) -> None:
    key = (branch, "hydra.sleep", ordinal)
    past = execution.recorded.ask(key, (SLEEP,), b"")
    if past is not None and past.outcome is not None:
        execution.strands.wait_until(past.outcome.due_at)
        if past.outcome.due_at >= execution.claimed.run_at:
            execution.recorded.is_new = True  # no claim before this one has come past it
        return
    now = execution.host.now()
    due_at = now + round(seconds * 1e6)
    execution.log.append(SLEEP, key, b"", None, Timing(1, now, now, due_at))
    execution.log.hand_out()
    execution.strands.wait_until(due_at)


def value(execution: RunningExecution, branch: str, name: str, ordinal: int, make: Callable[[], Any]) -> Any:
    key = (branch, name, ordinal)
    past = execution.recorded.ask(key, (VALUE,), b"")
    if past is not None and past.outcome is not None:
        assert past.outcome.payload is not None
        return codec.decode(past.outcome.payload)
    payload = make_value(execution, name, make)
    append_value(execution, key, payload)
    return codec.decode(payload)


def value_at_once(execution: RunningExecution, order: Order, key: Key, make: Callable[[], Any]) -> bytes:
    """`value` in an async body, where nothing may wait."""
    order.ask(key)
    past = None if execution.history is None else execution.history.ask(key)
    difference = None
    if past is not None and past.outcome is not None:
        if past.outcome.kind == VALUE and past.outcome.payload is not None:
            return past.outcome.payload
        difference = f"a `{past.outcome.kind}`"
    elif execution.history is not None and not order.is_live and not key[1].startswith(PATCHED_PREFIX):
        left = execution.history.unasked(key[0])
        difference = None if left is None else told(left)
    if difference is not None:
        sentence = f"the code asks for {told(key)}, the record has {difference}"
        execution.recorded.differ(sentence, told(key), difference, place_of(sys._getframe()))
        raise Interrupt(f"execution `{execution.claimed.id}` stops here; let this exception pass")
    payload = make_value(execution, key[1], make)
    if execution.unwinding is None:
        append_value(execution, key, payload)
    return payload


def make_value(execution: RunningExecution, name: str, make: Callable[[], Any]) -> bytes:
    if name.startswith("hydra.now"):
        return codec.encode(EPOCH + timedelta(microseconds=execution.host.now()))
    return codec.encode(make())


def append_value(execution: RunningExecution, key: Key, payload: bytes) -> None:
    now = execution.host.now()
    execution.log.append(VALUE, key, b"", payload, Timing(1, now, now))
    execution.log.hand_out()


def patched(execution: RunningExecution, branch: str, name: str) -> bool:
    full_name = PATCHED_PREFIX + name
    if full_name not in execution.pinned:
        if execution.stopping is not None:
            execution.interrupt()
        known = versions.is_patched(execution.history, branch, name)
        execution.pinned[full_name] = value(execution, "", full_name, 0, lambda: True) if known is None else known
    return cast(bool, execution.pinned[full_name])


def pinned(execution: RunningExecution, name: str, make: Callable[[], Any]) -> Any:
    if name not in execution.pinned:
        execution.pinned[name] = value(execution, "", name, 0, make)
    return execution.pinned[name]
