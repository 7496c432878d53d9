"""How much of what a worker has recorded may be on its way at once, so that a supervisor's memory stays bounded. Pure.

Only large records count: of small ones the batches of a turn are bounded anyway. One that is larger than the whole
window goes alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hydra.execution import Record

MAX_WINDOW_BYTES = 32 << 20  # sent, and not confirmed by the database yet
LARGE_BYTES = 64 << 10


class Window:
    """Of one worker. `byte_count` is 0 where nothing large is on its way."""

    def __init__(self) -> None:
        self.byte_count = 0
        self._on_the_way: dict[int, deque[tuple[int, int]]] = {}  # by token: number and size of each record

    def admit(self, token: int, records: Sequence[Record]) -> int:
        """How many of these, from the first on, leave now."""
        for index, record in enumerate(records):
            size = 0 if record.payload is None else len(record.payload)
            if size >= LARGE_BYTES:
                if self.byte_count and self.byte_count + size > MAX_WINDOW_BYTES:
                    return index
                self.byte_count += size
                self._on_the_way.setdefault(token, deque()).append((record.seq, size))
        return len(records)

    def has_room(self, records: Sequence[Record]) -> bool:
        """Whether all of these may leave at once, with the end of their execution."""
        size = sum(len(record.payload or b"") for record in records)
        return (
            size < LARGE_BYTES
            or self.byte_count + size <= MAX_WINDOW_BYTES
            or (not self.byte_count and len(records) == 1)
        )

    def confirm(self, token: int, seq: int) -> None:
        """The database has the records of this execution up to that number."""
        sent = self._on_the_way.get(token)
        while sent and sent[0][0] <= seq:
            self.byte_count -= sent.popleft()[1]

    def forget(self, token: int) -> None:
        """Its execution has ended, and nothing is heard of it any more."""
        if (sent := self._on_the_way.pop(token, None)) is not None:
            self.byte_count -= sum(size for _, size in sent)
