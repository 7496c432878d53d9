"""Drives a dispatcher by hand: says what happened, collects what it wants. Time stands still until told."""

from __future__ import annotations

from random import Random
from typing import TypeVar

from hydra.dispatch import events
from hydra.dispatch.dispatcher import Dispatcher, NodeSettings
from hydra.dispatch.worker_ends import WorkerEnd
from hydra.execution import Claimed, CommitAnswer, End, Ending, ExecutionCommit, Record
from hydra.frames import Drain, Durable, Ended, FromWorker, Halt, Recorded, Run
from hydra.stores.node_states import Attention, Beat, Owned

KILLED = WorkerEnd.of_signal(9)
LEFT = WorkerEnd.of_exit_code(0)

MS = 1_000_000
SECOND = 1_000_000_000
TTL = 10 * SECOND

A = TypeVar("A", bound=events.Action)


def record(seq: int, kind: str = "step", payload: bytes = b"") -> Record:
    return Record(seq, kind, "", f"s{seq}", 1, 1, b"", payload, 0, 0)


def crash() -> Record:
    return Record(0, "crash", "", "s", 1, 1, b"", b"", 0, 0)


def claimed(id: str, *, epoch: int = 1, records: int = 0, deaths: int = 0, alone: int = 0) -> Claimed:
    known = [record(seq + 1) for seq in range(records)]
    return Claimed(id, epoch, "w", None, b"", 1, 0, 0, 0, 0, None, 0, False, deaths, alone, {}, known)


def ended(token: int, kind: Ending = Ending.COMPLETED, *records: Record) -> Ended:
    return Ended(token, list(records), End(kind))


def recorded(token: int, *seqs: int) -> Recorded:
    return Recorded(token, [record(seq) for seq in seqs])


class Driver:
    """`actions` is what the last event led to."""

    def __init__(
        self, slots: int = 1, concurrency: int = 4, grace: int = 20 * SECOND, *, can_rewind: bool = False
    ) -> None:
        self.now = 1000 * SECOND
        settings = NodeSettings(slots, concurrency, TTL, grace, can_rewind=can_rewind)
        self.dispatcher = Dispatcher(settings, self.now, Random(1))
        self.actions: list[events.Action] = []
        self.tokens: dict[str, int] = {}  # execution -> its latest dispatch
        self.slots: dict[str, int] = {}
        self.runs: dict[str, Claimed] = {}
        self.commit: events.SendCommit | None = None  # under way
        self.asked = 0  # executions, by the claim under way
        self.starting: set[int] = set()  # slots whose worker has not said hello

    def tell(self, event: events.Event) -> list[events.Action]:
        self.actions = self.dispatcher.handle(event, self.now)
        for action in self.actions:
            if isinstance(action, events.SendCommit):
                self.commit = action
            elif isinstance(action, events.SendClaim):
                self.asked = action.slots
            elif isinstance(action, events.SpawnWorker):
                self.starting.add(action.slot)
            elif isinstance(action, events.ToSlot):
                for frame in action.frames:
                    if isinstance(frame, Run):
                        self.tokens[frame.execution.id] = frame.token
                        self.slots[frame.execution.id] = action.slot
                        self.runs[frame.execution.id] = frame.execution
        return self.actions

    def tick(self, after: int = 0) -> list[events.Action]:
        self.now += after
        return self.tell(events.Tick())

    def join(self) -> Driver:
        """Registered, every worker up, the first claim under way."""
        self.tick()
        self.registered()
        for slot in sorted(self.starting):
            self.tell(events.WorkerStarted(slot))
        self.starting.clear()
        return self

    def start(self, slot: int) -> list[events.Action]:
        """Its worker says hello, after whatever pause."""
        while slot not in self.starting:
            self.tick(10 * MS)
            if self.wants(events.SendBeat):
                self.beaten()
        self.starting.discard(slot)
        return self._claim_nothing(self.tell(events.WorkerStarted(slot)))

    def _claim_nothing(self, actions: list[events.Action]) -> list[events.Action]:
        if self.asked:
            self.run()
            self.actions = actions + self.actions
        return self.actions

    def run(self, *executions: Claimed | str) -> Driver:
        """Answer the claim under way with these."""
        batch = [claimed(item) if isinstance(item, str) else item for item in executions]
        self.asked = 0
        self.tell(events.ClaimDone(batch))
        return self

    def registered(self) -> list[events.Action]:
        return self.tell(events.Registered(self.now))

    def beaten(self, running_count: int | None = None, *attention: Attention) -> list[events.Action]:
        count = self.dispatcher.owned_count if running_count is None else running_count
        return self.tell(events.Beaten(self.now, Beat(count, list(attention))))

    def receive(self, slot: int, *frames: FromWorker) -> list[events.Action]:
        return self.tell(events.Received(slot, list(frames)))

    def written(self, *answers: CommitAnswer) -> list[events.Action]:
        """The transaction under way was written, every item unless told; a claim in it brought nothing."""
        assert self.commit is not None
        answer = list(answers) or [CommitAnswer.WRITTEN] * len(self.commit.commits)
        commit, self.commit = self.commit, None
        actions = self.tell(events.CommitDone(commit.batch, answer))
        return self._claim_nothing(actions)

    def fail(self) -> list[events.Action]:
        """The transaction under way did not happen."""
        assert self.commit is not None
        commit, self.commit = self.commit, None
        actions = self.tell(events.CommitFailed(commit.batch, "disk full"))
        if self.asked:
            self.asked = 0
            self.actions = actions + self.tell(events.ClaimFailed("disk full"))
        return self.actions

    def forget(self) -> list[events.Action]:
        """The reply of the transaction under way was lost."""
        self.commit, self.asked = None, 0
        return self.tell(events.OutcomeUnknown("connection reset"))

    def resynced(self, *owned: tuple[str, int, int]) -> list[events.Action]:
        return self.tell(events.Resynced([Owned(*item) for item in owned]))

    def die(self, slot: int, *running: str, reason: WorkerEnd = KILLED) -> list[events.Action]:
        """A worker died with steps of these executions on its page."""
        return self.tell(events.WorkerGone(slot, reason, [(self.tokens[id], crash()) for id in running]))

    # what it wants

    def wants(self, kind: type[A]) -> list[A]:
        return [action for action in self.actions if isinstance(action, kind)]

    def committed(self) -> dict[str, ExecutionCommit]:
        """Of the commit asked for, by execution."""
        assert self.commit is not None, self.actions
        return {commit.id: commit for commit in self.commit.commits}

    def sent(self, kind: type[Halt] | type[Durable] | type[Drain] | type[Run]) -> list[object]:
        frames = [frame for action in self.wants(events.ToSlot) for frame in action.frames]
        return [frame for frame in frames if isinstance(frame, kind)]

    def claims(self) -> int:
        """For how many it asks now."""
        return sum(action.slots for action in self.wants(events.SendClaim))

    def kinds(self) -> set[str]:
        return {type(action).__name__ for action in self.actions}
