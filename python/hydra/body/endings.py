"""How the claim of an execution ends: pure decisions about what a body returned or raised, and about why it stops."""

from __future__ import annotations

from typing import Any

import msgspec

from hydra import codec
from hydra.body.replay import Key
from hydra.definitions import Workflow
from hydra.errors import HydraError, NonDeterminismError
from hydra.execution import DIVERGED, Claimed, End, Ending

CHAIN_LENGTH_MAXIMUM = 100  # of causes and contexts looked through for a step's failure

HALTS = {"cancelled": Ending.CANCELLED, "drain": Ending.RELEASED, "lost": Ending.LOST}


def end_of_halt(reason: str, claimed: Claimed) -> End:
    return timed_out(claimed) if reason == "timeout" else End(HALTS[reason])


def timed_out(claimed: Claimed) -> End:
    error = HydraError(f"the execution ran past the timeout of workflow `{claimed.workflow}`")
    return End(Ending.FAILED, codec.encode_failure(error), cause="timeout")


def unfit_input(claimed: Claimed, error: Exception) -> End:
    message = f"the input of execution `{claimed.id}` does not fit workflow `{claimed.workflow}`: {error}"
    return End(Ending.FAILED, codec.encode_failure(HydraError(message)))


def returned(value: Any) -> End:
    try:
        return End(Ending.COMPLETED, codec.encode(value))
    except Exception as error:  # user classes take part in encoding
        return End(Ending.FAILED, codec.encode_failure(error))


def raised(
    error: BaseException, workflow: Workflow[..., Any], attempt: int, cause_seq: int, now: int, random: float
) -> End:
    """Another attempt of the execution if its policy allows one, else its failure."""
    payload = codec.encode_failure(error)
    seconds = workflow.retry.delay(attempt, error, random)
    if seconds is None:
        return End(Ending.FAILED, payload, cause_seq=cause_seq)
    return End(Ending.RETRY, payload, wake_at=now + round(seconds * 1e6), cause_seq=cause_seq)


def undone(claimed: Claimed) -> End:
    reason = (
        f"the effects of execution `{claimed.id}` were undone when it failed, so what it recorded is true no more; "
        "cancel it and submit it anew"
    )
    return End(Ending.PARKED, codec.encode(reason))


def not_undone(claimed: Claimed, unwinding: End | None) -> End:
    """It is to end, and the code does not come to all the undo steps which it registered when it ran."""
    sentence = "the code ended before it came to all undo steps that are recorded"
    return diverged(claimed, Difference(sentence, "its end", "undo steps", ""), unwinding)


class Difference(msgspec.Struct, frozen=True):
    """Where code and records part: in a sentence, what either has there, and the line of the user's code."""

    sentence: str
    code: str
    record: str
    place: str  # "" where no line of the user's is to be found


def diverged(claimed: Claimed, difference: Difference, unwinding: End | None = None) -> End:
    """`unwinding`: how it is to end once it is undone."""
    at = f", at {difference.place}" if difference.place else ""
    message = (
        f"workflow `{claimed.workflow}` no longer matches the records of execution `{claimed.id}`: "
        f"{difference.sentence}{at}; run the code it began with, then resume it"
    )
    if unwinding is not None:
        why = "was cancelled" if unwinding.kind == Ending.CANCELLED else "ran out of time"
        if unwinding.kind == Ending.FAILED and unwinding.cause != "timeout":
            why = "failed"
        message += f": it {why}, and what it did is not undone yet (or undo it by hand, then cancel it without undo)"
    reason = codec.encode(str(NonDeterminismError(message)))
    return End(Ending.PARKED, reason, wake_seq=claimed.wake_seq, cause=DIVERGED)


def told(key: Key) -> str:
    """A key in words."""
    branch, name, ordinal = key
    place = f" in branch `{branch}`" if branch else ""
    return f"`{name}` number {ordinal + 1}{place}"


def cause_seq_of(error: BaseException | None, known: dict[int, tuple[BaseException, int]]) -> int:
    """The record of the step failure that left the body, as itself or as what was raised from it; 0 if none did."""
    for _ in range(CHAIN_LENGTH_MAXIMUM):
        if error is None:
            return 0
        if id(error) in known:
            return known[id(error)][1]
        if isinstance(error, BaseExceptionGroup):
            return next((seq for each in error.exceptions if (seq := cause_seq_of(each, known))), 0)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return 0
