"""What a node's workers say: what they record and how executions end, on the hot path, and the death that ends it all.

Knows executions only as those that run on a worker. What the database says of them is `owned_executions`' business.
"""

from __future__ import annotations

from hydra.dispatch.effects import Effects
from hydra.dispatch.events import Received, WorkerGone
from hydra.dispatch.owned import MAX_ALONE_DEATHS, NOWHERE, OwnedExecution, poisoned
from hydra.dispatch.registration import Registration
from hydra.dispatch.slots import Slot
from hydra.dispatch.step_breakers import StepBreakers
from hydra.dispatch.worker_ends import WorkerEnd, WorkerEndKind
from hydra.dispatch.workers import Workers
from hydra.execution import End, Ending, Record
from hydra.frames import AskBreaker, Committed, Ended, FromWorker, Listening, Progressed, Recorded, Recycle, Tried

DIED = f"its worker died {MAX_ALONE_DEATHS} times in a row while it ran nothing else, the last time by"
BLOCKED = (
    "its body ran twice in a row for longer than its `body_timeout` without a call of hydra, and held up its worker "
    "(the worker's log has its stack); put what takes long into a step"
)


class Inbox:
    def __init__(
        self,
        concurrency: int,
        registration: Registration,
        workers: Workers,
        breakers: StepBreakers,
        effects: Effects,
    ) -> None:
        self._breakers = breakers
        self._concurrency = concurrency
        self._registration = registration
        self._workers = workers
        self._effects = effects

    def received(self, event: Received, now_ns: int) -> None:
        """The hot path: frames of a dispatch that is over find no execution, and are dropped."""
        slot = self._workers.slots[event.slot]
        find = slot.runs.get
        add = self._registration.outbox.add
        ended_count = released_count = 0
        has_recorded = False
        for frame in event.frames:
            if isinstance(frame, Recorded):
                end = None
            elif isinstance(frame, Ended):
                end = frame.end
            else:
                has_recorded = self._hear(slot, frame) or has_recorded
                continue
            owned = find(frame.token)
            if owned is None:
                continue
            has_recorded = True
            records = frame.records
            commit = add(owned, records, end)
            if frame.cool_downs:
                commit.cool_downs = commit.cool_downs + frame.cool_downs
            if records:
                owned.seq = records[-1].seq
                owned.keep(records)
                if owned.death_count:
                    self._progress(slot, owned)
            if end is not None:
                slot.remove(owned)  # guard R22: what had ended does not run again
                owned.ended_in = event.slot
                if end.kind == Ending.RELEASED:
                    released_count += 1
                else:
                    ended_count += 1
        if has_recorded:
            slot.prove(now_ns)
        if ended_count:
            self._registration.claims.ended(ended_count, now_ns)
        if released_count:
            self._registration.claims.handed_back(now_ns)
        if slot.is_closing:
            self._workers.touch()

    def _hear(self, slot: Slot, frame: FromWorker) -> bool:
        """Of what nothing is to be committed; whether it tells of a record."""
        if isinstance(frame, AskBreaker):
            self._breakers.asked(slot.number, frame)
        elif isinstance(frame, Tried):
            self._breakers.tried(slot.number, frame)
        elif isinstance(frame, Recycle):
            self._workers.recycle(slot.number, frame.at_ns, WorkerEnd(WorkerEndKind.OVERDUE, frame.reason))
        elif isinstance(frame, Committed | Listening | Progressed):
            owned = slot.runs.get(frame.token)
            if owned is None:
                return False
            if isinstance(frame, Listening):
                self._registration.listeners.add(owned)
            elif isinstance(frame, Progressed):
                self._registration.reports.add(owned.id, frame.progress)
            elif frame.record.seq == owned.seq + 1:  # not told twice, by socket and database
                owned.seq = owned.durable_seq = frame.record.seq
                owned.keep([frame.record])
                if owned.death_count:
                    self._progress(slot, owned)
                return True
        return False

    def worker_gone(self, event: WorkerGone, now_ns: int) -> None:
        """All its frames were handled before: the crashed tries follow them; dispatched again when durable (R22)."""
        self._breakers.worker_gone(event.slot)
        slot = self._workers.slots[event.slot]
        crashes: dict[int, list[Record]] = {}
        for token, record in event.running:
            crashes.setdefault(token, []).append(record)
        victims = list(slot.runs.values())
        if victims:
            message = f"worker {slot.number} died ({event.reason}) with {len(victims)} executions, which start again"
            self._effects.log("warning", message)
        for owned in victims:
            records = owned.number(crashes.get(owned.token, []))
            is_blocker = owned.token == slot.blocker
            if not is_blocker and (slot.is_excused or slot.blocker):
                self._registration.outbox.add(owned, records, self._end_of_dispatch(owned, event.reason.sentence))
            else:
                concurrency = self._concurrency
                must_park = owned.block(concurrency) if is_blocker else owned.die(concurrency, alone=len(victims) == 1)
                if must_park:
                    end = poisoned(owned.id, BLOCKED if is_blocker else f"{DIED} {event.reason}")
                else:
                    end = self._end_of_dispatch(owned, event.reason.sentence)
                commit = self._registration.outbox.add(owned, records, end)
                commit.death_count = owned.death_count
                commit.alone_death_count = owned.alone_death_count
            owned.slot = NOWHERE  # guard R22: it runs again only when its crash is durable
        self._workers.remove_worker(event.slot, now_ns)

    def _progress(self, slot: Slot, owned: OwnedExecution) -> None:
        owned.progress(self._concurrency)
        slot.measure()
        if owned.commit is not None:
            owned.commit.death_count = owned.commit.alone_death_count = 0

    def _end_of_dispatch(self, owned: OwnedExecution, reason: str) -> End:
        is_released = self._workers.is_draining or not owned.is_whole
        return End(Ending.RELEASED if is_released else Ending.CRASHED, cause=reason)
