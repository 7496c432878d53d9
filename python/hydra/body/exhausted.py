"""A step or an execution whose attempts ran out waits for a person, where its `on_exhausted` says so.

    no attempt left ──► a record that names what ran out, in one commit with the park (only thus: it may go on)
    resumed ──► what ran out has all its attempts once more          cancelled ──► undone

A death before that commit leaves the last failed try without this record, so the replay parks in its turn.
"""

from __future__ import annotations

from typing import NoReturn

from hydra import codec
from hydra.body.endings import told
from hydra.body.protocol import RunningExecution
from hydra.body.replay import Key
from hydra.execution import EXHAUSTED, UNDO_BRANCH, Claimed, End, Ending
from hydra.records.ends import failure_line

MAX_ERROR_LENGTH = 500


def park_step(execution: RunningExecution, key: Key, seq: int, payload: bytes) -> NoReturn:
    """`seq` is the record of its last try, `payload` how that failed."""
    execution.causes.exhausted.append(seq)
    execution.stop(_park(execution.claimed, f"step {told(key)}", payload, may_undo=key[0] != UNDO_BRANCH))
    execution.interrupt()


def park_attempt(claimed: Claimed, payload: bytes) -> End:
    """`payload` is what left the body."""
    return _park(claimed, f"execution `{claimed.id}`", payload, may_undo=True)


def _park(claimed: Claimed, what: str, payload: bytes, *, may_undo: bool) -> End:
    error = failure_line(codec.read_failure(payload))
    reason = f"{what} ran out of attempts ({error:.{MAX_ERROR_LENGTH}}); see to that, then `hydra resume {claimed.id}`"
    reason += " gives it new ones"
    if may_undo:
        reason += f", or `hydra cancel {claimed.id}` ends it, its undo steps first"
    return End(Ending.PARKED, codec.encode(reason), cause=EXHAUSTED)
