"""Why a worker ended: a kind, which the metric `worker_restarts_total` counts by, and a sentence for people."""

from __future__ import annotations

from enum import StrEnum
from signal import Signals

import msgspec


class WorkerEndKind(StrEnum):
    """The values are the metric's labels."""

    SIGNAL = "signal"  # of another's, or of its own fault
    EXIT = "exit"
    DRAINED = "drained"
    START = "start"  # it never came up
    SILENT = "silent"  # its process stood still
    OVERDUE = "overdue"  # a step or a body in it did not end in time
    MEMORY = "memory"  # it took more than it may
    LEASE = "lease"  # its node may not write any more
    PROTOCOL = "protocol"


class WorkerEnd(msgspec.Struct, frozen=True):
    kind: WorkerEndKind
    sentence: str

    @classmethod
    def of_signal(cls, number: int) -> WorkerEnd:
        return cls(WorkerEndKind.SIGNAL, f"signal {Signals(number).name}")

    @classmethod
    def of_exit_code(cls, code: int) -> WorkerEnd:
        return cls(WorkerEndKind.EXIT if code else WorkerEndKind.DRAINED, f"exit code {code}")

    @classmethod
    def not_a_frame(cls, error: Exception) -> WorkerEnd:
        return cls(WorkerEndKind.PROTOCOL, f"it sent what is no frame: {error}")

    def __str__(self) -> str:
        return self.sentence


NOT_NEEDED = WorkerEnd(WorkerEndKind.DRAINED, "it is not needed any more")
DRAINED = WorkerEnd(WorkerEndKind.DRAINED, "it was drained")
STILL_BUSY = WorkerEnd(WorkerEndKind.DRAINED, "it was still busy at the end of the drain")
NOT_STARTED = WorkerEnd(WorkerEndKind.START, "it did not start in time")
NOT_FORKED = WorkerEnd(WorkerEndKind.START, "it could not be forked")
ZYGOTE_ENDED = WorkerEnd(WorkerEndKind.START, "its zygote ended before it was forked")
STOOD_STILL = WorkerEnd(WorkerEndKind.SILENT, "its process stood still")
STEP_OVERDUE = WorkerEnd(WorkerEndKind.OVERDUE, "a step ran past its time-out and could not be stopped")
BODY_OVERDUE = WorkerEnd(WorkerEndKind.OVERDUE, "a body ran longer than its `body_timeout`")
OUTGROWN = WorkerEnd(WorkerEndKind.MEMORY, "it took more memory than `--worker-memory` allows")
LEASE_LOST = WorkerEnd(WorkerEndKind.LEASE, "its node may not write any more")
DATABASE_WENT_BACK = WorkerEnd(WorkerEndKind.LEASE, "the database lost what it had confirmed")
