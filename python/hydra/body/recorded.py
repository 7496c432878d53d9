"""What the records say of each call of the code, and how an execution ends where the two differ.

ask ──► its record, in its turn      no record ──► None: it is done now; or, once it is to end, never
    └─► another call is recorded there ──► diverge: a person must look
"""

from __future__ import annotations

from typing import Any, NoReturn, Protocol

from greenlet import getcurrent

from hydra import codec
from hydra.body import endings
from hydra.body.causes import Causes
from hydra.body.endings import OTHER_PATH, SAME_CODE, Difference, told
from hydra.body.record_log import RecordLog
from hydra.body.replay import History, Key, Past
from hydra.body.source_places import place_in, place_of_function
from hydra.body.strand import Strand, running
from hydra.body.strands import Strands
from hydra.definitions import Workflow, unknown_caller
from hydra.execution import Claimed, End

Call = tuple[tuple[Any, ...], dict[str, Any]]


class OwnerOfRecorded(Protocol):
    """The execution whose records these are."""

    claimed: Claimed
    workflow: Workflow[..., Any]
    stopping: End | None
    unwinding: End | None
    strands: Strands

    @property
    def causes(self) -> Causes: ...
    @property
    def log(self) -> RecordLog: ...
    @property
    def is_to_stop(self) -> bool: ...
    def wait_turn(self, key: Key, past: Past | None) -> None:
        """Outcomes are handed out in the order of the log."""
        ...

    def stop(self, end: End) -> None: ...
    def interrupt(self) -> NoReturn: ...


class Recorded:
    """`history` is None where nothing is recorded. `difference`: where code and records part, once they do."""

    def __init__(self, execution: OwnerOfRecorded) -> None:
        self.execution = execution
        records = execution.claimed.records
        self.history = History(records) if records else None
        self.difference: Difference | None = None
        self.is_new = False  # the body has asked for something of which nothing is recorded, or rested to its end

    def ask(
        self, key: Key, kinds: tuple[str, ...], digest: bytes, call: Call | None = None, *, has_parts: bool = False
    ) -> Past | None:
        """What the records say of this call; stops the execution where code and records differ.

        `call`: what the digest is of. A field that its classes have gained since, at its default, is no difference.
        `has_parts`: parts of it have records of their own, and go on with them where its own record is lacking.
        """
        execution = self.execution
        if type(getcurrent()) is not Strand:
            raise unknown_caller(told(key))
        if execution.stopping is not None:
            execution.interrupt()
        if self.history is None:
            return None
        past = self.history.ask(key)
        self._compare(key, past, kinds, digest, call)
        execution.wait_turn(key, past)
        is_new = past is None or past.outcome is None
        self.is_new = self.is_new or is_new
        if is_new and not has_parts and execution.unwinding is not None and execution.is_to_stop:
            execution.strands.stand_still()
        return past

    def past(self, key: Key) -> Past | None:
        return None if self.history is None else self.history.ask(key)

    def crash_count(self, key: Key) -> int:
        """How many tries of that key died with their worker."""
        past = self.past(key)
        return 0 if past is None else past.try_count - past.failed_count

    # failures that are recorded

    def rebuilt(self, key: Key, payload: bytes, seq: int) -> BaseException:
        """The failure of a step, recorded as that; a divergence where the code has not its class any more."""
        failure = codec.read_failure(payload)
        self.require_class(key, failure)
        error = codec.rebuild_exception(failure)
        self.execution.causes.note(error, seq)
        self.execution.causes.note_request(seq, running().request)
        self.execution.log.hand_out(seq)  # guard G5: a body learns of its own results only with their number
        return error

    def require_class(self, key: Key, failure: codec.Failure) -> None:
        missing = codec.missing_class(failure)
        if missing:
            sentence = f"{told(key)} failed with `{missing}`, and the code has no such class"
            self.diverge(sentence, "no such class", f"a failure of class `{missing}`")

    # where code and records part

    def _compare(self, key: Key, past: Past | None, kinds: tuple[str, ...], digest: bytes, call: Call | None) -> None:
        assert self.history is not None
        difference, remedy, code = None, SAME_CODE, told(key)
        if past is None or past.outcome is None:
            left = None if self.execution.workflow.is_async else self.history.unasked(key[0])
            if left is not None:
                difference = f"the code asks for {told(key)}, the record has {told(left)}", told(left)
        elif past.outcome.kind not in kinds:
            difference = f"{told(key)} is recorded as a `{past.outcome.kind}`", f"a `{past.outcome.kind}`"
        if past is not None and digest and past.digest not in (b"", digest) and not is_recorded(past.digest, call):
            reason = "" if call is None else codec.why_other_call(past.digest, *call)
            sentence = (
                f"{told(key)} is called with other arguments "
                f"(digest {digest.hex()}) than the record has (digest {past.digest.hex()})"
            )
            if reason:
                sentence, code = f"{sentence}: {reason}", f"{code} with other arguments: {reason}"
            difference = sentence, f"{told(key)} with arguments of digest {past.digest.hex()}"
            if self.execution.claimed.attempt > 1:
                remedy = OTHER_PATH
        if difference is not None:
            self.diverge(difference[0], code, difference[1], remedy)

    def left_over(self, how: str, code: str, place: str = "") -> End | None:
        """The end of one that comes to an end, or to a wait, with records that its code has not asked for."""
        left = self.history.unasked() if self.history is not None else None
        if left is None:
            return None
        sentence = f"{how}, and never asked for {told(left)}, which is recorded"
        place = place or place_of_function(self.execution.workflow.function)
        return self.diverged(Difference(sentence, code, told(left), place))

    def differ(self, sentence: str, code: str, record: str, place: str) -> None:
        """Code and records part: it ends, if nothing has ended it yet."""
        self.execution.stop(self.diverged(Difference(sentence, code, record, place)))

    def diverge(self, sentence: str, code: str, record: str, remedy: str = SAME_CODE) -> NoReturn:
        """Stop here, because code and records differ."""
        place = place_in(running(), self.execution.strands.waiting)
        self.execution.stop(self.diverged(Difference(sentence, code, record, place, remedy)))
        self.execution.interrupt()

    def diverged(self, difference: Difference) -> End:
        self.difference = difference
        return endings.diverged(self.execution.claimed, difference, self.execution.unwinding)


def is_recorded(digest: bytes, call: Call | None) -> bool:
    return call is not None and codec.is_call_of(digest, *call)
