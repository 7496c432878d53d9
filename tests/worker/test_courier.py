"""What waits for an object and what passes, on the ways between a worker's hub and its supervisor."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hydra import _core
from hydra.errors import PayloadError, StoreUnavailable
from hydra.execution import Claimed, End, Ending, Message, Record, RecordKind, Submission
from hydra.frames import Deliver, Drain, Durable, Ended, Halt, Listening, Recorded, Run
from hydra.pointers import Pointer
from hydra.records import child_records
from hydra.records.child_records import CHILD_PREFIX
from hydra.worker import courier
from hydra.worker.courier import Courier

LARGE, OTHER = b"x" * 100, b"y" * 100
NAME = f"{CHILD_PREFIX}c"


class Box:
    """An object store that answers when it is told to."""

    over = 50

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.answering = threading.Event()
        self.answering.set()
        self.error: Exception | None = None

    def put(self, payload: bytes) -> bytes:
        self.answering.wait(60)
        pointer = Pointer.to(_core.uuid7(), payload).encode()
        self.kept[pointer] = payload
        return pointer

    def get(self, payload: bytes) -> bytes:
        self.answering.wait(60)
        if self.error is not None:
            raise self.error
        return self.kept[payload]


class Ways:
    def __init__(self, box: Box | None) -> None:
        self.sent: list[Any] = []
        self.delivered: list[Any] = []
        self._posted: queue.Queue[tuple[Callable[[Any], None], Any]] = queue.Queue()

        def post(function: Callable[[Any], None], argument: Any) -> None:
            self._posted.put((function, argument))

        self.courier = Courier(box, self.sent.extend, self.delivered.extend, post, lambda: 1_000)

    def turn(self) -> None:
        """The next thing that a thread has come back with."""
        function, argument = self._posted.get(timeout=60)
        function(argument)


def record(seq: int, payload: bytes | None, kind: str = RecordKind.STEP, name: str = "draw") -> Record:
    return Record(seq, kind, "", name, seq, 1, b"", payload, 0, 0)


def claimed(*records: Record, messages: list[Message] | None = None, input: bytes = b"i") -> Claimed:
    return Claimed("e", 1, "w", None, input, 1, 0, 0, 0, 0, None, 7, False, 0, 0, {}, list(records), messages or [])


def child_end(payload: bytes) -> bytes:
    return b"completed\0\0" + payload


def test_g5_what_follows_of_one_execution_waits_behind_its_object_and_others_pass() -> None:
    box = Box()
    ways = Ways(box)
    box.answering.clear()
    first, second = Recorded(1, [record(1, LARGE)]), Recorded(1, [record(2, b"s")])
    third, last = Recorded(1, [record(3, OTHER)]), Ended(1, [record(4, b"s")], End(Ending.COMPLETED, LARGE))
    ways.courier.send([first, Recorded(2, [record(1, b"s")]), second, Listening(1), third])
    ways.courier.send([last, Listening(2)])
    assert ways.sent == [Recorded(2, [record(1, b"s")]), Listening(2)] and not ways.courier.is_idle
    box.answering.set()
    for _ in range(3):
        ways.turn()
    assert ways.courier.is_idle
    own = ways.sent[2:]
    assert [type(each) for each in own] == [Recorded, Recorded, Listening, Recorded, Ended]
    assert [each.seq for frame in own if isinstance(frame, Recorded | Ended) for each in frame.records] == [1, 2, 3, 4]
    assert box.kept[own[0].records[0].payload] == LARGE and box.kept[own[3].records[0].payload] == OTHER
    assert own[1] == second and box.kept[own[4].end.payload] == LARGE


def test_what_others_take_apart_or_compare_stays() -> None:
    ways = Ways(Box())
    kinds = [each for each in RecordKind if each not in (RecordKind.STEP, RecordKind.SPAWN)]
    frames = [Recorded(1, [record(seq, LARGE, kind)]) for seq, kind in enumerate(kinds)]
    frames.append(Recorded(1, [record(90, LARGE, name="hydra.map:draw")]))
    ends = [each for each in Ending if each not in (Ending.COMPLETED, Ending.CONTINUED)]
    frames += [Ended(2, [], End(each, LARGE)) for each in ends]  # type: ignore[misc]
    ways.courier.send(frames)  # type: ignore[arg-type]
    assert ways.sent == frames and ways.courier.is_idle


@pytest.mark.parametrize("is_by_name", [False, True])
def test_a_childs_input_goes_unless_its_node_has_to_read_it(is_by_name: bool) -> None:
    """Of a child by name the node adds what is registered, and needs the arguments for it."""
    box = Box()
    ways = Ways(box)
    asked = Submission("00000000-0000-7000-8000-000000000001", "w", LARGE, b"d" * 16, is_by_name=is_by_name)
    ways.courier.send([Recorded(1, [record(1, child_records.encode_request(asked), RecordKind.SPAWN)])])
    ways.turn()
    (sent,) = ways.sent
    found, _ = child_records.read_request(sent.records[0].payload)
    assert (found.input == LARGE) is is_by_name and found.is_by_name is is_by_name
    assert is_by_name or box.kept[found.input] == LARGE


def test_an_execution_begins_with_its_values_and_what_came_meanwhile_follows() -> None:
    box = Box()
    ways = Ways(box)
    pointer, other = box.put(LARGE), box.put(OTHER)
    box.answering.clear()
    message = Message("m", "e", NAME, child_end(pointer), 0)
    run = Run(1, claimed(record(1, other), input=pointer, messages=[message]))
    small = Run(2, claimed())
    ways.courier.receive([run, small, Halt(1, "cancelled"), Halt(2, "drain")])
    assert ways.delivered == [small, Halt(2, "drain")]
    box.answering.set()
    ways.turn()
    whole, halt = ways.delivered[2:]
    assert halt == Halt(1, "cancelled") and whole.execution.input == LARGE
    assert whole.execution.records[0].payload == OTHER
    assert whole.execution.messages[0].payload == child_end(LARGE)
    taken = record(2, child_end(LARGE), RecordKind.EVENT, NAME)
    ways.courier.send([Recorded(1, [taken])])
    assert ways.sent == [Recorded(1, [msgspec.structs.replace(taken, payload=child_end(pointer))])]
    assert len(box.kept) == 2, "what a child said is recorded as it came, and put once"


def test_g5_nothing_is_told_durable_in_front_of_the_event_that_stands_there_instead() -> None:
    box = Box()
    ways = Ways(box)
    event = record(3, child_end(box.put(LARGE)), RecordKind.EVENT, NAME)
    box.answering.clear()
    ways.courier.receive([Durable([1, 2], [3, 5], [(1, event)])])
    ways.courier.receive([Durable([2, 1], [6, 4])])
    assert ways.delivered == [Durable([2], [5]), Durable([2], [6])]
    box.answering.set()
    ways.turn()
    arrived, rest = ways.delivered[2:]
    assert arrived.seqs == [3] and arrived.arrived[0][1].payload == child_end(LARGE) and rest == Durable([1], [4])


def test_r14_an_event_in_an_expirys_place_is_told_before_what_is_durable() -> None:
    """It arrives alone where records before it are under way still."""
    box = Box()
    ways = Ways(box)
    small, away = record(3, b"paid", RecordKind.EVENT), record(4, child_end(box.put(LARGE)), RecordKind.EVENT, NAME)
    ways.courier.receive([Durable([], [], [(1, small)])])
    assert ways.delivered == [Durable([], [], [(1, small)])]
    ways.delivered.clear()
    box.answering.clear()
    ways.courier.receive([Durable([], [], [(1, away), (2, small)]), Durable([1, 2], [4, 3])])
    assert ways.delivered == [Durable([], [], [(2, small)]), Durable([2], [3])]
    box.answering.set()
    ways.turn()
    assert ways.delivered[2].arrived[0][1].payload == child_end(LARGE) and ways.delivered[3] == Durable([1], [4])


def test_what_cannot_be_fetched_sleeps_parks_or_is_claimed_again() -> None:
    box = Box()
    ways = Ways(box)
    pointer = box.put(LARGE)
    for error, kind in ((StoreUnavailable("it burns"), Ending.SLEEPING), (PayloadError("it is gone"), Ending.PARKED)):
        box.error = error
        ways.courier.receive([Run(1, claimed(input=pointer)), Halt(1, "drain")])
        ways.turn()
        (ended,) = ways.sent
        assert (ended.end.kind, ended.end.wake_seq, ended.records) == (kind, 7, []) and ways.courier.is_idle
        ways.sent.clear()
    ways.courier.receive([Deliver(2, [Message("m", "e", NAME, child_end(pointer), 0)])])
    ways.turn()
    assert ways.delivered == [Halt(2, "drain")]


@pytest.mark.parametrize("why", ["cancelled", "out of time", "cancelled meanwhile"])
def test_what_is_to_end_stays_until_its_values_are_there(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """It cannot sleep: handed back it would be due at once, and be claimed again and again."""
    monkeypatch.setattr(courier, "AGAIN_SECONDS", 0.01)
    box = Box()
    ways = Ways(box)
    pointer = box.put(LARGE)
    box.error = StoreUnavailable("it burns")
    own = msgspec.structs.replace(
        claimed(input=pointer), cancel_requested=why == "cancelled", timeout_at=0 if why == "out of time" else None
    )
    ways.courier.receive([Run(1, own), *([Halt(1, "cancelled")] if why == "cancelled meanwhile" else [])])
    for _ in range(3):
        ways.turn()
    assert ways.sent == [] and not ways.courier.is_idle
    box.error = None
    ways.turn()
    assert ways.delivered[0].execution.input == LARGE and ways.courier.is_idle


@pytest.mark.parametrize("leaving", [Drain(), Halt(1, "lost"), Halt(1, "drain")])
def test_a_worker_that_leaves_waits_for_no_value(monkeypatch: pytest.MonkeyPatch, leaving: Any) -> None:
    monkeypatch.setattr(courier, "AGAIN_SECONDS", 60.0 if isinstance(leaving, Drain) else 0.01)
    box = Box()
    ways = Ways(box)
    box.error = StoreUnavailable("it burns")
    ways.courier.receive([Run(1, msgspec.structs.replace(claimed(input=box.put(LARGE)), cancel_requested=True))])
    ways.turn()
    assert ways.sent == []
    ways.courier.receive([leaving])
    ways.turn()
    assert [each.end.kind for each in ways.sent] == [Ending.SLEEPING] and ways.courier.is_idle


def test_a_node_without_an_object_store_parks_what_has_a_pointer() -> None:
    ways = Ways(None)
    ways.courier.receive([Run(1, claimed(record(1, Box().put(LARGE))))])
    ways.turn()
    (ended,) = ways.sent
    assert ended.end.kind == Ending.PARKED
    assert "its 100 bytes are offloaded, and this program does not know where" in _core.decode(ended.end.payload)
