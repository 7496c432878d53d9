"""What waits to be committed and the one batch under way: group commit, in order per execution (R11). Never writes.

Everything that arrives while a batch is under way forms the next one. A batch splits only between executions; after a
failure batches are halved until one passes, and a single execution that fails alone goes to the back of the queue.
What one execution recorded is cut by bytes, too: a record that is durable frees its worker, and no commit is too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

import msgspec

from hydra.dispatch.owned import NOWHERE, OwnedExecution
from hydra.execution import End, ExecutionCommit, Record
from hydra.stores.batches import count_bytes, count_rows
from hydra.stores.node_states import Owned

MAX_BATCH_ROWS = 1000
MAX_BATCH_BYTES = 1 << 20
FIRST_WIDTH = MAX_BATCH_ROWS // 2  # executions that fit where each has one record

Pair = tuple[OwnedExecution, ExecutionCommit]

_commit = attrgetter("commit")


def size_of(record: Record) -> int:
    return 0 if record.payload is None else len(record.payload)


def _cut(commit: ExecutionCommit) -> ExecutionCommit | None:
    """Leaves the commit as many of its records as fit, one at least; the rest of it, with its end, if there is any."""
    size = 0
    for place, record in enumerate(commit.records):
        size += size_of(record)
        if place and size > MAX_BATCH_BYTES:
            break
    else:
        place = len(commit.records)
    is_end_alone = commit.end is not None and place and size + len(commit.end.payload or b"") > MAX_BATCH_BYTES
    if place == len(commit.records):
        if not is_end_alone:
            return None
        place = max(1, place - 1)  # a small last record goes with its end: it may say what that means
    rest = msgspec.structs.replace(commit, records=commit.records[place:], arrived=())
    commit.records, commit.end, commit.arrived = commit.records[:place], None, ()
    return rest


class Outbox:
    def __init__(self) -> None:
        self._waiting: list[OwnedExecution] = []
        self._width = MAX_BATCH_ROWS  # executions in the next batch
        self.batch = 0
        self.under_way: list[Pair] = []

    @property
    def is_empty(self) -> bool:
        return not self._waiting and not self.under_way

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    def add(self, owned: OwnedExecution, records: list[Record], end: End | None = None) -> ExecutionCommit:
        """Queue records and perhaps the end of an execution, behind all that is queued for it. The list is the outbox's
        from now on."""
        commit = owned.commit
        if commit is None:
            slot = owned.slot
            commit = ExecutionCommit(owned.id, owned.epoch, records, end, 0 if slot == NOWHERE else slot)
            commit.began_cancelled = owned.execution.cancel_requested
            owned.commit = commit
            self._waiting.append(owned)
        else:
            was_held = owned.is_refused and commit.end is None
            commit.records += records
            commit.end = end
            if was_held and end is not None:
                self._waiting.append(owned)
        return commit

    def take(self) -> list[ExecutionCommit]:
        """The next batch, now under way. Of an execution alone that has more bytes than fit, its first records: the
        rest of it goes behind the others."""
        pairs = self._take_fitting(self._width) or self._take_fitting(FIRST_WIDTH) or self._take_first()
        self.under_way = pairs
        if pairs:
            self.batch += 1
        return [commit for _, commit in pairs]

    def _take_fitting(self, width: int) -> list[Pair]:
        """The first that wait, as many as that, where they fit and each has something to write; else none."""
        first = self._waiting[: min(width, self._width)]
        commits: list[ExecutionCommit] = list(map(_commit, first))
        if not all(commits) or count_rows(commits) > MAX_BATCH_ROWS or count_bytes(commits) > MAX_BATCH_BYTES:
            return []
        for owned in first:
            owned.commit = None
        del self._waiting[: len(first)]
        return list(zip(first, commits, strict=True))

    def _take_first(self) -> list[Pair]:
        """As many of the first as fit, one at least."""
        pairs: list[Pair] = []
        rows = size = taken = 0
        for owned in self._waiting:
            commit = owned.commit
            if commit is not None:
                rows += count_rows([commit])
                size += count_bytes([commit])
                if pairs and (rows > MAX_BATCH_ROWS or size > MAX_BATCH_BYTES or len(pairs) == self._width):
                    break
                owned.commit = _cut(commit) if size > MAX_BATCH_BYTES and not owned.is_refused else None
                pairs.append((owned, commit))
                if owned.commit is not None:
                    self._waiting.append(owned)  # behind its neighbours
                    taken += 1
                    break
            taken += 1
        del self._waiting[:taken]
        return pairs

    def written(self) -> list[Pair]:
        """The batch under way was answered."""
        pairs, self.under_way = self.under_way, []
        self._width = min(MAX_BATCH_ROWS, self._width * 2)
        return pairs

    def hold(self, owned: OwnedExecution, commit: ExecutionCommit) -> None:
        """Nothing of it was written, and it will be parked: it waits for its end, whole, with what is recorded until
        then."""
        owned.is_refused = True
        self._put_back([(owned, commit)], in_front=True)
        if commit.end is None:  # guard G4: what runs beside what is refused is recorded before that parks it
            self._waiting.remove(owned)

    def failed(self) -> None:
        """The batch under way did not happen: it is tried again in smaller parts."""
        pairs, self.under_way = self.under_way, []
        self._width = max(1, len(pairs) // 2)
        self._put_back(pairs, in_front=len(pairs) > 1)

    def resolve(self, rows: Mapping[str, Owned]) -> list[Pair]:
        """The batch under way may or may not have happened: what was written, by the database; the rest waits (R16).

        One that the database does not know as this node's at that epoch has ended, if its end was in the batch.
        """
        pairs, self.under_way = self.under_way, []
        written: list[Pair] = []
        unwritten: list[Pair] = []
        for owned, commit in pairs:
            item = rows.get(owned.id)
            if item is not None and item.epoch == owned.epoch:
                done = [record for record in commit.records if record.seq <= item.record_count]
                if done:
                    written.append((owned, ExecutionCommit(owned.id, owned.epoch, done)))
                    # guard R16: what the resync found written is not sent again
                    commit.records = commit.records[len(done) :]
                if commit.records or commit.end is not None:
                    unwritten.append((owned, commit))
            elif commit.end is not None:
                written.append((owned, commit))
        self._put_back(unwritten, in_front=True)
        return written

    def clear(self) -> None:
        for owned in self._waiting:
            owned.commit = None
        self._waiting.clear()
        self.under_way = []
        self._width = MAX_BATCH_ROWS

    def _put_back(self, pairs: list[Pair], *, in_front: bool) -> None:
        merged = set()
        for owned, commit in pairs:
            later = owned.commit
            if later is not None:
                # guard R11: an item that failed goes before what came later for its execution
                commit.records += later.records
                commit.end = later.end
                commit.cool_downs = commit.cool_downs + later.cool_downs
                if later.death_count is not None:
                    commit.death_count = later.death_count
                    commit.alone_death_count = later.alone_death_count
            owned.commit = commit
            merged.add(id(owned))
        returned = [owned for owned, _ in pairs]
        others = [owned for owned in self._waiting if owned.commit is not None and id(owned) not in merged]
        self._waiting = returned + others if in_front else others + returned
