"""Bulk steps: `hydra.map` runs one step for each of many items, and leaves one record for each chunk of them.

    items ──► chunk: due again + fresh ──► strands, a try of an item each ──► one record ──► next chunk
                          ▲                                │ failed, may be tried again
                          └────── when its back-off is over ┘

Two chunks are never both under way; the one before may still be on its way into the database. Whatever stops the
execution, short of a death of its process, leaves a record of the items that were done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from hydra import codec
from hydra.body.host import running
from hydra.client.outcomes import CHUNK_PREFIX, MAP, Chunk, Outcome, Outcomes, PlainOutcomes, Tally, check_size
from hydra.context import Inside
from hydra.definitions import BoundEach, caller
from hydra.errors import HydraError, PayloadTooLarge
from hydra.execution import RecordKind

if TYPE_CHECKING:
    from hydra.body.executor import Execution

R = TypeVar("R")

VALUE = str(RecordKind.VALUE)
CHUNK_ITEMS, CONCURRENCY = 1000, 16
CHUNK_ITEMS_MAXIMUM = 100_000
CONCURRENCY_MAXIMUM = 1024
TURN_ITEMS = 16  # tries after which a strand lets the hub see to other things
ITEMS_BYTES_MAXIMUM = 1 << 40  # items are digested, not kept: no payload's limit holds for them


def map_items(bound: BoundEach[R], chunk: int = CHUNK_ITEMS, concurrency: int = CONCURRENCY) -> Outcomes[R]:
    """Run a step for each of many items, `concurrency` at a time, with one record for each `chunk` of them.

    Each item has its own outcome, a result or a failure, after as many tries as the step's policy allows; a failure
    is not raised here. After a crash, only items of the chunk under way (and of one on its way into the database) run
    again, with the idempotency keys they had. The outcomes are decoded as they are asked for.

        outcomes = hydra.map(charge.bind_each(invoices))
        total = sum(each.result() for each in outcomes if not each.is_failed)
    """
    check_map(bound, chunk, concurrency)
    here = caller.get()
    if here is None:
        return map_plainly(bound)
    outcomes: Outcomes[R] = cast(Inside, here).map(bound, chunk, concurrency)
    return outcomes


def check_map(bound: object, chunk: object, concurrency: object) -> None:
    if not isinstance(bound, BoundEach):
        raise HydraError(f"`hydra.map` takes a step bound to items, such as `charge.bind_each(cards)`, not {bound!r}.")
    check_size(chunk, "chunk", CHUNK_ITEMS_MAXIMUM)
    check_size(concurrency, "concurrency", CONCURRENCY_MAXIMUM)


def map_plainly(bound: BoundEach[R]) -> Outcomes[R]:
    if bound.step.is_async:
        raise HydraError(f"step `{bound.step.name}` is async: `await hydra.aio.map(…)`.")
    outcomes: list[Outcome[R]] = []
    for index in range(len(bound.items)):
        args, kwargs = bound.call(index)
        try:
            outcomes.append(Outcome(index, bound.step.function(*args, **kwargs), None))
        except Exception as error:
            outcomes.append(Outcome(index, None, error))
    return PlainOutcomes(outcomes)


async def map_async(bound: BoundEach[R]) -> Outcomes[R]:
    """`hydra.aio.map` outside an execution, or in a step."""
    if not bound.step.is_async:
        return map_plainly(bound)
    outcomes: list[Outcome[R]] = []
    for index in range(len(bound.items)):
        args, kwargs = bound.call(index)
        try:
            outcomes.append(Outcome(index, await bound.step.function(*args, **kwargs), None))
        except Exception as error:
            outcomes.append(Outcome(index, None, error))
    return PlainOutcomes(outcomes)


class Map(Generic[R]):
    """One map of one execution, in a strand of it. `branch` is the map's own."""

    def __init__(self, execution: Execution, branch: str, bound: BoundEach[R], chunk: int, concurrency: int) -> None:
        self._execution = execution
        self._branch = branch
        self._bound = bound
        self._step = bound.step
        self._chunk = chunk
        self._concurrency = concurrency
        self._tally = Tally(len(bound.items))
        self._seqs = [0, 0]  # of the last two chunks' records

    def run(self) -> Outcomes[R]:
        self._begin()
        execution, tally = self._execution, self._tally
        while tally.done_count < tally.count:
            if self._replay_chunk():
                execution.yield_turn()
                continue
            indices = tally.next_indices(self._chunk, execution.host.now())
            if indices:
                self._run_chunk(indices)
            else:
                execution.wait_until(tally.first_due_at)
        execution.handed = execution.seq
        return Outcomes(tally, self._step.types)

    def _begin(self) -> None:
        execution, step, count = self._execution, self._step, self._tally.count
        key = (self._branch, MAP, 0)
        digest = codec.encode_with_digest([step.name, count])[1]
        past = execution.ask(key, (VALUE,), digest)
        if past is None or past.outcome is None:
            now = execution.host.now()
            execution.append(VALUE, key, 1, digest, codec.encode({"step": step.name, "count": count}), now, now)
            execution.handed = execution.seq

    def _key(self) -> tuple[str, str, int]:
        return self._branch, CHUNK_PREFIX + self._step.name, len(self._tally.chunks)

    def _replay_chunk(self) -> bool:
        """Take over what the records say of the next chunk; False where they end."""
        execution = self._execution
        key = self._key()
        past = execution.ask(key, (VALUE,), b"")
        if past is None or past.outcome is None:
            return False
        assert past.outcome.payload is not None
        chunk = Chunk(past.outcome.payload)
        if self._digest(self._items(chunk.indices())) != past.digest:
            call = f"`hydra.map` of step `{self._step.name}`"
            execution.diverge(f"{call} is called with other items than the record has", call, "other items")
        self._tally.add(past.outcome.payload, chunk)
        return True

    def _items(self, indices: list[int]) -> list[Any]:
        return [self._bound.items[index] for index in indices]

    def _digest(self, items: list[Any]) -> bytes:
        bound = self._bound
        return codec.encode_with_digest([items, list(bound.args), bound.kwargs], ITEMS_BYTES_MAXIMUM)[1]

    def _run_chunk(self, indices: list[int]) -> None:
        """One try of each, side by side; then the record, also of a part when the execution stops meanwhile."""
        execution, tally = self._execution, self._tally
        has_failed_before = indices[0] in tally.later
        items = self._items(indices)
        digest = self._digest(items)  # before anything runs: what cannot be recorded shall have had no effect
        execution.wait_to_start(self._seqs[1 if has_failed_before else 0])
        tries = Tries(execution, self._branch, self._bound, tally, dict(zip(indices, items, strict=True)))
        started_at = execution.host.now()
        tries.run(self._concurrency)
        if tries.begun_count == len(indices):
            self._record(tries, indices, digest, started_at)
        else:
            self._record_part(tries, indices[: tries.begun_count], started_at)
        if execution.stopping is not None:
            execution.interrupt()

    def _record_part(self, tries: Tries[R], indices: list[int], started_at: int) -> None:
        self._record(tries, indices, self._digest([tries.items[index] for index in indices]), started_at)

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
        execution.append(VALUE, self._key(), 1, digest, payload, started_at, execution.host.now())
        self._tally.add(payload, Chunk(payload))
        self._seqs = [self._seqs[1], execution.seq]


