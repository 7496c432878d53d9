"""What waits to be committed and the one batch under way: group commit, in order per execution (R11). Never writes.

Everything that arrives while a batch is under way forms the next one. A batch splits only between executions; after a
failure batches are halved until one passes, and a single execution that fails alone goes to the back of the queue.
"""

from __future__ import annotations

from collections.abc import Mapping

from hydra.dispatch.held import Held
from hydra.execution import End, ExecutionCommit, Record
from hydra.stores.store import Owned

BATCH_ROWS_MAX = 1000
BATCH_BYTES_MAX = 1 << 20

Pair = tuple[Held, ExecutionCommit]


class Outbox:
    def __init__(self) -> None:
        self._waiting: list[Held] = []
        self._width = BATCH_ROWS_MAX  # executions in the next batch
        self.batch = 0
        self.under_way: list[Pair] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self.under_way)

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    def add(self, held: Held, records: list[Record], end: End | None = None) -> ExecutionCommit:
        """Queue records and perhaps the end of an execution, behind all that is queued for it."""
        commit = held.commit
        if commit is None:
            commit = ExecutionCommit(held.id, held.epoch, [*records], end, max(held.slot, 0))
            held.commit = commit
            self._waiting.append(held)
        else:
            commit.records += records
            commit.end = end
        return commit

    def take(self) -> list[ExecutionCommit]:
        """The next batch, now under way."""
        pairs: list[Pair] = []
        rows = size = taken = 0
        for held in self._waiting:
            commit = held.commit
            if commit is not None:
                rows += len(commit.records) + 1
                for record in commit.records:
                    if record.payload is not None:
                        size += len(record.payload)
                if pairs and (rows > BATCH_ROWS_MAX or size > BATCH_BYTES_MAX or len(pairs) == self._width):
                    break
                held.commit = None
                pairs.append((held, commit))
            taken += 1
        del self._waiting[:taken]
        self.under_way = pairs
        if pairs:
            self.batch += 1
        return [commit for _, commit in pairs]

    def written(self) -> list[Pair]:
        """The batch under way was answered."""
        pairs, self.under_way = self.under_way, []
        self._width = min(BATCH_ROWS_MAX, self._width * 2)
        return pairs

    def failed(self) -> None:
        """The batch under way did not happen: it is tried again in smaller parts."""
        pairs, self.under_way = self.under_way, []
        self._width = max(1, len(pairs) // 2)
        self._put_back(pairs, in_front=len(pairs) > 1)

    def resolve(self, owned: Mapping[str, Owned]) -> list[Pair]:
        """The batch under way may or may not have happened: what was written, by the database; the rest waits (R16).

        One that the database does not know as this node's at that epoch has ended, if its end was in the batch.
        """
        pairs, self.under_way = self.under_way, []
        written: list[Pair] = []
        unwritten: list[Pair] = []
        for held, commit in pairs:
            item = owned.get(held.id)
            if item is not None and item.epoch == held.epoch:
                done = [record for record in commit.records if record.seq <= item.record_count]
                if done:
                    written.append((held, ExecutionCommit(held.id, held.epoch, done)))
                    commit.records = commit.records[len(done) :]
                if commit.records or commit.end is not None:
                    unwritten.append((held, commit))
            elif commit.end is not None:
                written.append((held, commit))
        self._put_back(unwritten, in_front=True)
        return written

    def clear(self) -> None:
        for held in self._waiting:
            held.commit = None
        self._waiting.clear()
        self.under_way = []
        self._width = BATCH_ROWS_MAX

    def _put_back(self, pairs: list[Pair], *, in_front: bool) -> None:
        merged = set()
        for held, commit in pairs:
            later = held.commit
            if later is not None:
                commit.records += later.records
                commit.end = later.end
                if later.death_count is not None:
                    commit.death_count = later.death_count
                    commit.alone_death_count = later.alone_death_count
            held.commit = commit
            merged.add(id(held))
        returned = [held for held, _ in pairs]
        others = [held for held in self._waiting if held.commit is not None and id(held) not in merged]
        self._waiting = returned + others if in_front else others + returned
