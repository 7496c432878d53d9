"""Bulk steps: `hydra.map` runs one step for each of many items, and leaves one record for each chunk of them.

    items ──► chunk: due again + fresh ──► strands, a try of an item each ──► one record ──► next chunk
                          ▲                                │ failed, may be tried again
                          └────── when its back-off is over ┘

Two chunks are never both under way; the one before may still be on its way into the database. Whatever stops the
execution, short of a death of its process, leaves a record of the items that were done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, NoReturn, TypeVar, cast

from hydra import codec
from hydra.body.cut_off import was_cut_off
from hydra.body.plain_map import map_plainly
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.body.replay import Key, Used
from hydra.body.retrying import due_of, judge, judge_record
from hydra.body.step_call import CalledStep, StepCall
from hydra.body.strand import running
from hydra.context import Inside
from hydra.definitions import BoundEach, calling
from hydra.errors import HydraError, PayloadTooLarge
from hydra.execution import Record, RecordKind
from hydra.records.map_outcomes import CHUNK_PREFIX, FRESH, MAP, Chunk, Later, Outcomes, Tally, check_size
from hydra.written import written

R = TypeVar("R")

VALUE = str(RecordKind.VALUE)
CHUNK_ITEMS, CONCURRENCY = 1000, 16
MAX_CHUNK_ITEMS = 100_000
MAX_CONCURRENCY = 1024
TURN_ITEMS = 16  # tries after which a strand lets the hub see to other things
DIGEST_ITEMS = 1000  # digested at a time: the hub sees to other things in between
MAX_ITEMS_BYTES = 1 << 40  # items are digested, not kept: no payload's limit holds for them


def map_items(bound: BoundEach[R], chunk: int = CHUNK_ITEMS, concurrency: int = CONCURRENCY) -> Outcomes[R]:
    """Run a step for each of many items, with one record for each `chunk` of them; one outcome for each item.

        outcomes = hydra.map(charge.bind_each(invoices))
        total = sum(each.result() for each in outcomes if not each.is_failed)

    Each item has its own outcome, a result or a failure, after as many tries as the step's policy allows; a failure
    is not raised here. After a crash, only items of the chunk under way (and of one on its way into the database) run
    again, with the idempotency keys they had. The outcomes are decoded as they are asked for.

    Args:
        bound: a step with its items, such as `charge.bind_each(invoices)`.
        chunk: how many items have one record.
        concurrency: how many run at a time.

    Raises:
        HydraError: for what is no step bound to items, or numbers that cannot be.
    """
    check_map(bound, chunk, concurrency)
    here = calling("`hydra.map`")
    if here is None:
        return map_plainly(bound)
    outcomes: Outcomes[R] = cast(Inside, here).map(bound, chunk, concurrency)
    return outcomes


def check_map(bound: object, chunk: object, concurrency: object) -> None:
    if not isinstance(bound, BoundEach):
        raise HydraError(
            f"`hydra.map` takes a step bound to items, such as `charge.bind_each(cards)`, not {written(bound)}"
        )
    check_size(chunk, "chunk", MAX_CHUNK_ITEMS)
    check_size(concurrency, "concurrency", MAX_CONCURRENCY)


class Map(Generic[R]):
    """One map of one execution, in a strand of it. `branch` is the map's own."""

    def __init__(
        self, execution: RunningExecution, branch: str, bound: BoundEach[R], chunk: int, concurrency: int
    ) -> None:
        self._execution = execution
        self._branch = branch
        self._bound = bound
        self._step = bound.step
        self._chunk = chunk
        self._concurrency = concurrency
        self._tally = Tally(len(bound.items))
        self._seqs = [0, 0]  # of the last two chunks' records
        self._digest = b""  # of all items; empty in a map that began before its record had it: each chunk's own counts

    def run(self) -> Outcomes[R]:
        self._begin()
        execution, tally = self._execution, self._tally
        while tally.done_count < tally.count:
            if self._replay_chunk():
                execution.strands.yield_turn()
                continue
            indices = tally.next_indices(self._chunk, execution.host.now())
            if indices:
                self._run_chunk(indices)
            else:
                execution.strands.wait_until(tally.first_due_at)
        execution.log.hand_out()
        return Outcomes(tally, self._step.types)

    def _begin(self) -> None:
        execution, step, count = self._execution, self._step, self._tally.count
        key = (self._branch, MAP, 0)
        digest = codec.encode_with_digest([step.name, count])[1]
        past = execution.recorded.ask(key, (VALUE,), digest)
        if past is None or past.outcome is None:
            self._digest = self._digest_slowly()
            now = execution.host.now()
            payload = codec.encode({"step": step.name, "count": count, "items": self._digest})
            execution.log.append(VALUE, key, digest, payload, Timing(1, now, now))
            execution.log.hand_out()
            return
        assert past.outcome.payload is not None
        self._digest = codec.decode(past.outcome.payload).get("items", b"")
        if self._digest and self._digest_slowly() != self._digest and not self._has_only_new_fields():
            self._diverge()

    def _digest_slowly(self) -> bytes:
        """Of all items, before any of them runs, so that no item's key can ever go to another one."""
        digests = []
        for start in range(0, self._tally.count, DIGEST_ITEMS):
            if start:
                self._execution.strands.yield_turn()
            if self._execution.stopping is not None:
                self._execution.interrupt()
            stop = min(start + DIGEST_ITEMS, self._tally.count)
            digests.append(digest_of(self._items(range(start, stop))))
        return digest_of([digests, list(self._bound.args), self._bound.kwargs])

    def _has_only_new_fields(self) -> bool:
        bound = self._bound
        call = [list(bound.items), list(bound.args), bound.kwargs]
        return codec.lacks_new_fields(self._digest, call, digest_of_map)

    def _diverge(self) -> NoReturn:
        call = f"`hydra.map` of step `{self._step.name}`"
        self._execution.recorded.diverge(f"{call} is called with other items than the record has", call, "other items")

    def _key(self) -> tuple[str, str, int]:
        return self._branch, CHUNK_PREFIX + self._step.name, len(self._tally.chunks)

    def _replay_chunk(self) -> bool:
        """Take over what the records say of the next chunk; False where they end."""
        execution = self._execution
        key = self._key()
        past = execution.recorded.ask(key, (VALUE,), b"")
        if past is None or past.outcome is None:
            return False
        assert past.outcome.payload is not None
        chunk = Chunk(past.outcome.payload)
        if not self._digest and self._digest_of(self._items(chunk.indices())) != past.digest:
            self._diverge()
        for _, failure in chunk.failed:
            execution.recorded.require_class(key, codec.read_failure(failure))
        self._tally.add(past.outcome.payload, chunk)
        return True

    def _items(self, indices: Iterable[int]) -> list[Any]:
        return [self._bound.items[index] for index in indices]

    def _digest_of(self, items: list[Any]) -> bytes:
        bound = self._bound
        return self._digest or digest_of([items, list(bound.args), bound.kwargs])

    def _run_chunk(self, indices: list[int]) -> None:
        """One try of each, side by side; then the record, also of a part when the execution stops meanwhile."""
        execution, tally = self._execution, self._tally
        has_failed_before = indices[0] in tally.later
        items = self._items(indices)
        digest = self._digest_of(items)  # before anything runs: what cannot be recorded shall have had no effect
        execution.strands.wait_to_start(self._seqs[1 if has_failed_before else 0])
        tries = Tries(execution, self._branch, self._bound, tally, dict(zip(indices, items, strict=True)), digest)
        started_at = execution.host.now()
        tries.run(self._concurrency)
        if tries.begun_count == len(indices):
            self._record(tries, indices, digest, started_at)
        else:
            self._record_part(tries, indices[: tries.begun_count], started_at)
        if execution.stopping is not None:
            execution.interrupt()

    def _record_part(self, tries: Tries[R], indices: list[int], started_at: int) -> None:
        self._record(tries, indices, self._digest_of([tries.items[index] for index in indices]), started_at)

    def _record(self, tries: Tries[R], indices: list[int], digest: bytes, started_at: int) -> None:
        """In halves where the results are too large for one payload; the record says which items it tells of."""
        if not indices:
            return
        try:
            payload = tries.encode(indices)
        except PayloadTooLarge as error:
            middle = len(indices) // 2
            if middle:
                self._record_part(tries, indices[:middle], started_at)
                self._record_part(tries, indices[middle:], started_at)
                return
            tries.fail(indices[0], error)
            payload = tries.encode(indices)
        execution = self._execution
        timing = Timing(1, started_at, execution.host.now(), place=tries.place)
        execution.log.append(VALUE, self._key(), digest, payload, timing)
        self._tally.add(payload, Chunk(payload))
        self._seqs = [self._seqs[1], execution.log.seq]


