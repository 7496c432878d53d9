"""A supervisor process around the real dispatcher: does its actions on the model store and model workers.

Everything it is told reaches it in an order the world chooses, except what one connection or one socket keeps in order.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import TYPE_CHECKING

from hydra.dispatch import events
from hydra.dispatch.dispatcher import Dispatcher, NodeSettings
from hydra.dispatch.worker_ends import WorkerEnd
from hydra.execution import DIVERGED, ExecutionCommit, NodeRef
from hydra.frames import Durable, Ended, Halt, Hello, Recorded, Run, ToWorker
from hydra.node.frame_buffer import FrameBuffer

from tests.simulation.model_clock import CarriedClock
from tests.simulation.model_store import Broken, Transaction
from tests.simulation.model_worker import Page, Worker

if TYPE_CHECKING:
    from tests.simulation.world import World

STORE_ACTIONS = (
    events.Register,
    events.SendBeat,
    events.SendClaim,
    events.SendCommit,
    events.SendResync,
    events.Recover,
    events.Park,
)


class Node:
    def __init__(
        self, world: World, name: str, settings: NodeSettings, dispatcher: type[Dispatcher], code: int = 0
    ) -> None:
        self.code = code
        self.outgoing = FrameBuffer()
        self.has_outgoing = False  # the turn of the loop is not over: frames leave at its end
        self.world = world
        self.name = name
        self.settings = settings
        self.dispatcher = dispatcher(settings, world.now_ns, Random(world.random.random()))
        self.ref: NodeRef | None = None  # None from a refusal to the next registration
        self.node_id = ""  # of the last registration
        self.page = Page()
        self.workers: dict[int, Worker] = {}
        self.asked: deque[events.Action] = deque()  # of the store thread, not begun
        self.replies: deque[events.Event] = deque()
        self.under_way: list[Transaction] = []
        self.wake_at_ns = world.now_ns
        self.clock = CarriedClock(world.wall_offset_us(), world.dropped)
        self.is_paused = False
        self.has_left = False
        self.told_silent: set[int] = set()
        self._registration_count = 0
        self._caps: dict[int, dict[int, int]] = {}  # slot -> token -> most executions beside it and with it

    def choices(self) -> list[tuple[object, ...]]:
        if self.is_paused or self.has_left:
            return []
        found: list[tuple[object, ...]] = []
        if self.has_outgoing:
            found.append((self.flush,))
        if self.replies:
            found.append((self.hear,))
        if self.asked and not self.under_way:
            found.append((self.ask,))
        if self.world.now_ns >= self.wake_at_ns:
            found.append((self.handle, events.Tick()))
        for worker in self.workers.values():
            if worker.outbox:
                found.append((self.receive, worker))
            if not worker.is_alive and (not worker.outbox or "drain_socket" in self.world.dropped):
                found.append((self.reap, worker))
            if worker.is_stopped and worker.slot not in self.told_silent:
                found.append((self.tell_silent, worker))
        return found

    # what happens to the dispatcher

    def handle(self, event: events.Event) -> None:
        self.world.note(self.name, event)
        if self.world.now_ns >= self.wake_at_ns:
            self.wake_at_ns = 1 << 62
        for action in self.dispatcher.handle(event, self.world.now_ns):
            self.world.note(self.name, "   ", action)
            if isinstance(action, STORE_ACTIONS):
                self.asked.append(action)
            else:
                self._do(action)
        if self.has_outgoing and self.world.random.random() < 0.5:
            self.flush()

    def flush(self) -> None:
        """The turn ends."""
        self.has_outgoing = False
        for slot, frames in self.outgoing.take().items():
            self._send(slot, frames)

    def hear(self) -> None:
        reply = self.replies.popleft()
        if isinstance(reply, events.Beaten):
            self.clock.read(reply.beat.now, self.world.now_ns)
        self.handle(reply)

    def receive(self, worker: Worker) -> None:
        """Some of what its socket holds, in order."""
        count = self.world.random.randint(1, len(worker.outbox))
        frames = [worker.outbox.popleft() for _ in range(count)]
        if isinstance(frames[0], Hello):
            self.handle(events.WorkerStarted(worker.slot))
            del frames[0]
        caps = self._caps[worker.slot]
        for frame in frames:
            if isinstance(frame, Ended):
                caps.pop(frame.token, None)
            elif isinstance(frame, Recorded) and frame.token in caps:
                caps[frame.token] = self.settings.concurrency
        if frames:
            self.handle(events.Received(worker.slot, frames))

    def reap(self, worker: Worker) -> None:
        """Dead, and its socket read to the end (R22)."""
        del self.workers[worker.slot]
        self._caps.pop(worker.slot)
        self.handle(events.WorkerGone(worker.slot, worker.death_reason, worker.crashes()))

    def tell_silent(self, worker: Worker) -> None:
        self.told_silent.add(worker.slot)
        self.handle(events.WorkerSilent(worker.slot))

    # what the dispatcher wants

    def _do(self, action: events.Action) -> None:
        match action:
            case events.ToSlot(slot, frames):
                self.outgoing.add(slot, frames)
                self.has_outgoing = True
            case events.SpawnWorker(slot):
                if "outgoing" not in self.world.dropped:
                    self.outgoing.forget(slot)
                if slot in self.workers or not self.node_id:
                    raise Broken(f"R1 worker {slot} of {self.name} was started beside another or before a registration")
                self.workers[slot] = Worker(self.world, slot, self.node_id, self.page, self.code)
                self._caps[slot] = {}
                self.told_silent.discard(slot)
            case events.KillWorker(slot, reason):
                self.outgoing.forget(slot)
                self.workers[slot].is_condemned = True
                self.workers[slot].death_reason = reason
            case events.ExtendLease(deadline_ns):
                self.page.deadline_ns = max(self.page.deadline_ns, deadline_ns)
                self.page.offset_us = self.clock.offset_us
            case events.Renew():
                raise Broken(f"R19 {self.name} takes a database that forgot nothing for one that did")
            case events.WakeAt(at_ns):
                self.wake_at_ns = at_ns
            case events.Exit():
                self.leave()

    def _send(self, slot: int, frames: list[ToWorker]) -> None:
        worker = self.workers.get(slot)
        if worker is None:  # it died in this very turn
            return
        caps = self._caps[slot]
        for frame in frames:
            if isinstance(frame, Run):
                caps[frame.token] = max(1, self.settings.concurrency >> frame.execution.death_count)
                self.world.check_run(self, frame)
            elif isinstance(frame, Durable):
                self.world.check_durable(worker, frame)
            elif isinstance(frame, Halt) and frame.reason == "lost":
                caps.pop(frame.token, None)
            worker.inbox.append(frame)
        if caps and len(caps) > min(caps.values()):
            raise Broken(f"G7 {worker} runs {len(caps)} executions, one of which allows only {min(caps.values())}")

    def leave(self) -> None:
        """Exit: unregistered where it is registered, and nothing of it lives on."""
        self.has_left = True
        for worker in self.workers.values():
            worker.die(WorkerEnd.of_signal(9))
        self.world.remove(self)
        if self.ref is not None and not self.world.store.is_down:
            self.world.store.unregister(self.ref)

    def give_up_transactions(self) -> None:
        """Nobody hears how they end."""
        for transaction in self.under_way:
            transaction.listener = None
        self.under_way = []

    # its store thread

    def ask(self) -> None:
        action = self.asked[0]
        if isinstance(action, events.Register):
            self.asked.popleft()
            self._register()
        elif isinstance(action, events.Park):
            self.asked.popleft()
            self.world.check_park(action)
            self.replies.append(events.Parked([]))
        elif isinstance(action, events.SendResync | events.Recover):
            if self.ref is not None and self.world.store.is_locked(self.ref.id) and "session" not in self.world.dropped:
                return  # it waits for the exclusive lock
            self.asked.popleft()
            self._read_back(action)
        else:
            self._begin()

    def _register(self) -> None:
        if self.world.store.is_down:
            self.replies.append(events.RegisterFailed("down"))
            return
        self.clock.read(self.world.clock.read_us(self.world.now_ns), self.world.now_ns)
        self._registration_count += 1
        sent_ns = self.world.now_ns
        self.node_id = f"{self.name}.{self._registration_count}"
        self.ref = self.world.store.register(self.node_id, sent_ns, self.code)
        if "own_page" not in self.world.dropped:
            self.page = Page()
        self.replies.append(events.Registered(sent_ns))

    def _read_back(self, action: events.Action) -> None:
        store = self.world.store
        if self.ref is None:
            return
        if store.is_down:
            self.replies.append(events.ResyncFailed("down"))
        elif isinstance(action, events.Recover):
            self.replies.append(events.Recovered(store.recover(self.ref, action.ids, self.world.now_ns)))
        else:
            answer = store.resync(self.ref)
            if answer is None:
                self.refuse()
            else:
                self.ref, owned = answer
                counter = store.nodes[self.ref.id].counter
                self.replies.append(events.Resynced(owned, counter, store.progress(action.ids)))

    def _begin(self) -> None:
        """Commits, claim and beat asked for together are one transaction, sent now."""
        commits: list[ExecutionCommit] = []
        batch, slots, beat = 0, None, False
        while self.asked:
            action = self.asked.popleft()
            match action:
                case events.SendCommit(batch, commits):
                    pass
                case events.SendClaim(slots):
                    pass
                case events.SendBeat():
                    beat = True
                case _:
                    self.asked.appendleft(action)
                    break
        if self.ref is None:
            return
        # The answer's records may come into the hands of the dispatcher again, so the transaction keeps its own lists.
        copies = [
            ExecutionCommit(c.id, c.epoch, [*c.records], c.end, c.worker, *_deaths(c), self._heir(c)) for c in commits
        ]
        parts = [copies]
        if "one_connection" in self.world.dropped:
            parts = [[ExecutionCommit(c.id, c.epoch, c.records) for c in copies if c.records and c.end]]
            parts += [[ExecutionCommit(c.id, c.epoch, [] if c.end else c.records, c.end) for c in copies]]
        for place, part in enumerate(parts):
            is_last = place == len(parts) - 1
            if part or is_last:
                listener = self if is_last else None
                transaction = Transaction(
                    self.ref,
                    batch,
                    part,
                    slots if is_last else None,
                    beat and is_last,
                    listener,
                    self.world.now_ns,
                    self.clock.now_us(self.world.now_ns),
                )
                self.world.store.transactions.append(transaction)
                if is_last:
                    self.under_way.append(transaction)

    def _heir(self, commit: ExecutionCommit) -> str | None:
        """A node with the recorder's code, alive when it was looked for (R27)."""
        if commit.end is None or commit.end.cause != DIVERGED:
            return None
        code = self.world.store.rows[commit.id].code
        successors = [n.id for n in self.world.store.nodes.values() if n.state == "alive" and n.code == code]
        return self.world.random.choice(successors) if successors else None

    def refuse(self) -> None:
        self.asked.clear()
        self.give_up_transactions()
        self.ref = None
        self.replies.append(events.Refused())


def _deaths(commit: ExecutionCommit) -> tuple[int | None, int | None]:
    return commit.death_count, commit.alone_death_count
