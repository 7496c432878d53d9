"""Whether the database still holds what it confirmed to this node, and what it forgot (R19). Reads nothing itself.

    reconnected ──► resync ──► all there: go on
                         └───► a failover lost some: park what is known to have come further, register again

Replication keeps a prefix of the transactions, so the last thing confirmed proves all before it. A database that went
back may come again (a failback), so what was known of the histories before is kept, as far as each had come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping

from hydra._core import encode
from hydra.dispatch.events import Reached
from hydra.dispatch.outbox import Pair
from hydra.dispatch.owned import OwnedExecution
from hydra.execution import Ending
from hydra.stores.node_states import Advanced, Owned

MAX_ENDS = 20_000  # executions that ended here most recently; of older ones only the database knows
MAX_PARK = 1_000  # executions looked at in one transaction
CAUSE = "rewound"
REASON = (
    "the database lost records that it had confirmed (a failover without synchronous replication), so steps that "
    "took effect may run again; compare their effects with the record, then `hydra resume` it"
)
REASON_PAYLOAD = encode(REASON)
_FINAL_ENDINGS = frozenset((Ending.COMPLETED, Ending.CANCELLED))  # a person's retry takes a failure back

Ended = tuple[str, int, int]  # execution, epoch, how far it had come; 0 where its generation ended


class Acknowledged:
    """What was confirmed. Where nothing is kept, nothing is asked for (simulations of other rules)."""

    def __init__(self, *, is_kept: bool) -> None:
        self.is_kept = is_kept
        self.beat_counter = 0
        self._ended: deque[list[Ended]] = deque()
        self._ended_count = 0
        self._before: dict[str, tuple[int, int]] = {}  # what histories that were lost knew: execution -> epoch, records
        self.forgotten_count = 0  # ends beyond MAX_ENDS, which a rewind cannot be held against

    def begin(self) -> None:
        """A new registration; the ends of earlier ones are still known."""
        self.beat_counter = 0

    def beaten(self, counter: int) -> bool:
        """Whether the counter went on from where it was."""
        is_next = counter > self.beat_counter or not self.is_kept
        self.beat_counter = max(counter, self.beat_counter)
        return is_next

    def ended(self, pairs: Iterable[Pair]) -> None:
        """The ends of these were confirmed, with all their records."""
        if not self.is_kept:
            return
        ended: list[Ended] = []
        for owned, commit in pairs:
            end = commit.end
            if end is not None and end.kind != Ending.CRASHED:
                count = 0 if end.kind == Ending.CONTINUED else owned.durable_seq + (end.kind in _FINAL_ENDINGS)
                ended.append((owned.id, commit.epoch, count))
        if ended:
            self._ended.append(ended)
            self._ended_count += len(ended)
            while self._ended_count > MAX_ENDS and len(self._ended) > 1:
                count = len(self._ended.popleft())
                self._ended_count -= count
                self.forgotten_count += count

    def questions(self, under_way: Iterable[Pair]) -> list[str]:
        """Executions whose state is part of the proof, because this node does not own them any more, or may not."""
        if not self.is_kept:
            return []
        last = [self._ended[-1][-1][0]] if self._ended else []
        return last + [owned.id for owned, commit in under_way if commit.end is not None]

    def is_missing(
        self,
        owned: Mapping[str, OwnedExecution],
        rows: Mapping[str, Owned],
        counter: int,
        found: Mapping[str, Reached],
        under_way: Collection[Pair],
    ) -> bool:
        """Whether something confirmed is not there."""
        if not self.is_kept:
            return False
        if counter < self.beat_counter:  # guard R19: a beat that went back is a rewind
            return True
        in_doubt = {each.id: commit.end.kind for each, commit in under_way if commit.end is not None}
        for each in owned.values():
            item = rows.get(each.id)
            if item is not None:
                began_anew = item.epoch > each.epoch and in_doubt.get(each.id) == Ending.CONTINUED  # and is ours again
                # guard R19: a record that is gone is a rewind
                if item.record_count < each.durable_seq and not began_anew:
                    return True
            elif each.id not in in_doubt:
                # guard R19: a claim that is gone is a rewind
                return True  # nobody but its owner ends a claim, so the claim itself was forgotten (R10)
            elif not has_come(found.get(each.id), each.epoch, each.durable_seq):
                return True
        ended = {(id, epoch): count for ended in self._ended for id, epoch, count in ended}
        # guard R19: what ended here and is ours again is a rewind
        if any((item.id, item.epoch) in ended and item.id not in owned for item in rows.values()):
            return True
        if self._ended:
            id, epoch, count = self._ended[-1][-1]
            return not has_come(found.get(id), epoch, count)  # guard R19: an end that is gone is a rewind
        return False

    def advanced(self, owned: Iterable[OwnedExecution]) -> list[Advanced]:
        """How far each execution has come in this history; those without a record come to no harm."""
        known = {id: (epoch, count) for ended in self._ended for id, epoch, count in ended}
        known |= {each.id: (each.epoch, each.durable_seq) for each in owned}  # the newest claim knows best
        return [Advanced(id, count, epoch) for id, (epoch, count) in sorted(known.items()) if count]

    def go_back(self, advanced: Iterable[Advanced]) -> list[Advanced]:
        """This history is over: how far each execution has come in any."""
        for each in advanced:
            _, count = self._before.pop(each.id, (0, 0))
            self._before[each.id] = (each.epoch, max(count, each.record_count))
        while len(self._before) > MAX_ENDS:
            self._before.pop(next(iter(self._before)))
        self._ended.clear()
        self._ended_count = 0
        return [Advanced(id, count, epoch) for id, (epoch, count) in sorted(self._before.items())]


def has_come(found: Reached | None, epoch: int, count: int) -> bool:
    """So far at least, and in a claim of this process's, which in another history may be another's. A final end counts
    for one record more, and for as many as anybody may know of; a generation that ended in that claim, or after it, has
    forgotten its records."""
    # guard R19: a last claim that is another's in this history is a rewind
    if found is None or found.epoch < epoch or epoch in found.other_epochs:
        return False
    # guard R19: records that went with their generation are not missed
    return found.is_final or found.record_count >= count or found.continued_epoch >= epoch
