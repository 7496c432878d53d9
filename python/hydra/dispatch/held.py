"""One execution this node owns, and the arithmetic of group testing (G7). Knows nothing of workers.

claimed ──► waiting for a place ──► on a worker ──► ended, its commit pending ──► forgotten
                   ▲                     │
                   └── crash durable ◄───┘ its worker died
"""

from __future__ import annotations

import msgspec

from hydra.execution import Claimed, ExecutionCommit, Message, Record

ALONE_DEATHS_MAX = 3  # this many deaths of its worker in a row, with nobody beside it, park an execution
NOWHERE = -1


def company(concurrency: int, death_count: int) -> int:
    """How many executions a worker may run while it runs one that has died `death_count` times in a row."""
    return max(1, concurrency >> death_count)


class Held:
    """`token` names its present dispatch, `seq` is its last record's number, `commit` what waits to be written.

    `durable_seq` is the last number the database confirmed, kept only where it might forget it again (R19)."""

    __slots__ = (
        "alone_death_count",
        "cap",
        "commit",
        "death_count",
        "durable_seq",
        "epoch",
        "execution",
        "halt_reason",
        "id",
        "is_halted",
        "new_records",
        "seq",
        "slot",
        "token",
        "waiting_since_ns",
    )

    def __init__(self, execution: Claimed, concurrency: int, now_ns: int) -> None:
        self.execution = execution
        self.id = execution.id
        self.epoch = execution.epoch
        self.token = 0
        self.slot = NOWHERE
        self.seq = execution.records[-1].seq if execution.records else 0
        self.durable_seq = self.seq
        self.new_records: list[Record] = []
        self.commit: ExecutionCommit | None = None
        self.death_count = execution.death_count
        self.alone_death_count = execution.alone_death_count
        self.cap = company(concurrency, execution.death_count)
        self.halt_reason = ""
        self.is_halted = False
        self.waiting_since_ns = now_ns

    def take(self, message: Message) -> bool:
        """Keep it for this dispatch and any later one of this claim; False when it was here before.

        The frame that dispatched it may not have left yet, and must not bring it, too: its own list stays as it is.
        """
        if any(known.id == message.id for known in self.execution.messages):
            return False
        self.execution = msgspec.structs.replace(self.execution, messages=[*self.execution.messages, message])
        return True

    def die(self, concurrency: int, alone: bool) -> bool:
        """Count a death of its worker; True when it must be parked."""
        self.death_count += 1
        self.alone_death_count = self.alone_death_count + 1 if alone else 0
        self.cap = company(concurrency, self.death_count)
        return self.alone_death_count >= ALONE_DEATHS_MAX

    def progress(self, concurrency: int) -> None:
        """A new record: whatever killed its worker before was not this execution standing still."""
        self.death_count = 0
        self.alone_death_count = 0
        self.cap = concurrency

    def reopen(self, now_ns: int) -> None:
        """Its crash is durable: the same node keeps it under the next epoch, with all records now known."""
        self.epoch += 1
        self.execution = msgspec.structs.replace(
            self.execution,
            epoch=self.epoch,
            death_count=self.death_count,
            alone_death_count=self.alone_death_count,
            records=self.execution.records + self.new_records,
        )
        self.new_records = []
        self.is_halted = False
        self.waiting_since_ns = now_ns

    def number(self, crashes: list[Record]) -> list[Record]:
        """The crashed tries of a dead worker, as the next records after everything it sent (R13, R22)."""
        numbered = [msgspec.structs.replace(record, seq=self.seq + place) for place, record in enumerate(crashes, 1)]
        self.seq += len(numbered)
        self.new_records += numbered
        return numbered
