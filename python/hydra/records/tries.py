"""Which tries of steps the records tell the end of, so that a death of their process adds nothing to it. Pure.

A worker's page shows a step until its outcome is durable: of a dead worker it may name steps whose outcome was told.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from hydra.errors import PayloadError
from hydra.execution import Record, RecordKind
from hydra.records.map_outcomes import CHUNK_PREFIX, Chunk

ENDS_OF_TRIES = (RecordKind.STEP, RecordKind.FAILURE, RecordKind.TRY, RecordKind.CRASH)


class Try(Protocol):
    """A record of it, or what a worker's page shows."""

    @property
    def branch(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def ordinal(self) -> int: ...
    @property
    def attempt(self) -> int: ...


class Told:
    """What these records tell."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._tries: set[tuple[str, str, int, int]] = set()
        self._chunks: list[Record] = []
        for record in records:
            if record.kind in ENDS_OF_TRIES:
                self._tries.add((record.branch, record.name, record.ordinal, record.attempt))
            elif record.name.startswith(CHUNK_PREFIX):
                self._chunks.append(record)

    def has(self, one: Try) -> bool:
        """Whether they tell how that try ended; of an item of a map, that it needs no other."""
        if (one.branch, one.name, one.ordinal, one.attempt) in self._tries:
            return True
        chunk_name = CHUNK_PREFIX + one.name
        return any(
            record.name == chunk_name and record.branch == one.branch and _is_over(record.payload, one.ordinal)
            for record in self._chunks
        )


def _is_over(payload: bytes | None, index: int) -> bool:
    if payload is None:  # it was too large to be kept
        return True
    try:
        chunk = Chunk(payload)
    except (PayloadError, ValueError):  # encrypted with a key that is not here: nobody knows
        return False
    return index in chunk.indices() and all(index != later[0] for later in chunk.later)
