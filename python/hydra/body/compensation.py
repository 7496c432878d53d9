"""Compensation: the undo steps a body registers, run in reverse when the execution fails for good or is cancelled.

    body ends FAILED or CANCELLED ──► the end is sealed by a record ──► undo steps, newest first, each recorded in
                                                                        branch `undo` ──► the end
    claimed with a cancel, past its time, or sealed ──► the body is replayed as far as its records go ──► as above

Nothing here is written but through the execution's own records.
"""

from __future__ import annotations

from collections import Counter
from contextvars import Context, copy_context

import msgspec

from hydra import codec
from hydra.body import placed_steps, steps
from hydra.body.endings import told
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.body.replay import Key
from hydra.body.step_call import CalledStep
from hydra.definitions import BoundStep, caller
from hydra.errors import HydraError, Interrupt
from hydra.execution import RESERVED_PREFIX, UNDO_BRANCH, End, Ending, Record, RecordKind
from hydra.records.ends import UNDOING, failure_line

ON_FAILURE = f"{RESERVED_PREFIX}on_failure"  # the name of a registration's record; stores look for it when they cancel
UNDONE_ENDS = (Ending.FAILED, Ending.CANCELLED)


class Compensation:
    """What an execution has registered; `end` is the end that waits for it to be undone.

    `sealed` is that end where undoing began in an earlier claim: whatever a clock, a person or other code says since,
    the body goes no further, since what it did may be undone already.
    """

    def __init__(self, records: list[Record]) -> None:
        self._recorded_count = sum(record.name == ON_FAILURE for record in records) if records else 0
        self.sealed: End | None = None
        if self._recorded_count:
            mark = next((record for record in records if record.name == UNDOING), None)
            if mark is not None:
                assert mark.payload is not None
                self.sealed, self._recorded_count = decode_seal(mark.payload)
        self.end: End | None = None
        self._steps: dict[Key, tuple[int, BoundStep[object], Context]] = {}  # with the number of each one's record
        self._is_done = False

    @property
    def has_records(self) -> bool:
        return self._recorded_count > 0

    @property
    def is_complete(self) -> bool:
        """Whether the replay has come to everything that was registered."""
        return len(self._steps) >= self._recorded_count

    def is_due(self, end: End) -> bool:
        return end.kind in UNDONE_ENDS and bool(self._steps) and not self._is_done

    def register(self, execution: RunningExecution, branch: str, ordinal: int, bound: BoundStep[object]) -> None:
        key = (branch, ON_FAILURE, ordinal)
        digest = codec.digest_of_call(bound.args, bound.kwargs)[0]
        past = execution.recorded.ask(key, (RecordKind.VALUE,), digest, (bound.args, bound.kwargs))
        if past is None or past.outcome is None:
            now = execution.host.now()
            execution.log.append(str(RecordKind.VALUE), key, digest, codec.encode(bound.step.name), Timing(1, now, now))
            self._steps[key] = execution.log.seq, bound, copy_context()  # it counts, though nobody may wait for it
            execution.log.hand_out()
            return
        if past.outcome.payload != (name := codec.encode(bound.step.name)):
            recorded = f"`{codec.decode(past.outcome.payload or name)}`"
            sentence = f"{told(key)} registers `{bound.step.name}`, and the record has {recorded}"
            execution.recorded.diverge(sentence, f"`{bound.step.name}`", recorded)
        self._steps[key] = past.outcome.seq, bound, copy_context()

    def recall(self, execution: RunningExecution, branch: str, ordinal: int, bound: BoundStep[object]) -> None:
        """What is recorded counts, also where its task was given up, and its strand may never come to it."""
        key = (branch, ON_FAILURE, ordinal)
        past = execution.recorded.past(key) if self._recorded_count else None
        if past is not None and past.outcome is not None:
            self._steps[key] = past.outcome.seq, bound, copy_context()

    def run(self, execution: RunningExecution) -> None:
        """All of them, newest first; what could not be undone makes the end a failure that says so."""
        assert self.end is not None
        end = self.end
        self._seal(execution, end)
        placed_steps.wait_for_open(execution)
        ordinals: Counter[str] = Counter()
        failures: list[BaseException] = []
        for _, bound, context in sorted(self._steps.values(), key=lambda each: each[0], reverse=True):
            enter(context)
            name = bound.step.name
            digest = codec.digest_of_call(bound.args, bound.kwargs)[0]
            ordinals[name] += 1
            try:
                steps.run_step(execution, CalledStep.of(UNDO_BRANCH, ordinals[name] - 1, bound, digest))
            except Interrupt:
                return
            except BaseException as error:
                failures.append(error)
            execution.log.hand_out()
        self._is_done = True
        end = failed_to_undo(end, failures) if failures else end
        execution.stop(msgspec.structs.replace(end, is_undone=True))

    def _seal(self, execution: RunningExecution, end: End) -> None:
        """Durable before the first undo step runs."""
        key = (UNDO_BRANCH, UNDOING, 0)
        past = execution.recorded.ask(key, (RecordKind.VALUE,), b"")
        if past is None or past.outcome is None:
            now = execution.host.now()
            payload = encode_seal(end, len(self._steps))
            execution.log.append(str(RecordKind.VALUE), key, b"", payload, Timing(execution.claimed.attempt, now, now))
            execution.log.hand_out()


def enter(context: Context) -> None:
    """An undo step sees what the body had set where it was registered."""
    for variable, value in context.items():
        if variable is not caller:
            variable.set(value)


def encode_seal(end: End, step_count: int) -> bytes:
    """How an execution ends, and how many undo steps come before that."""
    said = {"end": end.kind, "payload": end.payload, "cause": end.cause, "cause_seq": end.cause_seq}
    return codec.encode(said | {"steps": step_count}, 2 * codec.MAX_PAYLOAD_BYTES)


def decode_seal(payload: bytes) -> tuple[End, int]:
    said = codec.decode(payload)
    end = End(said["end"], said["payload"], cause_seq=said["cause_seq"], cause=said["cause"])
    return end, said["steps"]


def failed_to_undo(end: End, failures: list[BaseException]) -> End:
    why = "was cancelled"
    if end.kind == Ending.FAILED and end.payload is not None:
        why = f"failed ({failure_line(codec.read_failure(end.payload))})"
    told = "; ".join(codec.told_error(error) for error in failures)
    message = f"the execution {why}, and {len(failures)} of its undo steps failed for good ({told}); a person must undo"
    return End(Ending.FAILED, codec.encode_failure(HydraError(message)), cause=end.cause)
