"""What `hydra.map` returns: one outcome for each item, decoded when it is asked for. Runs nothing.

A map leaves one record for each chunk of its items. A chunk holds items that failed before and are tried again, then
the next fresh ones; its record says what became of each:

    [start, stop, again, later, failed, values]     fresh items start..stop; indices tried again; [index, …] as `Later`
                                                    of those still to be tried; [index, failure] of those that failed
                                                    for good; the results of all others, encoded as one
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any, Generic, NamedTuple, TypeVar, cast, overload

from hydra import codec
from hydra.errors import HydraError
from hydra.values.failures import read_failure, rebuild_exception
from hydra.written import written

R = TypeVar("R")

MAP = "hydra.map"  # the name of the record with which a map begins
CHUNK_PREFIX = "hydra.map:"  # of the names of its chunks' records

MAX_DECODED = 4  # chunks kept decoded: items that were tried again lie in other chunks than their neighbours


class Later(NamedTuple):
    """An item that is still to be tried."""

    failed_count: int  # tries that used up an attempt
    due_at: int
    postponed_count: int = 0  # tries that raised RetryAfter
    began_at: int = 0  # its first try

    def fields(self) -> tuple[int, ...]:
        """As they are recorded: the last two where they tell something."""
        return tuple(self) if self.postponed_count or self.began_at else self[:2]


FRESH = Later(0, 0)


class Outcome(Generic[R]):
    """What became of one item: a result, or the exception its last try raised."""

    __slots__ = ("_value", "error", "index")

    def __init__(self, index: int, value: Any, error: BaseException | None) -> None:
        self.index = index
        self.error = error
        self._value = value

    @property
    def is_failed(self) -> bool:
        """Whether its last try raised, and no other follows."""
        return self.error is not None

    def result(self) -> R:
        """The step's result for this item; raises what its last try raised."""
        if self.error is not None:
            raise self.error
        return cast(R, self._value)

    def __repr__(self) -> str:
        said = f"failed: {self.error!r}" if self.error is not None else f"{self._value!r}"
        return f"<hydra.Outcome of item {self.index}: {said:.200}>"


class Chunk:
    """One chunk's record, taken apart as far as can be without decoding results."""

    __slots__ = ("again", "failed", "later", "start", "stop", "values")

    def __init__(self, payload: bytes) -> None:
        self.start: int
        self.stop: int
        self.again: list[int]
        self.later: list[list[int]]
        self.failed: list[list[Any]]
        self.values: bytes
        self.start, self.stop, self.again, self.later, self.failed, self.values = codec.decode(payload)

    def indices(self) -> list[int]:
        return [*self.again, *range(self.start, self.stop)]


