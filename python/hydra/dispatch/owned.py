"""One execution this node owns, and the arithmetic of group testing (G7). Knows nothing of workers.

claimed ──► waiting for a place ──► on a worker ──► ended, its commit pending ──► forgotten
                   ▲                     │
                   └── crash durable ◄───┘ its worker died
"""

from __future__ import annotations

import msgspec

from hydra._core import encode
from hydra.execution import Claimed, End, Ending, ExecutionCommit, Message, Record, RecordKind
from hydra.payload_keys import encrypted_with
from hydra.records.tries import Told

MAX_ALONE_DEATHS = 3  # this many deaths of its worker in a row, with nobody beside it, park an execution
NOWHERE = -1
MAX_NEW_BYTES = 32 << 20  # recorded in one claim and kept for another dispatch; past it, the database gives them again


def shared_concurrency(concurrency: int, death_count: int) -> int:
    """How many executions a worker may run while it runs one that has died `death_count` times in a row."""
    return max(1, concurrency >> death_count)  # guard G7: each death in a row halves what may run beside it


def unreadable(execution: Claimed) -> tuple[str, str] | None:
    """What is wrong with one that this node cannot run, and what a person is to do; None where it can."""
    if execution.unreadable:
        return f"its row in the database is damaged: {execution.unreadable}", "find the cause"
    payloads = [record.payload for record in execution.records]
    payloads += [execution.input, *(message.payload for message in execution.messages)]
    key_id = next((id for each in payloads if (id := encrypted_with(each)) is not None), None)
    if key_id is None:
        return None
    what = f"it is encrypted with the payload key `{key_id}`, which its node does not have"
    return what, "start nodes with that key"


class OwnedExecution:
    """`token` names its present dispatch, `seq` is its last record's number, `commit` what waits to be written.

    `durable_seq` is the last number the database confirmed, since it might forget it again (R19)."""

    __slots__ = (
        "alone_death_count",
        "cap",
        "commit",
        "death_count",
        "durable_seq",
        "ended_in",
        "epoch",
        "execution",
        "halt_reason",
        "id",
        "is_halted",
        "is_refused",
        "is_undecided",
        "message_number",
        "new_bytes",
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
        self.ended_in = NOWHERE  # its last dispatch told its end in that slot, and waits to hear that it is written
        self.seq = execution.records[-1].seq if execution.records else 0
        self.durable_seq = self.seq
        self.new_records: list[Record] = []
        self.new_bytes = 0
        self.commit: ExecutionCommit | None = None
        self.death_count = execution.death_count
        self.alone_death_count = execution.alone_death_count  # guard G7: deaths of before count
        self.cap = shared_concurrency(concurrency, execution.death_count)
        self.halt_reason = ""
        self.is_halted = False
        self.is_refused = False  # what it recorded cannot be written: its body is to end, and then it is parked
        self.waiting_since_ns = now_ns
        self.is_undecided = False  # the database is asked whether it wrote an expiry, or the event it waited for
        self.message_number = execution.messages[-1].number if execution.messages else 0

    def take(self, message: Message) -> bool:
        """Keep it for this dispatch and any later one of this claim; False when it was here before.

        The frame that dispatched it may not have left yet, and must not bring it, too: its own list stays as it is.
        """
        self.message_number = max(self.message_number, message.number)
        if any(known.id == message.id for known in self.execution.messages):
            return False
        # guard R17: what a beat brings does not come with the dispatch that has not left
        self.execution = msgspec.structs.replace(self.execution, messages=[*self.execution.messages, message])
        return True

    @property
    def is_whole(self) -> bool:
        """Whether its records are here, for another dispatch; those of one that records very much are not kept."""
        return self.new_bytes <= MAX_NEW_BYTES

    def keep(self, records: list[Record]) -> None:
        """What was recorded in this claim; messages that it consumed are needed no more."""
        size = self.new_bytes
        for record in records:
            payload = record.payload
            if payload is not None:
                size += len(payload)
        if self.execution.messages:
            self._consume(records)
        if size <= MAX_NEW_BYTES:
            self.new_records += records
        else:
            if self.is_whole:
                self.new_records = list(map(_without_payload, self.new_records))
            self.new_records += map(_without_payload, records)
        self.new_bytes = size

    def _consume(self, records: list[Record]) -> None:
        consumed = {record.digest.hex() for record in records if record.kind == RecordKind.EVENT}
        if consumed:
            left = [message for message in self.execution.messages if message.id.replace("-", "") not in consumed]
            self.execution = msgspec.structs.replace(self.execution, messages=left)

    def stands_for_expiry(self, record: Record) -> bool:
        """Whether it is what the database made of an expiry of this claim."""
        return record.kind == RecordKind.EVENT and any(
            each.seq == record.seq and each.kind == RecordKind.EXPIRY for each in self.new_records
        )

    def decide(self, record: Record) -> None:
        """The database wrote this event in the place of an expiry."""
        self.new_records = [record if record.seq == each.seq else each for each in self.new_records]

    def die(self, concurrency: int, alone: bool) -> bool:
        """Count a death of its worker; True when it must be parked."""
        self.death_count += 1
        # guard G7: a death beside others breaks the row of deaths alone
        self.alone_death_count = self.alone_death_count + 1 if alone else 0
        self.cap = shared_concurrency(concurrency, self.death_count)
        return self.alone_death_count >= MAX_ALONE_DEATHS  # guard G7: three deaths alone park

    def block(self, concurrency: int) -> bool:
        """Its worker was killed because its body held it up: known for sure, so the second time in a row parks it."""
        must_park = self.die(concurrency, alone=True)
        self.alone_death_count = max(self.alone_death_count, MAX_ALONE_DEATHS - 1)
        return must_park

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
            # guard R22: what is recorded is known when it runs again
            records=self.execution.records + self.new_records,
        )
        self.new_records = []
        self.new_bytes = 0
        self.is_halted = self.is_refused = False
        self.waiting_since_ns = now_ns

    def number(self, crashes: list[Record]) -> list[Record]:
        """The crashed tries of a dead worker, as the next records after everything it sent (R13, R22); without those
        whose end it had told."""
        told = Told(self.execution.records + self.new_records)
        crashes = [crash for crash in crashes if not told.has(crash)]
        # guard R22: crashed tries are numbered after everything the worker sent
        numbered = [msgspec.structs.replace(record, seq=self.seq + place) for place, record in enumerate(crashes, 1)]
        self.seq += len(numbered)
        self.keep(numbered)
        return numbered


def poisoned(id: str, what: str, order: str = "find the cause") -> End:
    """It is parked for a person, who is told what was found and what to do."""
    return End(Ending.PARKED, payload=encode(f"{what}; {order}, then `hydra resume {id}`"), cause="poison")


def _without_payload(record: Record) -> Record:
    return msgspec.structs.replace(record, payload=None)
