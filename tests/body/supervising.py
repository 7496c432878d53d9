"""A supervisor small enough for one test: a durable log in memory which acknowledges, dies, and runs again.

Everything but the process boundary is real: frames as bytes, the hub, its threads, the executor.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID

from hydra import _core, codec
from hydra.clock import LeasePage, boottime_ns
from hydra.definitions import BoundWorkflow
from hydra.execution import (
    SET_ASIDE_PREFIX,
    Claimed,
    End,
    Ending,
    Message,
    Record,
    RecordKind,
    Status,
    Submission,
    Submitted,
)
from hydra.frames import (
    Deliver,
    Drain,
    Durable,
    Ended,
    FromWorker,
    Halt,
    Recorded,
    Recycle,
    Run,
    ToWorker,
    decode_from_worker,
    decode_to_worker,
    encode_from_worker,
    encode_to_worker,
)
from hydra.records import child_records
from hydra.records.placed import stopped_by
from hydra.worker.hub import Hub
from hydra.workflow import registry

FOREVER_NS = 1 << 62
START = 1_767_225_600_000_000
RESTING = {Ending.SLEEPING, Ending.RETRY, Ending.RELEASED, Ending.CONTINUED}
# and WAITING, with a time-out or once it is woken


class Stored:
    """One execution as the database would hold it."""

    def __init__(self, claimed: Claimed) -> None:
        self.claimed = claimed
        self.records: list[Record] = []
        self.ends: list[End] = []
        self.attempt = 1
        self.cancel_requested = False
        self.messages: list[Message] = []
        self.wake_seq = 0
        self.parent: Stored | None = None
        self.askers: list[tuple[Stored, str]] = []  # who waits for its end, and by which request

    @property
    def end(self) -> End:
        return self.ends[-1]

    def result(self, annotation: Any = Any) -> Any:
        assert self.end.kind == Ending.COMPLETED, self.error() if self.end.payload else self.end
        assert self.end.payload is not None
        return codec.decode(self.end.payload, annotation)

    def error(self) -> BaseException:
        assert self.end.kind in (Ending.FAILED, Ending.RETRY), self.end
        assert self.end.payload is not None
        return codec.rebuild_exception(codec.decode_failure(self.end.payload))

    def wakes_at(self) -> int | None:
        """When it runs again: 0 for now, None for never (or when something comes)."""
        if self.end.kind == Ending.WAITING:
            return 0 if self.wake_seq != self.end.wake_seq else self.end.wake_at or None
        return self.end.wake_at if self.end.kind in RESTING else None

    def kinds(self) -> list[str]:
        return [record.kind for record in self.records]


class Supervisor:
    """`run` is one life of a worker; `finish` is as many as it takes, with time passing in between."""

    def __init__(self, concurrency: int = 64) -> None:
        self.concurrency = concurrency
        self.lease = LeasePage.create()
        self.offset_us = START - boottime_ns() // 1000
        self.deadline_ns = FOREVER_NS
        self.stored: dict[str, Stored] = {}
        self.keys: dict[tuple[str, str], tuple[str, bytes]] = {}  # of children: the execution, the arguments' digest
        self.recycles: list[Recycle] = []
        self.on_send: Callable[[list[FromWorker]], None] = lambda frames: None
        self.holds_acks = False
        self.given: set[bytes] = set()  # messages that the database has given to waits which were over
        self._held: list[ToWorker] = []
        self._numbers = itertools.count(1)
        self._tokens: dict[int, Stored] = {}
        self.death_count = 0
        self._records_left: int | None = None
        self.set_lease()

    def set_lease(self) -> None:
        self.lease.set(self.deadline_ns, self.offset_us)

    def advance(self, microseconds: int) -> None:
        self.offset_us += microseconds
        self.set_lease()

    def go_back(self, microseconds: int) -> None:
        """The database's clock jumps; the next worker has not seen what it said before."""
        self.lease = LeasePage.create()
        self.advance(-microseconds)

    def lose_after(self, record_count: int) -> None:
        """The worker dies with the records that follow these."""
        self._records_left = record_count

    def submit(self, call: BoundWorkflow[Any], **fields: Any) -> Stored:
        payload, _ = codec.encode_call(call.args, call.kwargs)
        return self.submit_raw(call.name, payload, **fields)

    def submit_raw(
        self, workflow: str, payload: bytes, timeout_at: int | None = None, tags: dict[str, str] | None = None
    ) -> Stored:
        number = next(self._numbers)
        id = f"00000000-0000-7000-8000-{number:012d}"
        claimed = Claimed(id, 0, workflow, None, payload, 1, 0, 0, 0, 0, timeout_at, 7, False, 0, 0, tags or {}, [])
        stored = self.stored[id] = Stored(claimed)
        return stored

    def signal(self, stored: Stored, name: str, value: Any) -> None:
        """As the database takes it; what runs on a worker learns of it by `tell`, or when it runs again."""
        now = self.lease.now()
        stored.messages.append(Message(_core.uuid7(), stored.claimed.id, name, codec.encode(value), now))
        stored.wake_seq += 1

    def tell(self, stored: Stored) -> None:
        """As a heartbeat does."""
        token = next(token for token, each in self._tokens.items() if each is stored)
        self.deliver(Deliver(token, list(stored.messages)))

    def run(self) -> None:
        """Give everything unfinished to a new worker and let it run to its end."""
        self._tokens = {}
        self.hub = hub = Hub(registry, self._receive, self.lease, None, self.concurrency)
        frames: list[ToWorker] = []
        for stored in self.stored.values():
            if not stored.ends or stored.wakes_at() is not None:
                token = next(self._numbers)
                self._tokens[token] = stored
                frames.append(Run(token, self._claim(stored)))
        if not frames:
            return
        hub.deliver(decode_to_worker(encode_to_worker(frames)))
        hub.run()

    def finish(self, crash_after: int | None = None) -> None:
        """Run, and let time pass, until nothing is left to do.

        With `crash_after`, the worker is dead to the world once so many records are durable: what it sends after
        that is lost, as if it had been killed.
        """
        self._records_left = crash_after
        while True:
            self.run()
            if any(not each.ends or each.wakes_at() == 0 for each in self.stored.values()):
                continue
            wakes = [wake_at for each in self.stored.values() if (wake_at := each.wakes_at()) is not None]
            if not wakes:
                return
            self.advance(max(0, min(wakes) - self.lease.now()))

    def deliver(self, frame: ToWorker) -> None:
        self.hub.deliver(decode_to_worker(encode_to_worker([frame])))

    def halt(self, stored: Stored, reason: str) -> None:
        token = next(token for token, each in self._tokens.items() if each is stored)
        self.deliver(Halt(token, reason))

    def acknowledge(self) -> None:
        held, self._held = self._held, []
        self.hub.deliver(held)

    def _claim(self, stored: Stored) -> Claimed:
        claimed = stored.claimed
        if stored.ends and stored.end.kind == Ending.RETRY:
            stored.attempt += 1
            if stored.end.cause_seq:
                self._supersede(stored, stored.end.cause_seq)
        fields = {name: getattr(claimed, name) for name in Claimed.__struct_fields__}
        stored.claimed = Claimed(
            **{
                **fields,
                "epoch": claimed.epoch + 1,
                "attempt": stored.attempt,
                "cancel_requested": stored.cancel_requested,
                "records": list(stored.records),
                "messages": list(stored.messages),
                "wake_seq": stored.wake_seq,
            }
        )
        return stored.claimed

    def _supersede(self, stored: Stored, seq: int) -> None:
        number = len(stored.records) + 1
        stored.records.append(Record(number, RecordKind.SUPERSEDE, "", "", seq, 0, b"", None, 0, 0))

    def _receive(self, frames: list[FromWorker]) -> None:
        frames = decode_from_worker(encode_from_worker(frames))
        answers: list[ToWorker] = []
        for frame in frames:
            if isinstance(frame, Recycle):
                self.recycles.append(frame)
            elif isinstance(frame, Recorded | Ended) and frame.token in self._tokens:
                stored = self._tokens[frame.token]
                if self._records_left is not None and len(frame.records) > self._records_left:
                    self._die(stored, frame.records[: self._records_left])
                    return
                self._write(stored, frame.records)
                if isinstance(frame, Recorded):
                    answers.append(Durable([frame.token], [stored.records[-1].seq]))
                else:
                    stored.ends.append(frame.end)
                    if frame.end.kind == Ending.CONTINUED:
                        self._begin_anew(stored, frame.end)
                    self._tell_askers(stored)
                    del self._tokens[frame.token]
        if not self._tokens:
            answers.append(Drain())
        self._held += answers
        self.on_send(frames)
        if not self.holds_acks:
            self.acknowledge()

    def _write(self, stored: Stored, records: list[Record]) -> None:
        for record in records:
            assert record.seq == len(stored.records) + 1, "R13: a record is accepted only as the next"
            stored.records.append(record)
            if record.kind == RecordKind.SPAWN:
                stored.records[-1] = self._spawn(stored, record)
            if record.kind == RecordKind.EVENT:
                consumed = [each for each in stored.messages if UUID(each.id).bytes == record.digest]
                is_aside = any(
                    each.kind == RecordKind.EVENT
                    and each.digest == record.digest
                    and each.name.startswith(SET_ASIDE_PREFIX)
                    for each in stored.records[:-1]
                )
                is_free = is_aside or record.digest in self.given
                assert len(consumed) + is_free == 1, "a message is consumed once, while it is there or set aside"
                stored.messages = [each for each in stored.messages if each not in consumed]
            for id in stopped_by([record]):
                self._cancel(self.stored[id])
        if self._records_left is not None:
            self._records_left -= len(records)

    def _begin_anew(self, stored: Stored, end: End) -> None:
        """As the database does it, in the transaction that writes the end."""
        fields = {name: getattr(stored.claimed, name) for name in Claimed.__struct_fields__}
        stored.claimed = Claimed(**{**fields, "input": end.payload})
        stored.records = []
        stored.attempt = 1

    def _spawn(self, parent: Stored, record: Record) -> Record:
        """As the database does it, in the transaction that writes the record."""
        kept, spawn = child_records.take_apart(parent.claimed.id, record)
        asked = spawn.submission
        place = (asked.workflow, asked.key or asked.id)
        id, digest = self.keys.setdefault(place, (asked.id, asked.digest))
        made = Submitted(id, id == asked.id, digest != asked.digest, digest if digest != asked.digest else b"")
        if made.created:
            self._make_child(parent, asked)
        if child_records.has_child(spawn, made):
            self.stored[id].askers.append((parent, asked.id))
            self._tell_askers(self.stored[id])
        if asked.key is not None:
            parent.messages.append(child_records.answer(spawn, made, self.lease.now()))
            parent.wake_seq += 1
        return kept

    def _make_child(self, parent: Stored, asked: Submission) -> None:
        child = self.submit_raw(asked.workflow, asked.input)
        del self.stored[child.claimed.id]
        fields = {name: getattr(child.claimed, name) for name in Claimed.__struct_fields__}
        child.claimed = Claimed(**{**fields, "id": asked.id})
        child.parent = parent
        self.stored[asked.id] = child

    def _cancel(self, child: Stored) -> None:
        """As the database does it, in the transaction that writes the record that gives a step up."""
        child.cancel_requested = True
        running = [token for token, each in self._tokens.items() if each is child]
        if running:
            self.deliver(Halt(running[0], "cancelled"))
        elif not child.ends or child.end.kind not in (Ending.COMPLETED, Ending.FAILED, Ending.CANCELLED):
            child.ends.append(End(Ending.CANCELLED))
            self._tell_askers(child)

    def _tell_askers(self, child: Stored) -> None:
        if child.ends and child.end.kind in (Ending.COMPLETED, Ending.FAILED, Ending.CANCELLED):
            end = child_records.ChildEnd(Status(str(child.end.kind)), child.end.cause, child.end.payload)
            for asker, request in child.askers:
                told = child_records.tell_end(asker.claimed.id, request, end, self.lease.now())
                asker.messages.append(told)
                asker.wake_seq += 1
            child.askers.clear()

    def _die(self, stored: Stored, records: list[Record]) -> None:
        self._write(stored, records)
        self._records_left = None
        self.death_count += 1
        self.hub.deliver([Halt(token, "lost") for token in self._tokens])
        self.hub.deliver([Drain()])
        self._tokens = {}