class Tally:
    """How far a map has come, chunk by chunk: what is fresh, what is to be tried again, where each outcome lies."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.next_fresh = 0
        self.later: dict[int, Later] = {}
        self._due: list[tuple[int, int]] = []  # a heap of (due at, index); what `later` does not bear out is stale
        self.failed_count = 0
        self.chunks: list[bytes] = []
        self._starts: list[int] = []  # of the chunks with fresh items
        self._fresh_chunks: list[int] = []
        self._moved: dict[int, int] = {}  # where the last try of an item lies that was tried again

    def add(self, payload: bytes, chunk: Chunk) -> None:
        number = len(self.chunks)
        self.chunks.append(payload)
        if chunk.stop > chunk.start:
            self._starts.append(chunk.start)
            self._fresh_chunks.append(number)
            self.next_fresh = chunk.stop
        for index in chunk.again:
            del self.later[index]
            self._moved[index] = number
        for index, *fields in chunk.later:
            self.later[index] = later = Later(*fields)
            heappush(self._due, (later.due_at, index))
        self.failed_count += len(chunk.failed)

    @property
    def done_count(self) -> int:
        return self.next_fresh - len(self.later)

    @property
    def first_due_at(self) -> int:
        """Of the items to be tried again; 0 when there are none."""
        due = self._due
        while due and self._is_stale(*due[0]):
            heappop(due)
        return due[0][0] if due else 0

    def next_indices(self, size: int, now: int) -> list[int]:
        """The next chunk: what is due to be tried again, then fresh items. Each is given once until it is added."""
        found: set[int] = set()
        while len(found) < size and self.first_due_at <= now and self._due:
            found.add(heappop(self._due)[1])
        again = sorted(found)
        return [*again, *range(self.next_fresh, min(self.count, self.next_fresh + size - len(again)))]

    def _is_stale(self, due_at: int, index: int) -> bool:
        return index not in self.later or self.later[index].due_at != due_at

    def chunk_of(self, index: int) -> int:
        number = self._moved.get(index)
        return self._fresh_chunks[bisect_right(self._starts, index) - 1] if number is None else number


class Outcomes(Sequence[Outcome[R]]):
    """One outcome for each item, in the items' order. A chunk is decoded when one of its outcomes is asked for."""

    def __init__(self, tally: Tally, types: codec.Signature) -> None:
        self._tally = tally
        self._types = types
        self._decoded: OrderedDict[int, dict[int, Outcome[R]]] = OrderedDict()

    @property
    def failed_count(self) -> int:
        """How many items failed for good."""
        return self._tally.failed_count

    def failures(self) -> Iterator[Outcome[R]]:
        """The outcomes of the items that failed, in the order in which they did; decodes no results."""
        for payload in self._tally.chunks:
            yield from self._failures_of(Chunk(payload)).values()

    def results(self) -> Iterator[R]:
        """The results in order; raises the error of the first item that has none."""
        return (outcome.result() for outcome in self)

    def __len__(self) -> int:
        return self._tally.count

    @overload
    def __getitem__(self, index: int) -> Outcome[R]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Outcome[R]]: ...
    def __getitem__(self, index: int | slice) -> Outcome[R] | list[Outcome[R]]:
        if isinstance(index, slice):
            return [self._outcome(each) for each in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        return self._outcome(place)

    def __iter__(self) -> Iterator[Outcome[R]]:
        return map(self._outcome, range(len(self)))

    def __repr__(self) -> str:
        return f"<hydra.Outcomes of {len(self)} items, {self.failed_count} failed>"

    def _outcome(self, index: int) -> Outcome[R]:
        number = self._tally.chunk_of(index)
        decoded = self._decoded.get(number)
        if decoded is None:
            decoded = self._decoded[number] = self._decode(Chunk(self._tally.chunks[number]))
            if len(self._decoded) > MAX_DECODED:
                self._decoded.popitem(last=False)
        else:
            self._decoded.move_to_end(number)
        return decoded[index]

    def _failures_of(self, chunk: Chunk) -> dict[int, Outcome[R]]:
        return {
            index: Outcome(index, None, rebuild_exception(read_failure(failure))) for index, failure in chunk.failed
        }

    def _decode(self, chunk: Chunk) -> dict[int, Outcome[R]]:
        found = self._failures_of(chunk)
        absent = found.keys() | {index for index, *_ in chunk.later}
        succeeded = [index for index in chunk.indices() if index not in absent]
        for index, value in zip(succeeded, self._types.decode_results(chunk.values), strict=True):
            unfit = value if isinstance(value, codec.Unfit) else None
            found[index] = Outcome(index, None if unfit else value, unfit.error if unfit else None)
        return found


class PlainOutcomes(Outcomes[R]):
    """What a map gives outside an execution, or in a step: its items were called one after the other."""

    def __init__(self, outcomes: list[Outcome[R]]) -> None:
        self._outcomes = outcomes

    @property
    def failed_count(self) -> int:
        """How many items failed for good."""
        return sum(outcome.is_failed for outcome in self._outcomes)

    def failures(self) -> Iterator[Outcome[R]]:
        return (outcome for outcome in self._outcomes if outcome.is_failed)

    def __len__(self) -> int:
        return len(self._outcomes)

    def _outcome(self, index: int) -> Outcome[R]:
        return self._outcomes[index]


def check_size(size: object, what: str, maximum: int) -> int:
    """A number of items or of steps at once."""
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= maximum:
        raise HydraError(f"`{what}` must be a whole number from 1 to {maximum}, not {written(size)}")
    return size