def digest_of(value: Any) -> bytes:
    return codec.encode_with_digest(value, MAX_ITEMS_BYTES, True)[1]


def digest_of_map(call: list[Any]) -> bytes:
    """As `Map` takes it, piece by piece."""
    items, args, kwargs = call
    pieces = [items[start : start + DIGEST_ITEMS] for start in range(0, len(items), DIGEST_ITEMS)]
    return digest_of([[digest_of(piece) for piece in pieces], args, kwargs])


class Tries(Generic[R]):
    """One try of each item of a chunk."""

    def __init__(
        self,
        execution: RunningExecution,
        branch: str,
        bound: BoundEach[R],
        tally: Tally,
        items: dict[int, Any],
        digest: bytes,
    ) -> None:
        self._execution = execution
        self._branch = branch
        self._bound = bound
        self._tally = tally
        self.items = items
        self._digest = digest  # of what its tries are known by
        self._indices = list(items)
        self.begun_count = 0
        self.results: dict[int, Any] = {}
        self.failures: dict[int, bytes] = {}  # for good
        self._later: dict[int, Later] = {}
        self._left_count = 0
        self.place = -1  # in the worker's page, of one that took effect: it stands there for the chunk

    def run(self, concurrency: int) -> None:
        """Returns when nothing runs any more, even where the execution stops: what was done is to be recorded."""
        execution, parent = self._execution, running()

        def strand() -> None:
            try:
                self._try_next_ones()
            finally:
                self._left_count -= 1
                if not self._left_count:
                    execution.host.resume(parent)

        self._left_count = min(concurrency, len(self._indices))
        for _ in range(self._left_count):
            execution.strands.start_part(strand)
        while self._left_count:
            parent.is_waiting = True
            parent.leave()

    def encode(self, indices: list[int]) -> bytes:
        """The record of these items, which are a part of the chunk in its order."""
        fresh = [index for index in indices if index not in self._tally.later]
        start = fresh[0] if fresh else self._tally.next_fresh
        again = indices[: len(indices) - len(fresh)]
        later = [[index, *self._state_of(index).fields()] for index in indices if self._is_later(index)]
        done = [index for index in indices if index in self.results]
        try:
            values = codec.encode([self.results[index] for index in done])
        except PayloadTooLarge:
            raise
        except BaseException:  # user classes take part in encoding
            done = [index for index in done if self._fits(index)]
            values = codec.encode([self.results[index] for index in done], codec.MAX_PAYLOAD_BYTES, True)
        failed = [[index, self.failures[index]] for index in indices if index in self.failures]
        return codec.encode([start, start + len(fresh), again, later, failed, values])

    def fail(self, index: int, error: BaseException) -> None:
        """What became of it cannot be kept."""
        self.results.pop(index, None)
        self.failures[index] = codec.encode_failure(error)

    def _is_later(self, index: int) -> bool:
        return index not in self.results and index not in self.failures

    def _state_of(self, index: int) -> Later:
        """An item that did not begin, or was cut off, because the execution stops, is due at once."""
        return self._later.get(index) or self._tally.later.get(index, FRESH)

    def _fits(self, index: int) -> bool:
        try:
            self._bound.step.types.encode_result(self.results[index])
        except PayloadTooLarge:
            return True
        except BaseException as error:
            self.fail(index, error)
            return False
        return True

    def _try_next_ones(self) -> None:
        execution, indices, strand = self._execution, self._indices, running()
        count = 0
        while execution.stopping is None and not strand.is_given_up and self.begun_count < len(indices):
            index = indices[self.begun_count]
            self.begun_count += 1
            self._try(index)
            count += 1
            if count % TURN_ITEMS == 0:
                execution.strands.yield_turn()

    def _must_wait(self, key: Key, used: Used, timed_out: Record) -> bool:
        """Of an item whose last try was killed for its time-out: whether it is not to be tried now, or never."""
        _, at = judge_record(self._execution, key, self._bound.step, timed_out, used)
        if at is None:
            assert timed_out.payload is not None
            self.failures[key[2]] = timed_out.payload
        elif at > self._execution.host.now():
            self._later[key[2]] = self._later_of(used, at)
        else:
            return False
        return True

    def _try(self, index: int) -> None:
        execution, step = self._execution, self._bound.step
        key = (self._branch, step.name, index)
        so_far = self._tally.later.get(index, FRESH)
        used = Used(so_far.failed_count, so_far.postponed_count, so_far.began_at)
        past = execution.recorded.past(key)
        if past is not None and past.spent_count > used.failed_count:
            used = used._replace(failed_count=past.spent_count, began_at=used.began_at or past.began_at)
            if past.timed_out is not None and self._must_wait(key, used, past.timed_out):
                return
        args, kwargs = (self.items[index], *self._bound.args), self._bound.kwargs
        attempt = used.failed_count + execution.recorded.crash_count(key) + 1
        call = StepCall.of(execution, CalledStep(key, step, self._digest, args, kwargs), attempt)
        execution.host.perform(call)
        while not call.started_at:
            if execution.stopping is not None or running().is_given_up:
                return
            execution.strands.wait_for_lease()
            call.error = None
            execution.host.perform(call)
        if call.error is None:
            self._drop_place(self.place)
            self.place = call.place
            try:
                self.results[index] = step.types.hidden(call.result)
            except Exception as error:  # user classes take part
                self.fail(index, error)
            return
        if was_cut_off(execution, call, key):
            return
        self._drop_place(call.place)
        verdict = judge(call, call.error, used, execution.host.random())
        if verdict.seconds is None:
            self.failures[index] = codec.encode_failure(call.error)
        else:
            at = abs(due_of(verdict, call))
            self._later[index] = self._later_of(used.after(verdict, call.started_at), at)

    def _drop_place(self, place: int) -> None:
        """A page has not room for all items of a chunk: of those that took effect the last one stands there."""
        if self._execution.log.places.pop(place, None) is not None:
            self._execution.host.leave_page(place)

    def _later_of(self, used: Used, due_at: int) -> Later:
        """When it began matters to a deadline only."""
        began_at = 0 if self._bound.step.retry.deadline_seconds is None else used.began_at
        return Later(used.failed_count, due_at, used.postponed_count, began_at)
