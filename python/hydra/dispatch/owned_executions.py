"""Every execution this node owns, from its claim to the answer that says its end is written, or that it is not ours.

The database has the last word: of what a commit wrote, of what came in the place of an expiry, and after a lost reply
of what is owned at all (R16).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from hydra.dispatch.effects import Effects
from hydra.dispatch.events import Beaten, ClaimDone, CommitDone, ExecutionEnded, OutcomeUnknown, Recovered, Resynced
from hydra.dispatch.outbox import Pair
from hydra.dispatch.owned import NOWHERE, OwnedExecution, poisoned, unreadable
from hydra.dispatch.registration import Phase, Registration
from hydra.dispatch.workers import Workers
from hydra.execution import Claimed, CommitAnswer, End, Ending, ExecutionCommit, Record, RecordKind, as_answered
from hydra.frames import Deliver, Durable
from hydra.payload_keys import encrypted_with

TOLD_ENDS = (Ending.FAILED, Ending.PARKED)

Durables = defaultdict[int, tuple[list[int], list[int]]]  # by slot: tokens, and up to which record each is durable


class OwnedExecutions:
    def __init__(
        self, concurrency: int, registration: Registration, workers: Workers, effects: Effects, *, can_rewind: bool
    ) -> None:
        self._concurrency = concurrency
        self._can_rewind = can_rewind
        self._registration = registration
        self._workers = workers
        self._effects = effects
        self._owned: dict[str, OwnedExecution] = {}
        self._disowned: list[OwnedExecution] = []  # whose commit the database refused, though it let this node write
        self._elsewhere: frozenset[str] = frozenset()  # of the last ends: what differs here, and goes on elsewhere

    def __len__(self) -> int:
        return len(self._owned)

    def give_up(self) -> Iterable[OwnedExecution]:
        """Forget them all: nothing of them may be written any more. Returns what they were."""
        given_up = list(self._owned.values())
        self._owned.clear()
        self._disowned.clear()
        return given_up

    def release(self, owned: OwnedExecution) -> None:
        """Hand it back to the database, for whoever claims it next."""
        self._registration.outbox.add(owned, [], End(Ending.RELEASED))

    # claims

    def claim_done(self, event: ClaimDone, now_ns: int) -> None:
        if self._registration.claim_done(len(event.executions), now_ns):
            self._take_over(event.executions, now_ns)

    def _take_over(self, executions: list[Claimed], now_ns: int) -> None:
        concurrency = self._concurrency
        for execution in executions:
            owned = OwnedExecution(execution, concurrency, now_ns)
            self._owned[owned.id] = owned
            if self._workers.is_draining:
                self.release(owned)
            elif reason := unreadable(execution):
                self._registration.outbox.add(owned, [], poisoned(owned.id, *reason))
            else:
                self._workers.enqueue(owned)

    # beats

    def beaten(self, event: Beaten, now_ns: int) -> None:
        if self._registration.phase is Phase.JOINING:
            return
        self._registration.beaten(event.sent_ns, event.beat, len(self._owned), now_ns)
        for attention in event.beat.attention:
            owned = self._owned.get(attention.id)
            if owned is not None and owned.epoch == attention.epoch:
                self._halt(owned, "timeout" if attention.kind == "timeout" else "cancelled")

        # what this node has no key for stays where it is, for one that has
        readable = [message for message in event.beat.messages if encrypted_with(message.payload) is None]
        for owned, messages, has_more in self._registration.listeners.hear(readable, event.beat.unread):
            if owned.slot != NOWHERE:
                self._workers.send(owned.slot, Deliver(owned.token, messages, has_more))

    # commits

    def commit_done(self, event: CommitDone, now_ns: int) -> None:
        pairs = self._registration.commit_done(event.batch, now_ns)
        self._elsewhere = event.elsewhere
        if pairs:
            self._decided([(pairs[place][0], record) for place, record in event.arrived])
            if event.written.count(CommitAnswer.WRITTEN) == len(pairs) == len(event.written):
                self._written(pairs, now_ns)
            else:
                self._answered(pairs, event, now_ns)

    def _answered(self, pairs: list[Pair], event: CommitDone, now_ns: int) -> None:
        """Some of it is not as it was asked."""
        written: list[Pair] = []
        refused: list[OwnedExecution] = []
        held: list[Pair] = []
        for pair, answer in zip(pairs, event.written, strict=True):
            owned, commit = pair
            if answer == CommitAnswer.WRITTEN:
                written.append(pair)
            elif owned.id in event.held:
                held.append(pair)
            elif answer == CommitAnswer.REFUSED:
                refused.append(owned)
            else:
                if commit.end is None:
                    self._halt(owned, "cancelled")  # ahead of what lets it begin its next step
                written.append((owned, as_answered(commit, answer)))
        self._written(written, now_ns)
        for owned, commit in held:
            self._registration.outbox.hold(owned, commit)
            self._workers.stop(owned)
        for owned in refused:
            if owned.id in event.given_up:  # it is parked, which was told
                self._workers.withdraw(owned)
                self._forget(owned)
            elif not self._can_rewind:  # guard R19: a commit refused by a living fence is asked about
                self._lose(owned)
            else:
                self._disowned.append(owned)
                self._registration.resync_next()

    def _decided(self, arrived: list[tuple[OwnedExecution, Record]]) -> None:
        """Waits that were over got their message after all: their bodies learn it before it counts as durable."""
        for owned, record in arrived:
            owned.decide(record)
            if owned.slot != NOWHERE:
                self._workers.send(owned.slot, Durable([], [], [(owned.token, record)]))

    def _written(self, pairs: list[Pair], now_ns: int) -> None:
        listeners = self._registration.listeners
        if listeners and any(commit.may_tell() for _, commit in pairs):
            listeners.hint()
        durable: Durables = defaultdict(_nothing_told)
        ended: list[Pair] = []
        for owned, commit in pairs:
            records, end = commit.records, commit.end
            if records:
                owned.durable_seq = records[-1].seq
            if end is None:
                slot = owned.slot
                if slot != NOWHERE and not owned.is_undecided:
                    tokens, seqs = durable[slot]
                    tokens.append(owned.token)
                    seqs.append(owned.durable_seq)
                continue
            ended.append((owned, commit))
            if end.kind == Ending.CRASHED:
                owned.reopen(now_ns)
                if self._workers.is_draining:
                    self.release(owned)
                else:
                    self._workers.enqueue(owned)
            else:
                if end.kind in TOLD_ENDS and owned.id not in self._elsewhere:
                    self._effects.do(_ended(owned, commit, end))
                self._forget(owned, durable)
        self._registration.acknowledged.ended(ended)
        for slot, (tokens, seqs) in durable.items():
            self._workers.send(slot, Durable(tokens, seqs))

    # lost replies

    def outcome_unknown(self, event: OutcomeUnknown, now_ns: int) -> None:
        self._elsewhere = event.elsewhere
        self._registration.outcome_unknown(event, now_ns)

    def is_missing(self, event: Resynced) -> bool:
        """Whether the database lost something that it had confirmed of them (R19)."""
        rows = {item.id: item for item in event.owned}
        found = {item.id: item for item in event.found}
        under_way = self._registration.outbox.under_way
        # guard R19: a session that went back is a rewind, no death
        return event.is_behind or self._registration.acknowledged.is_missing(
            self._owned, rows, event.counter, found, under_way
        )

    def resynced(self, event: Resynced, now_ns: int) -> None:
        """Nothing of ours is under way in the database: what it says is the truth about every batch sent (R16)."""
        rows = {item.id: item for item in event.owned}
        outbox = self._registration.outbox
        for owned in self._disowned:
            self._lose(owned)
        self._disowned.clear()
        for owned, commit in outbox.under_way:
            owned.is_undecided = owned.is_undecided or commit.has_expiry()
        self._written(outbox.resolve(rows), now_ns)
        for owned in list(self._owned.values()):
            item = rows.get(owned.id)
            if item is None or item.epoch != owned.epoch:  # guard R16: what is owned at another epoch is lost
                self._lose(owned)
        # guard R16: what the database knows besides is read back
        unknown = [id for id in rows if id not in self._owned or self._owned[id].is_undecided]
        self._registration.recover(unknown, now_ns)

    def recovered(self, event: Recovered, now_ns: int) -> None:
        if self._registration.phase is Phase.UNSURE:
            for execution in event.executions:
                owned = self._owned.get(execution.id)
                if owned is not None and unreadable(execution):
                    self._workers.withdraw(owned)
                    self._forget(owned)
                elif owned is not None and owned.is_undecided:
                    owned.is_undecided = False
                    self._decided([(owned, record) for record in execution.records if owned.stands_for_expiry(record)])
                    if owned.slot != NOWHERE:
                        self._workers.send(owned.slot, Durable([owned.token], [len(execution.records)]))
            self._take_over([execution for execution in event.executions if execution.id not in self._owned], now_ns)
            self._registration.rejoin(now_ns)
            if event.has_more:
                self._registration.resync_next()

    # one of them

    def _halt(self, owned: OwnedExecution, reason: str) -> None:
        owned.halt_reason = reason
        self._workers.halt(owned)

    def _lose(self, owned: OwnedExecution) -> None:
        """The database says it is not ours: its body stops, and nothing of it is written."""
        self._effects.log("warning", f"lost execution `{owned.id}`: it is not this node's any more")
        self._workers.withdraw(owned)
        self._forget(owned)

    def _forget(self, owned: OwnedExecution, durable: Durables | None = None) -> None:
        """The worker that told its end shows the steps of it until then (`durable` is sent by the caller)."""
        owned.commit = None
        if owned.ended_in != NOWHERE:
            if durable is None:
                self._workers.send(owned.ended_in, Durable([owned.token], [owned.seq]))
            else:
                tokens, seqs = durable[owned.ended_in]
                tokens.append(owned.token)
                seqs.append(owned.seq)
        self._registration.listeners.forget(owned)
        if self._owned.get(owned.id) is owned:
            del self._owned[owned.id]


def _nothing_told() -> tuple[list[int], list[int]]:
    return [], []


def _ended(owned: OwnedExecution, commit: ExecutionCommit, end: End) -> ExecutionEnded:
    """The step is the one whose failure left the body, or the last of those that killed a worker."""
    records = [record for record in commit.records if record.kind == RecordKind.CRASH] if end.cause == "poison" else []
    if end.cause_seq:
        known = owned.execution.records + owned.new_records
        records = [record for record in known if record.seq == end.cause_seq]
    step = records[-1].name if records else ""
    return ExecutionEnded(owned.id, owned.execution.workflow, owned.execution.key, end, step)
