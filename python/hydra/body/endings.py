"""How the claim of an execution ends: pure decisions about what a body returned or raised, and about why it stops."""

from __future__ import annotations

from typing import Any

import msgspec

from hydra import codec
from hydra.body.replay import Key
from hydra.errors import HydraError, NonDeterminismError
from hydra.execution import DIVERGED, Claimed, End, Ending
from hydra.records.ends import undone_reason
from hydra.retry import Verdict

HALTS = {"cancelled": Ending.CANCELLED, "drain": Ending.RELEASED, "refused": Ending.RELEASED, "lost": Ending.LOST}


def end_of_halt(reason: str, claimed: Claimed) -> End:
    return timed_out(claimed) if reason == "timeout" else End(HALTS[reason])


def timed_out(claimed: Claimed) -> End:
    error = HydraError(f"the execution ran past the timeout of workflow `{claimed.workflow}`")
    return End(Ending.FAILED, codec.encode_failure(error), cause="timeout")


def unfit_input(claimed: Claimed, error: BaseException) -> End:
    said = codec.message_of(error)
    message = f"the input of execution `{claimed.id}` does not fit workflow `{claimed.workflow}`: {said}"
    return End(Ending.FAILED, codec.encode_failure(HydraError(message)))


def returned(value: Any, types: codec.Signature) -> End:
    try:
        return End(Ending.COMPLETED, types.encode_proven_result(value))
    except BaseException as error:  # user classes take part in encoding
        return End(Ending.FAILED, codec.encode_failure(error))


def raised(payload: bytes, verdict: Verdict, cause_seq: int, now: int) -> End:
    """Another attempt of the execution if its policy allows one, else its failure."""
    if verdict.seconds is None:
        return End(Ending.FAILED, payload, cause_seq=cause_seq)
    return End(Ending.RETRY, payload, wake_at=now + round(verdict.seconds * 1e6), cause_seq=cause_seq)


def undone(claimed: Claimed) -> End:
    return End(Ending.PARKED, codec.encode(undone_reason(claimed.id)))


def not_undone(claimed: Claimed, unwinding: End | None) -> End:
    """It is to end, and the code does not come to all the undo steps which it registered when it ran."""
    sentence = "the code ended before it came to all undo steps that are recorded"
    return diverged(claimed, Difference(sentence, "its end", "undo steps", ""), unwinding)


def unexpected(claimed: Claimed, error: BaseException) -> End:
    """An error came out where none is expected: its records stand as they are."""
    reason = (
        f"execution `{claimed.id}` met an error where none is expected ({codec.told_error(error)}); see the worker's "
        "log, mend the code, then resume it"
    )
    return End(Ending.PARKED, codec.encode(reason))


def waits_for_nothing(claimed: Claimed) -> End:
    """Its code awaits something that nothing will bring: no step, no timer, no event."""
    reason = (
        f"the async body of execution `{claimed.id}` waits for something that nothing will bring: no step runs, and it "
        "waits for no event, child or time; mend its code, then resume it, or cancel it"
    )
    return End(Ending.PARKED, codec.encode(reason))


SAME_CODE = "run the code it began with, then resume it"
OTHER_PATH = (
    "if the code is the one it began with, its new attempt takes another path than the attempt that recorded this, "
    "which stands: let the step have the same arguments in each attempt, or another name on the other path, "
    "then resume it"
)


class Difference(msgspec.Struct, frozen=True):
    """Where code and records part: in a sentence, what either has there, and the line of the user's code."""

    sentence: str
    code: str
    record: str
    place: str  # "" where no line of the user's is to be found
    remedy: str = SAME_CODE


def diverged(claimed: Claimed, difference: Difference, unwinding: End | None = None) -> End:
    """`unwinding`: how it is to end once it is undone."""
    at = f", at {difference.place}" if difference.place else ""
    message = (
        f"workflow `{claimed.workflow}` no longer matches the records of execution `{claimed.id}`: "
        f"{difference.sentence}{at}; {difference.remedy}"
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
