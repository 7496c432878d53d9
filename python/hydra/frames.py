"""Messages between a supervisor and a worker: batches of msgpack frames, each batch behind a 4-byte length.

Both ends are the same build on the same host, so frames have no versions. `token` names one dispatch of one
execution within a supervisor's life: a stale frame of an earlier dispatch can never be taken for a new one's.
"""

from __future__ import annotations

import msgspec

from hydra.circuit_breaker import CircuitSettings
from hydra.execution import Claimed, CoolDown, End, Message, Progress, Record


class Run(msgspec.Struct, array_like=True, tag=1, frozen=True, gc=False):
    """Run this execution (or replay it up to its next new step)."""

    token: int
    execution: Claimed


class Durable(msgspec.Struct, array_like=True, tag=2, frozen=True, gc=False):
    """Everything of these tokens up to these sequence numbers is committed (G5). It is as it was sent, but for expiries
    in whose place events were written."""

    tokens: list[int]
    seqs: list[int]
    arrived: list[tuple[int, Record]] = []


class Halt(msgspec.Struct, array_like=True, tag=3, frozen=True, gc=False):
    """Stop this execution's body with Interrupt. reason: cancelled, timeout, lost, drain, refused.

    The worker answers with Ended (CANCELLED, FAILED cause=timeout, or RELEASED), or nothing for `lost`. `refused`: as
    `drain`, of one whose records are not confirmed any more.
    """

    token: int
    reason: str


class Drain(msgspec.Struct, array_like=True, tag=4, frozen=True, gc=False):
    """Finish or reach the next step boundary, hand everything back, then exit 0."""


class Deliver(msgspec.Struct, array_like=True, tag=5, frozen=True, gc=False):
    """Messages that arrived for an execution while it runs. `has_more`: it may ask for the next ones by Listening."""

    token: int
    messages: list[Message]
    has_more: bool = False


class BreakerAnswer(msgspec.Struct, array_like=True, tag=6, frozen=True, gc=False):
    """To an AskBreaker: 0, the call may be made; else for how long there is no sense in asking again."""

    number: int
    wait_us: int


class BreakerIs(msgspec.Struct, array_like=True, tag=7, frozen=True, gc=False):
    """0: it is closed, and nobody need ask."""

    breaker: str
    wait_us: int


class Recorded(msgspec.Struct, array_like=True, tag=1, frozen=True, gc=False):
    """New records of one dispatch, in order, the next after those sent before."""

    token: int
    records: list[Record]
    cool_downs: tuple[CoolDown, ...] = ()


class Ended(msgspec.Struct, array_like=True, tag=2, frozen=True, gc=False):
    """The dispatch is over; `records` are its last ones and commit together with the end."""

    token: int
    records: list[Record]
    end: End
    cool_downs: tuple[CoolDown, ...] = ()


class Recycle(msgspec.Struct, array_like=True, tag=3, frozen=True, gc=False):
    """The worker takes no new work: a step's time-out could not be enforced gently. Kill it by `at_ns`."""

    reason: str
    at_ns: int


class Hello(msgspec.Struct, array_like=True, tag=4, frozen=True, gc=False):
    """First frame of a worker: it is ready for work."""

    pid: int


class Committed(msgspec.Struct, array_like=True, tag=5, frozen=True, gc=False):
    """The worker itself committed this record, the next one, together with the writes of its transaction (R21)."""

    token: int
    record: Record


class Progressed(msgspec.Struct, array_like=True, tag=6, frozen=True, gc=False):
    """How far a step is; kept with the next beat, and lost with the worker. Without the execution's id."""

    token: int
    progress: Progress


class Listening(msgspec.Struct, array_like=True, tag=7, frozen=True, gc=False):
    """It waits for a message that it was not brought, and stays where it is meanwhile."""

    token: int


class AskBreaker(msgspec.Struct, array_like=True, tag=8, frozen=True, gc=False):
    """May a step call what is behind its breaker? `number` is this worker's own."""

    number: int
    breaker: str
    settings: CircuitSettings
    at: int  # now, on the database's clock


class Tried(msgspec.Struct, array_like=True, tag=9, frozen=True, gc=False):
    """How a call behind a breaker went; None: it says nothing. `number` is its question's, 0 where none was asked."""

    number: int
    breaker: str
    is_good: bool | None
    took_us: int
    at: int  # now, on the database's clock


ToWorker = Run | Durable | Halt | Drain | Deliver | BreakerAnswer | BreakerIs
FromWorker = Recorded | Ended | Recycle | Hello | Committed | Progressed | Listening | AskBreaker | Tried

encode_to_worker = msgspec.msgpack.Encoder().encode
decode_to_worker = msgspec.msgpack.Decoder(list[ToWorker]).decode
encode_from_worker = encode_to_worker
decode_from_worker = msgspec.msgpack.Decoder(list[FromWorker]).decode


def pack(payload: bytes) -> bytes:
    """A batch ready for the socket."""
    return len(payload).to_bytes(4, "little") + payload


class Unpacker:
    """Cuts a byte stream back into batches; keeps what is incomplete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        batches: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= 4:
            end = start + 4 + int.from_bytes(self._buffer[start : start + 4], "little")
            if end > len(self._buffer):
                break
            batches.append(bytes(self._buffer[start + 4 : end]))
            start = end
        del self._buffer[:start]
        return batches
