"""Whether the database still holds what it confirmed to this node, and what it forgot (R19). Reads nothing itself.

    reconnected ──► resync ──► all there: go on
                         └───► a failover lost some: park what is known to have come further, register anew

Replication keeps a prefix of the transactions, so the last thing confirmed proves all before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping

from hydra._core import encode
from hydra.dispatch.events import Reached
from hydra.dispatch.held import Held
from hydra.dispatch.outbox import Pair
from hydra.execution import End, Ending, ExecutionCommit
from hydra.stores.store import Advanced, Owned

ENDS_MAX = 20_000  # executions that ended here most recently; of older ones only the database knows
PARK_MAX = 1_000  # executions looked at in one transaction
CAUSE = "rewound"
REASON = (
    "the database lost records that it had confirmed (a failover without synchronous replication), so steps that "
    "took effect may run again; compare their effects with the record, then `hydra resume` it"
)
REASON_PAYLOAD = encode(REASON)
_FINAL_ENDINGS = frozenset((Ending.COMPLETED, Ending.CANCELLED))  # a person's retry takes a failure back

Ended = tuple[str, int, int]  # execution, epoch, how far it had come; 0 where its generation ended


class Acknowledged:
    """What was confirmed. A database that cannot fail over is not asked to prove anything, and nothing is kept."""

    def __init__(self, *, is_kept: bool) -> None:
        self.is_kept = is_kept
        self._beat_counter = 0
        self._ended: deque[list[Ended]] = deque()
        self._ended_count = 0
        self.forgotten_count = 0  # ends beyond ENDS_MAX, which a rewind cannot be held against

    def begin(self) -> None:
        """A new registration; the ends of earlier ones are still known."""
        self._beat_counter = 0

    def beaten(self, counter: int) -> bool:
        """Whether the counter went on from where it was."""
        is_next = counter > self._beat_counter or not self.is_kept
        self._beat_counter = max(counter, self._beat_counter)
        return is_next

    def written(self, pairs: Iterable[Pair]) -> None:
        """These commits were confirmed."""
        if not self.is_kept:
            return
        ended: list[Ended] = []
        for held, commit in pairs:
            end = commit.end
            if commit.records:
                held.durable_seq = commit.records[-1].seq
            if end is not None and end.kind != Ending.CRASHED:
                count = 0 if end.kind == Ending.CONTINUED else held.durable_seq + (end.kind in _FINAL_ENDINGS)
                ended.append((held.id, commit.epoch, count))
        if ended:
            self._ended.append(ended)
            self._ended_count += len(ended)
            while self._ended_count > ENDS_MAX and len(self._ended) > 1:
                count = len(self._ended.popleft())
                self._ended_count -= count
                self.forgotten_count += count

    def questions(self, under_way: Iterable[Pair]) -> list[str]:
        """Executions whose state is part of the proof, because this node does not own them any more, or may not."""
        if not self.is_kept:
            return []
        last = [self._ended[-1][-1][0]] if self._ended else []
        return last + [held.id for held, commit in under_way if commit.end is not None]

    def is_missing(
        self,
        held: Mapping[str, Held],
        owned: Mapping[str, Owned],
        counter: int,
        found: Mapping[str, Reached],
        under_way: Collection[Pair],
    ) -> bool:
        """Whether something confirmed is not there."""
        if not self.is_kept:
            return False
        if counter < self._beat_counter:
            return True
        in_doubt = {each.id: commit.end.kind for each, commit in under_way if commit.end is not None}
        for each in held.values():
            item = owned.get(each.id)
            if item is not None:
                began_anew = item.epoch > each.epoch and in_doubt.get(each.id) == Ending.CONTINUED  # and is ours again
                if item.record_count < each.durable_seq and not began_anew:
                    return True
            elif each.id not in in_doubt:
                return True  # nobody but its owner ends a claim, so the claim itself was forgotten (R10)
            elif not _has_come(found.get(each.id), each.epoch, each.durable_seq):
                return True
        ended = {(id, epoch): count for ended in self._ended for id, epoch, count in ended}
        if any((item.id, item.epoch) in ended and item.id not in held for item in owned.values()):
            return True
        if self._ended:
            id, epoch, count = self._ended[-1][-1]
            return not _has_come(found.get(id), epoch, count)
        return False

    def advanced(self, held: Iterable[Held]) -> list[Advanced]:
        """How far each execution is known to have come; those without a record come to no harm."""
        known = {id: (epoch, count) for ended in self._ended for id, epoch, count in ended}
        known |= {each.id: (each.epoch, each.durable_seq) for each in held}  # the newest claim knows best
        return [Advanced(id, count, epoch) for id, (epoch, count) in sorted(known.items()) if count]


def parking(advanced: Iterable[Advanced], owned: Mapping[str, Owned]) -> list[ExecutionCommit]:
    """The end of this node's own claims of what the database knows less of."""
    return [
        ExecutionCommit(each.id, owned[each.id].epoch, [], End(Ending.PARKED, payload=REASON_PAYLOAD, cause=CAUSE))
        for each in advanced
        if each.id in owned and owned[each.id].record_count < each.record_count
    ]


def _has_come(found: Reached | None, epoch: int, count: int) -> bool:
    """So far at least. A final end counts for one record more, and for as many as anybody may know of; a generation
    that ended in that claim, or after it, has forgotten its records."""
    if found is None or found.epoch < epoch:
        return False
    return found.is_final or found.record_count >= count or found.continued_epoch >= epoch