class Tries(Generic[R]):
    """One try of each item of a chunk."""

    def __init__(
        self, execution: Execution, branch: str, bound: BoundEach[R], tally: Tally, items: dict[int, Any]
    ) -> None:
        self._execution = execution
        self._branch = branch
        self._bound = bound
        self._tally = tally
        self.items = items
        self._indices = list(items)
        self.begun_count = 0
        self.results: dict[int, Any] = {}
        self.failures: dict[int, bytes] = {}  # for good
        self._later: dict[int, tuple[int, int]] = {}  # failures so far, due at
        self._left_count = 0

    def run(self, concurrency: int) -> None:
        """Returns when nothing runs any more, even where the execution stops: what was done is to be recorded."""
        execution, parent = self._execution, running()

        def strand() -> None:
            self._try_next_ones()
            self._left_count -= 1
            if not self._left_count:
                execution.host.resume(parent)
            execution.strand_ended()

        self._left_count = min(concurrency, len(self._indices))
        execution.live_count += self._left_count
        for _ in range(self._left_count):
            execution.host.start(strand)
        while self._left_count:
            parent.is_waiting = True
            parent.leave()

    def encode(self, indices: list[int]) -> bytes:
        """The record of these items, which are a part of the chunk in its order."""
        fresh = [index for index in indices if index not in self._tally.later]
        start = fresh[0] if fresh else self._tally.next_fresh
        again = indices[: len(indices) - len(fresh)]
        later = [[index, *self._state_of(index)] for index in indices if self._is_later(index)]
        done = [index for index in indices if index in self.results]
        try:
            values = codec.encode([self.results[index] for index in done])
        except PayloadTooLarge:
            raise
        except Exception:  # user classes take part in encoding
            done = [index for index in done if self._fits(index)]
            values = codec.encode([self.results[index] for index in done])
        failed = [[index, self.failures[index]] for index in indices if index in self.failures]
        return codec.encode([start, start + len(fresh), again, later, failed, values])

    def fail(self, index: int, error: Exception) -> None:
        """What became of it cannot be kept."""
        self.results.pop(index, None)
        self.failures[index] = codec.encode_failure(error)

    def _is_later(self, index: int) -> bool:
        return index not in self.results and index not in self.failures

    def _state_of(self, index: int) -> tuple[int, int]:
        """An item that did not begin, or was cut off, because the execution stops, is due at once."""
        return self._later.get(index) or self._tally.later.get(index, (0, 0))

    def _fits(self, index: int) -> bool:
        try:
            codec.encode(self.results[index])
        except PayloadTooLarge:
            return True
        except Exception as error:
            self.fail(index, error)
            return False
        return True

    def _try_next_ones(self) -> None:
        execution, indices = self._execution, self._indices
        count = 0
        while execution.stopping is None and self.begun_count < len(indices):
            index = indices[self.begun_count]
            self.begun_count += 1
            self._try(index)
            count += 1
            if count % TURN_ITEMS == 0:
                execution.yield_turn()

    def _try(self, index: int) -> None:
        execution, step = self._execution, self._bound.step
        failed_count = self._tally.later.get(index, (0, 0))[0]
        args, kwargs = (self.items[index], *self._bound.args), self._bound.kwargs
        attempt = failed_count + execution.crash_count((self._branch, step.name, index)) + 1
        call = execution.new_call(self._branch, step, index, attempt, args, kwargs)
        execution.host.perform(call)
        while not call.started_at:
            if execution.stopping is not None:
                return
            execution.wait_for_lease()
            call.error = None
            execution.host.perform(call)
        if call.error is None:
            self.results[index] = call.result
            return
        if execution.was_cut_off(call, (self._branch, step.name, index), b""):
            return
        seconds = step.retry.delay(failed_count + 1, call.error, execution.host.random())
        if seconds is None:
            self.failures[index] = codec.encode_failure(call.error)
        else:
            self._later[index] = failed_count + 1, call.finished_at + round(seconds * 1e6)
