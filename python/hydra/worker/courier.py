"""Between a worker's hub and its supervisor: large values on their way to the object store, and back. Decides nothing.

    hub ── frames ──► Courier ──► supervisor      a frame with something large waits for its object, and what follows of
    hub ◄── frames ── Courier ◄── supervisor      the same execution behind it; all others pass

So an object is durable before the frame that points at it leaves, and nothing of the node waits for it. The hub's
thread calls all of it; objects are put and fetched on threads of their own. What cannot be fetched now lets its
execution sleep; what is not there, or was changed, parks it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from hydra.codec import encode
from hydra.errors import PayloadError, StoreUnavailable
from hydra.execution import OFFLOADED, RESERVED_PREFIX, Claimed, End, Ending, Record, RecordKind
from hydra.frames import Deliver, Drain, Durable, Ended, FromWorker, Halt, Recorded, Run, ToWorker
from hydra.payload_keys import encrypted_with
from hydra.pointers import is_pointer, why_away
from hydra.records import child_records
from hydra.records.away import has_pointer, is_away, with_fetched

AGAIN_US = 30_000_000  # what cannot be fetched is tried again after so long
AGAIN_SECONDS = 10.0  # what cannot sleep until then, since it is cancelled or out of time
LOST = "lost"  # of a Halt: nothing more leaves of it
LEAVING = {LOST, "drain"}  # it goes on elsewhere; of other reasons for a Halt it ends
RESULTS = (Ending.COMPLETED, Ending.CONTINUED)

replace = msgspec.structs.replace

log = logging.getLogger("hydra.worker")


class Objects(Protocol):
    """`object_store.ObjectStore`."""

    over: int

    def put(self, payload: bytes) -> bytes: ...
    def get(self, payload: bytes) -> bytes: ...


class Fetched(NamedTuple):
    """A frame as it came, and with the values in it; or why they are not there."""

    token: int
    frame: Any
    whole: Any
    error: Exception | None


class Courier:
    """`send` and `deliver` are the ways on; `post` has the hub's thread call something."""

    def __init__(
        self,
        objects: Objects | None,
        send: Callable[[list[FromWorker]], None],
        deliver: Callable[[Sequence[ToWorker]], None],
        post: Callable[[Callable[[Any], None], Any], None],
        now: Callable[[], int],
    ) -> None:
        self._objects = objects
        self._send = send
        self._deliver = deliver
        self._post = post
        self._now = now
        self._leaving: dict[int, deque[FromWorker]] = {}  # by token: what waits behind one that is put
        self._coming: dict[int, deque[ToWorker]] = {}  # and behind one that is fetched
        self._pointers: dict[int, dict[tuple[str, bytes], bytes]] = {}  # of messages: as they were before
        self._is_leaving = threading.Event()  # nobody waits for an object store any more

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way."""
        return not (self._leaving or self._coming)

    # to the supervisor

    def send(self, frames: list[FromWorker]) -> None:
        if self._objects is None:
            self._send(frames)
            return
        passing: list[FromWorker] = []
        for frame in frames:
            waiting = self._leaving.get(getattr(frame, "token", -1)) if self._leaving else None
            if waiting is not None:
                waiting.append(frame)
            elif not isinstance(frame, Recorded | Ended):
                passing.append(frame)
            elif self._is_large(frame := self._as_it_came(frame)):
                self._leaving[frame.token] = deque()
                self._on_thread(self._put, frame, self._was_put)
            else:
                passing.append(frame)
        if passing:
            self._send(passing)

    def _is_large(self, frame: Recorded | Ended) -> bool:
        return any(map(self._is_to_go, frame.records)) or (
            isinstance(frame, Ended) and self._is_large_result(frame.end)
        )

    def _is_to_go(self, record: Record) -> bool:
        """Results of steps, and what is asked for with a child's input in it; hydra's own records stay."""
        if record.kind == RecordKind.STEP:
            return not record.name.startswith(RESERVED_PREFIX) and self._is_over(record.payload)
        return record.kind == RecordKind.SPAWN and self._is_over(record.payload)

    def _is_large_result(self, end: End) -> bool:
        return end.kind in RESULTS and self._is_over(end.payload)

    def _is_over(self, payload: bytes | None) -> bool:
        assert self._objects is not None
        return payload is not None and len(payload) > self._objects.over and not is_pointer(payload)

    def _put(self, frame: Any) -> Any:
        frame = replace(frame, records=[self._put_of(each) if self._is_to_go(each) else each for each in frame.records])
        if isinstance(frame, Ended) and self._is_large_result(frame.end):
            return replace(frame, end=replace(frame.end, payload=self._pointer(frame.end.payload)))
        return frame

    def _put_of(self, record: Record) -> Record:
        if record.kind != RecordKind.SPAWN:
            return replace(record, payload=self._pointer(record.payload))
        submission, answer_id = child_records.read_request(record.payload or b"")
        if self._is_over(submission.input) and not submission.is_by_name:  # its node reads it, for what is registered
            submission = replace(submission, input=self._pointer(submission.input))
        return replace(record, payload=child_records.encode_request(submission, answer_id))

    def _pointer(self, payload: bytes | None) -> bytes:
        assert self._objects is not None and payload is not None
        return self._objects.put(payload)

    def _was_put(self, frame: Any) -> None:
        self._send([frame])
        self.send(list(self._leaving.pop(frame.token)))

    def _as_it_came(self, frame: Any) -> Any:
        """What a message said of a child is recorded with the pointer that it came with."""
        known = self._pointers.get(frame.token)
        if known is None:
            return frame
        if isinstance(frame, Ended):
            del self._pointers[frame.token]
        records = [
            replace(each, payload=known.get((each.name, each.payload or b""), each.payload)) for each in frame.records
        ]
        return replace(frame, records=records)

    # to the hub

    def receive(self, frames: Sequence[ToWorker]) -> None:
        passing: list[ToWorker] = []
        for frame in frames:
            if isinstance(frame, Durable):
                rest = self._held_apart(frame) if self._coming or frame.arrived else frame
                if rest.tokens or rest.arrived:
                    passing.append(rest)
                continue
            if isinstance(frame, Drain):
                self._is_leaving.set()
            if isinstance(frame, Halt) and frame.reason == LOST:
                self._pointers.pop(frame.token, None)
            waiting = self._coming.get(getattr(frame, "token", -1)) if self._coming else None
            if waiting is not None:
                waiting.append(frame)
            elif isinstance(frame, Run | Deliver) and self._points(frame):
                self._fetch(frame.token, frame)
            else:
                passing.append(frame)
        if passing:
            self._deliver(passing)

    def _points(self, frame: Run | Deliver) -> bool:
        return has_pointer(frame.execution) if isinstance(frame, Run) else any(map(is_away, frame.messages))

    def _held_apart(self, frame: Durable) -> Durable:
        """What is left of it, without what waits: for an event that points at something, or behind another frame."""
        held = {token for token, record in frame.arrived if is_away(record)} | set(self._coming)
        left = Durable([], [], [])
        apart: dict[int, Durable] = {}

        def part(token: int) -> Durable:
            return apart.setdefault(token, Durable([], [], [])) if token in held else left

        for token, record in frame.arrived:
            part(token).arrived.append((token, record))
        for token, seq in zip(frame.tokens, frame.seqs, strict=True):
            part(token).tokens.append(token)
            part(token).seqs.append(seq)
        for token, own in apart.items():
            if token in self._coming:
                self._coming[token].append(own)
            else:
                self._fetch(token, own)
        return left

    def _fetch(self, token: int, frame: Any) -> None:
        self._coming[token] = deque()
        self._on_thread(self._fetched, (token, frame), self._was_fetched)

    def _fetched(self, asked: tuple[int, Any]) -> Fetched:
        token, frame = asked
        try:
            return Fetched(token, frame, self._whole_frame(token, frame), None)
        except (StoreUnavailable, PayloadError) as error:
            return Fetched(token, frame, frame, error)

    def _whole_frame(self, token: int, frame: Any) -> Any:
        if isinstance(frame, Run):
            return Run(token, self._whole(frame.execution))
        if isinstance(frame, Deliver):
            return replace(frame, messages=[self._whole_said(each) for each in frame.messages])
        return replace(frame, arrived=[(token, self._whole_said(record)) for _, record in frame.arrived])

    def _whole(self, execution: Claimed) -> Claimed:
        return replace(
            execution,
            input=self._get(execution.input) if is_pointer(execution.input) else execution.input,
            records=[self._whole_said(each) for each in execution.records],
            messages=[self._whole_said(each) for each in execution.messages],
        )

    def _whole_said(self, said: Any) -> Any:
        return replace(said, payload=with_fetched(said.payload, self._get)) if is_away(said) else said

    def _get(self, payload: bytes) -> bytes:
        if self._objects is None:
            raise PayloadError(why_away(payload))
        found = self._objects.get(payload)
        if (key_id := encrypted_with(found)) is not None:
            raise PayloadError(
                f"an offloaded value does not open with the payload key `{key_id}` of its node; start nodes with the "
                "right one"
            )
        return found

    def _was_fetched(self, answer: Fetched) -> None:
        token, frame, whole, error = answer
        waiting = list(self._coming.pop(token))
        if error is None:
            self._note(token, frame, whole)
            self._deliver([whole])
            self.receive(waiting)
        elif isinstance(frame, Run):  # what waited was for an execution that does not begin
            end = self._end_of(frame.execution, error, waiting)
            if end is None:
                self._coming[token] = deque(waiting)
                self._on_thread(self._fetched_later, (token, frame), self._was_fetched)
            else:
                self.send([Ended(token, [], end)])
        else:
            self._deliver([Halt(token, "drain")])  # it is claimed again, and asked for again

    def _note(self, token: int, frame: Any, whole: Any) -> None:
        """Which messages came with a pointer."""
        before = getattr(frame.execution if isinstance(frame, Run) else frame, "messages", [])
        after = getattr(whole.execution if isinstance(whole, Run) else whole, "messages", [])
        for each, fetched in zip(before, after, strict=True):
            if each.payload is not fetched.payload:
                self._pointers.setdefault(token, {})[each.name, fetched.payload] = each.payload

    def _fetched_later(self, asked: tuple[int, Any]) -> Fetched:
        self._is_leaving.wait(AGAIN_SECONDS)
        return self._fetched(asked)

    def _end_of(self, execution: Claimed, error: Exception, waiting: Sequence[ToWorker]) -> End | None:
        """None: it stays here, and its values are asked for again. What is to end cannot sleep: it is due at once, and
        would be claimed and handed back for as long as the object store is away."""
        seen = execution.wake_seq
        if isinstance(error, StoreUnavailable):
            now = self._now()
            halts = {each.reason for each in waiting if isinstance(each, Halt)}
            is_over = execution.timeout_at is not None and execution.timeout_at <= now
            is_to_end = execution.cancel_requested or is_over or halts - LEAVING
            if is_to_end and not halts & LEAVING and not self._is_leaving.is_set():
                log.warning("execution %s is to end, and waits for a value: %s", execution.id, error)
                return None
            wake_at = now + AGAIN_US
            return End(Ending.SLEEPING, wake_at=wake_at, wake_seq=seen, cause=f"{OFFLOADED} {error}"[:500])
        sentence = f"a value of it cannot be read: {error}; then `hydra resume {execution.id}`"
        return End(Ending.PARKED, encode(sentence), wake_seq=seen)

    def _on_thread(self, work: Callable[[Any], Any], argument: Any, tell: Callable[[Any], None]) -> None:
        def run() -> None:
            try:
                answer = work(argument)
            except BaseException as error:  # a bug: the worker ends with the traceback, and nothing waits for ever
                self._post(_raise, error)
            else:
                self._post(tell, answer)

        threading.Thread(target=run, name="hydra-courier", daemon=True).start()


def _raise(error: BaseException) -> None:
    raise error
