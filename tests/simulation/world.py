"""The simulated world: a seeded scheduler runs nodes, workers, database and time, breaks them, and checks every step.

Checked while it runs: P1-P6 of the lease model, G2-G5, G7's numbers, R13's numbers, R22. Checked at the end, after
the faults stopped: everything completes, no record is missing, doubled or out of order, each claim ended once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec
from hydra.clock import CLOCK_TOLERANCE_US
from hydra.dispatch import events
from hydra.dispatch.dispatcher import Dispatcher, NodeSettings
from hydra.dispatch.worker_ends import WorkerEnd
from hydra.execution import Claimed, Ending, Message
from hydra.frames import Durable, Run

from tests.simulation.faults import Faults
from tests.simulation.model_clock import CLIENT_READS_NS, EARLY_US, LATE_US, CarriedClock, ModelClock
from tests.simulation.model_node import Node
from tests.simulation.model_store import FINAL, Broken, ModelStore, Row, Transaction
from tests.simulation.model_worker import Body, Program, Worker, child_of

TTL_NS = 1_000_000_000
MAX_STEPS = 30_000
TRACE_LINES = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """How large and how hostile a world is."""

    nodes: int = 2
    slots: int = 2
    concurrency: int = 4
    executions: int = 5
    faults: int = 6
    fault_share: float = 0.03
    poison: int = 0
    kinds: tuple[str, ...] = ()  # of faults; empty: all
    generations: int = 1  # at most
    pauses: tuple[str, ...] = ("sleep",)  # between groups
    codes: int = 1  # versions of the app, of which each node has one
    ttl_ns: int = TTL_NS
    sleep_seconds: int = 0  # the longest sleep, in worlds whose database's clock jumps and slews; 0: steady, short ones
    arrivals: int = 0  # executions that are submitted with a delay while it runs


class World:
    def __init__(
        self,
        seed: int,
        plan: Plan,
        dropped: frozenset[str] = frozenset(),
        dispatcher: type[Dispatcher] = Dispatcher,
        trace: list[str] | None = None,
    ) -> None:
        self.random = Random(seed)
        self.plan = plan
        self.dropped = dropped
        self.trace = trace
        self.now_ns = 1_000_000_000
        self.clock = ModelClock()
        self.client = CarriedClock(self.wall_offset_us(), dropped)
        self.due_us: dict[tuple[str, int], int] = {}  # by execution and epoch that ended: its timer, by the true clock
        self.arrived = 0
        self.faults = Faults(self)
        self.programs = {f"e{number}": self._programs(number) for number in range(plan.executions)}
        self.words = {id: self._words(id) for id in self.programs}  # to be said to each, and said already
        self.store = ModelStore(list(self.programs), dropped)
        self.settings = NodeSettings(
            slots=plan.slots,
            concurrency=plan.concurrency,
            lease_ttl_ns=plan.ttl_ns,
            drain_grace_ns=plan.ttl_ns,
            can_rewind=dropped <= {"continued", "clock_doubt", "clock_back"},
        )
        self.dispatcher = dispatcher
        self.node_count = 0
        self.nodes: list[Node] = []
        self.orphans: list[Worker] = []
        self.running: dict[tuple[str, str], set[Worker]] = defaultdict(set)
        self.reported: set[tuple[str, str, str]] = set()  # node, execution, step: its record reached the node's socket
        for _ in range(plan.nodes):
            self.boot()

    def run(self) -> int:
        """Until everything is over; how many steps that took."""
        for step in range(MAX_STEPS):
            if self.faults.left and self.random.random() < self.plan.fault_share:
                self.faults.strike()
            self.see_to_clock()
            if not self.faults.left:
                self.heal()
                if self.arrived == self.plan.arrivals and all(row.status in FINAL for row in self.store.rows.values()):
                    self.audit()
                    return step
            if self.plan.pauses != ("sleep",) and self.random.random() < 0.05:
                self.talk()
            if self.arrived < self.plan.arrivals and self.random.random() < 0.01:
                self.arrive()
            self.step()
        statuses = {row.id: row.status for row in self.store.rows.values()}
        raise Broken(f"P5 not over after {MAX_STEPS} steps: {statuses}")

    def step(self) -> None:
        choices = self.choices()
        if not choices or self.random.random() < 0.1:
            self.pass_time(bool(choices))
        else:
            method, *arguments = choices[int(self.random.random() * len(choices))]
            method(*arguments)

    def talk(self) -> None:
        """Somebody signals: something new, or once more what was said, since no answer came."""
        id = self.random.choice(list(self.words))
        new, said = self.words[id]
        if self.store.is_down or not (new or said):
            return
        is_new = bool(new) and (not said or self.random.random() < 0.5)
        word = new[-1] if is_new else said.pop(int(self.random.random() * len(said)))  # said twice at most
        row = self.store.rows[id]
        if row.status not in FINAL:
            self.note(f"{word} is said to {id}")
            self.store.signal(row, Message(word, id, "word", b"", 0))
            if is_new:
                said.append(new.pop())

    def choices(self) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for node in self.nodes:
            found += node.choices()
            for worker in node.workers.values():
                found += worker.choices()
        for worker in self.orphans:
            found += worker.choices()
            found.append((self.orphan_exits, worker))
        if not self.store.is_down:
            found += [(self.advance, transaction) for transaction in self.store.transactions]
        found += [(self.abort, t) for t in self.store.transactions if t.listener is None]
        return found

    def pass_time(self, has_choices: bool) -> None:
        """A little while there is something to do, else up to the next instant at which something happens by itself."""
        if has_choices:
            self.now_ns += int(self.random.random() * 20_000_000)
        else:
            wakes = [node.wake_at_ns for node in self.nodes if not node.is_paused]
            wakes += [self.wakes_ns(row) for row in self.store.rows.values() if row.status == "sleeping"]
            if self.clock.glitch_us:
                wakes.append(self.clock.glitch_end_ns)
            self.now_ns = max(self.now_ns + 1_000_000, min([*wakes, self.now_ns + self.plan.ttl_ns]))
            if len(self.nodes) < self.plan.nodes and self.random.random() < 0.3:
                self.boot()
        if self.nodes and self.random.random() < 0.2:
            node = self.random.choice(self.nodes)
            if not node.is_paused:
                node.handle(events.WorkHint())
        self.reap()

    # the database

    def advance(self, t: Transaction) -> None:
        if not t.is_open:
            outcome = self.store.open(t)
            if outcome == "refused":
                self.store.transactions.remove(t)
                self.note(f"refused {t.node}")
                if isinstance(t.listener, Node):
                    t.listener.refuse()
        else:
            self.commit(t)

    def commit(self, t: Transaction) -> None:
        self.store.transactions.remove(t)
        claimed, beat = self.store.commit(t, self.now_ns)
        for each in claimed:
            self.check_not_early(each)
        node = t.listener
        self.note("committed", t)
        if not isinstance(node, Node):
            return
        node.under_way.remove(t)
        if t.commits:
            self.check_accepted(t)
            node.replies.append(events.CommitDone(t.batch, t.accepted))
        if t.slots is not None:
            node.replies.append(events.ClaimDone(claimed))
        if beat is not None:
            read_us = self.clock.read_us(self.now_ns)
            node.replies.append(events.Beaten(t.sent_ns, msgspec.structs.replace(beat, now=read_us)))

    def abort(self, t: Transaction) -> None:
        self.note("rolled back", t)
        self.store.transactions.remove(t)

    def fail(self, t: Transaction) -> None:
        """Rolled back, and its node is told so."""
        self.abort(t)
        node = t.listener
        if isinstance(node, Node):
            node.under_way.remove(t)
            if "resync" not in self.dropped and self.random.random() < 0.3:
                node.asked.clear()
                node.replies.append(events.Reconnected())
                return
            if t.commits:
                node.replies.append(events.CommitFailed(t.batch, "rolled back"))
            if t.slots is not None:
                node.replies.append(events.ClaimFailed("rolled back"))
            if t.beat:
                node.replies.append(events.BeatFailed("rolled back"))

    def lose_reply(self, t: Transaction) -> None:
        """The transaction lives on; its node only knows that it does not know."""
        node = t.listener
        if not isinstance(node, Node):
            return
        t.listener = None
        node.under_way.remove(t)
        if "resync" not in self.dropped:
            node.asked.clear()
            node.replies.append(events.OutcomeUnknown("connection reset"))
            return
        if t.commits:
            node.replies.append(events.CommitFailed(t.batch, "connection reset"))
        if t.slots is not None:
            node.replies.append(events.ClaimFailed("connection reset"))
        if t.beat:
            node.replies.append(events.BeatFailed("connection reset"))

    def reap(self) -> None:
        """What a living node does after its beats: mark the overdue dead, give back their work, wake sleepers."""
        if self.store.is_down or not self.nodes:
            return
        for node_row in self.store.overdue(self.now_ns, self.plan.ttl_ns):
            if self.random.random() < 0.5:
                self.note(f"{node_row.id} is declared dead")
                node_row.state = "dead"
        for row in self.store.abandoned(self.now_ns, self.plan.ttl_ns):
            if self.random.random() < 0.5:
                self.note(f"{row.id} is given back")
                self.store.give_back(row)
        if self.random.random() < 0.5:
            self.store.empty()
        self.promote()

    # the database's clock

    def wall_offset_us(self) -> int:
        """What a host takes for the time before it has read any: hours wrong, in worlds that look at clocks."""
        if not self.plan.sleep_seconds:
            return 0
        return self.clock.true_us(0) + self.random.choice((-1, 1)) * self.random.randrange(90_000_000_000)

    def sleep_us(self) -> int:
        if not self.plan.sleep_seconds:
            return 200_000
        return self.random.choice((200_000, self.random.randrange(1_000_000 * self.plan.sleep_seconds)))

    def sleeps(self, id: str, epoch: int, for_us: int) -> None:
        """Its timer is set now; while a setting of the clock has not been heard by all, it goes by either."""
        if self.clock.is_settled:
            self.due_us[id, epoch] = self.clock.true_us(self.now_ns) + for_us

    def arrive(self) -> None:
        """A program submits something, with a delay."""
        if self.store.is_down:
            return
        if not self.client.has_read or self.now_ns - self.client.read_at_ns > CLIENT_READS_NS:
            self.client.read(self.clock.read_us(self.now_ns), self.now_ns)
        self.arrived += 1
        id, delay_us = f"a{self.arrived}", self.sleep_us()
        self.note(f"{id} is submitted, to begin in {delay_us / 1e6:.1f} s")
        self.store.submit(id, self.client.now_us(self.now_ns) + delay_us)
        self.sleeps(id, 0, delay_us)

    def promote(self) -> None:
        """Each node that lives wakes what is due by its clock: so the one that is furthest ahead does."""
        awake = [node for node in self.nodes if node.clock.has_read and not node.is_paused and node.ref is not None]
        if not awake:
            return
        now_us = max(node.clock.now_us(self.now_ns) for node in awake)
        for row in self.store.rows.values():
            if row.status == "sleeping":
                if row.wake_at <= now_us:
                    row.status = "pending"
                else:
                    self.check_not_late(row)

    def can_change_clock(self) -> bool:
        """One change at a time, while everybody knows the time; not twice in a glitch's length, nor without a beat."""
        knowing = all(node.clock.has_read and not node.is_paused for node in self.nodes) and self.client.has_read
        return knowing and not self.store.is_down and self.clock.is_steady(self.now_ns)

    def set_clock(self, by_us: int) -> None:
        self.clock.set_by(by_us)
        self.due_us.clear()

    def see_to_clock(self) -> None:
        """A glitch ends; a setting has been heard of."""
        if not self.plan.sleep_seconds:
            return
        clock = self.clock
        if not self.client.has_read and not self.store.is_down:
            self.client.read(clock.read_us(self.now_ns), self.now_ns)
        if clock.glitch_us and self.now_ns >= clock.glitch_end_ns:
            self.note("the database's clock is right again")
            clock.end_glitch()
        if not clock.is_settled:
            if not self.store.is_down and self.now_ns - self.client.read_at_ns > CLIENT_READS_NS:
                self.client.read(clock.read_us(self.now_ns), self.now_ns)
            pages = [worker.page for worker in self.workers()]
            offset_us = clock.true_us(self.now_ns) - self.now_ns // 1000
            are_near = all(abs(page.offset_us - offset_us) <= CLOCK_TOLERANCE_US for page in pages)
            clocks = [self.client, *(node.clock for node in self.nodes)]
            if are_near and all(each.is_near(clock, self.now_ns) for each in clocks):
                self.note("everybody has heard how the database's clock was set")
                clock.is_settled = True

    def wakes_ns(self, row: Row) -> int:
        """When it may be woken, by the clock that is furthest ahead."""
        ahead_us = max([node.clock.offset_us for node in self.nodes if node.clock.has_read], default=0)
        at_ns = (row.wake_at - ahead_us) * 1000
        return at_ns if at_ns > self.now_ns else self.now_ns + self.plan.ttl_ns

    def check_not_early(self, execution: Claimed) -> None:
        row = self.store.rows[execution.id]
        ended = row.claims[-2] if len(row.claims) > 1 else [0, "", Ending.SLEEPING]
        due_us = self.due_us.get((row.id, int(str(ended[0])))) if ended[2] == Ending.SLEEPING else None
        early_us = 0 if due_us is None or row.cancel else due_us - self.clock.true_us(self.now_ns)
        if early_us > EARLY_US:
            raise Broken(f"time: {row.id} begins {early_us / 1e6:.1f} s early")

    def check_not_late(self, row: Row) -> None:
        epoch = int(str(row.claims[-1][0])) if row.claims else 0
        due_us = self.due_us.get((row.id, epoch))
        late_us = 0 if due_us is None else self.clock.true_us(self.now_ns) - due_us
        if late_us > LATE_US:
            raise Broken(f"time: {row.id} sleeps on although it is {late_us / 1e6:.1f} s late")

    # an end to the faults

    def heal(self) -> None:
        if self.store.is_down:
            self.store.is_down = False
            self.forget_beats()
        for node in self.nodes:
            node.is_paused = False
        for worker in self.living_workers():
            if worker.is_stalled:
                worker.is_stalled = False
                self.tell_stalled(worker)
        if self.plan.codes > 1 or not self.nodes:
            codes = {row.code for row in self.store.rows.values() if row.status not in FINAL and row.code >= 0}
            for code in sorted(codes - {node.code for node in self.nodes}):
                self.boot(code)
        if not self.nodes:
            self.boot()

    def tell_stalled(self, worker: Worker) -> None:
        for node in self.nodes:
            if worker in node.workers.values():
                node.handle(events.WorkerStalled(worker.slot, worker.is_stalled))

    def forget_beats(self) -> None:
        """Nobody beat while it was down, so the observers count again (R3)."""
        for row in self.store.nodes.values():
            row.beat_at = max(row.beat_at, self.now_ns)

    # who there is

    def boot(self, code: int | None = None) -> None:
        self.node_count += 1
        code = self.random.randrange(self.plan.codes) if code is None else code
        self.clock.end_glitch()  # who starts in the middle of one has nothing to compare it with
        self.nodes.append(Node(self, f"n{self.node_count}", self.settings, self.dispatcher, code))

    def program(self, id: str, generation: int) -> Program:
        """Children have one step."""
        programs = self.programs.get(id)
        return programs[generation] if programs else Program((("0:0.0",),))

    def differs(self, execution: Claimed, code: int) -> bool:
        """Whether a replay of what was recorded differs from that code (R27)."""
        return bool(execution.records) and self.store.rows[execution.id].code not in (-1, code)

    def remove(self, node: Node) -> None:
        node.give_up_transactions()
        self.nodes.remove(node)

    def orphan_exits(self, worker: Worker) -> None:
        worker.die(WorkerEnd.of_signal(9))
        self.orphans.remove(worker)

    def some_node(self) -> Node | None:
        nodes = [node for node in self.nodes if not node.is_paused and not node.has_left]
        return self.random.choice(nodes) if nodes else None

    def living_workers(self) -> list[Worker]:
        return [worker for node in self.nodes for worker in node.workers.values() if worker.is_alive]

    # checks

    def check_start(self, worker: Worker, body: Body, name: str) -> None:
        id = body.execution.id
        row = self.store.rows[id]
        self.note(worker, "starts", name, "of", id, "at epoch", body.execution.epoch)
        if name in row.names | row.ever:
            raise Broken(f"P2 step {name} of {id} starts although it is recorded")
        if row.records[: len(body.records)] != body.records:
            raise Broken(f"P3 step {name} of {id} starts on top of an unrecorded result")
        for other in self.running[id, name]:
            if other.is_alive and self.store.nodes[other.node_id].state == "alive":
                raise Broken(f"P6 step {name} of {id} starts again while {other} still runs it")
        for other in self.workers():
            if other is not worker and other.is_alive and self.now_ns < other.page.deadline_ns:
                for rival in other.bodies.values():
                    if rival.execution.id == id and rival.startable():
                        raise Broken(f"P4 {worker} and {other} may both start steps of {id}")
        if (worker.node_id, id, name) in self.reported:
            raise Broken(f"R22 step {name} of {id} starts again although its record had reached the same node")
        self.running[id, name] = {worker}

    def check_park(self, action: events.Park) -> None:
        """This database forgets nothing, so there is nothing to park."""
        for known in action.advanced:
            row = self.store.rows[known.id]
            has_begun_anew = self.store.continued_epoch(row) >= known.epoch and "continued" not in self.dropped
            if row.status not in FINAL and not has_begun_anew and len(row.records) < known.record_count:
                raise Broken(f"R19 {row.id} has {len(row.records)} records, and {known.record_count} were confirmed")

    def check_run(self, node: Node, frame: Run) -> None:
        row = self.store.rows[frame.execution.id]
        is_owner = node.ref is not None and row.owner == node.ref.id and row.epoch == frame.execution.epoch
        if is_owner and row.records != frame.execution.records:
            raise Broken(
                f"R12 {row.id} is dispatched with {len(frame.execution.records)} of {len(row.records)} records"
            )

    def check_durable(self, worker: Worker, frame: Durable) -> None:
        for token, seq in zip(frame.tokens, frame.seqs, strict=True):
            body = worker.bodies.get(token)
            if body is None or self.store.rows[body.execution.id].generation > body.program.generation:
                continue  # a worker of a dead node: another has ended the generation since
            if self.store.rows[body.execution.id].records[:seq] != body.records[:seq]:
                raise Broken(f"G1 record {seq} of {body.execution.id} was acknowledged but is not in the database")

    def check_accepted(self, t: Transaction) -> None:
        for commit, is_accepted in zip(t.commits, t.accepted, strict=True):
            if not is_accepted and "refusals" not in self.dropped:
                raise Broken(f"R10 {commit.id} was lost by {t.node.id}, which is alive")

    def audit(self) -> None:
        for row in self.store.rows.values():
            program = self.program(row.id, row.generation)
            if any(claim[2] is None for claim in row.claims) or len(row.claims) != row.epoch:
                raise Broken(f"G4 the claims of {row.id} do not all end: {row.claims}")
            if row.status == "completed" and row.names != program.steps:
                raise Broken(f"G1 {row.id} completed with {sorted(row.names)} recorded")
            if row.status == "completed":
                self.audit_messages(row)
            if [claim[2] for claim in row.claims].count(Ending.CONTINUED) != row.generation:
                raise Broken(f"G3 {row.id} is at generation {row.generation}: {row.claims}")
            places = {name: place for place, group in enumerate(program.groups) for name in group}
            order = [places[record.name] for record in row.records if record.kind == "step"]
            if order != sorted(order):
                raise Broken(f"P3 the records of {row.id} are out of order: {order}")
            if program.poison and row.status == "completed":
                raise Broken(f"G7 {row.id} kills every worker, and completed")
            if row.status == "parked" and not program.poison and (row.alone_death_count < 3 or self.faults.kills < 3):
                raise Broken(f"G7 {row.id} was parked after {row.alone_death_count} deaths alone")

    def audit_messages(self, row: Row) -> None:
        """Each wait was given one message, each child was made and told of once."""
        programs = self.programs.get(row.id, ())
        pauses = [(p.generation, place, kind) for p in programs for place, kind in p.pauses.items()]
        ends = {f"end of {child_of(row.id, g, place)}" for g, place, kind in pauses if kind == "child"}
        words = [f"{row.id} word {number}" for number in range(sum(kind == "wait" for *_, kind in pauses))]
        if row.consumed != ends | set(words) or row.messages:
            raise Broken(f"R17 {row.id} was given {sorted(row.consumed)}, and not {row.messages}")

    def workers(self) -> list[Worker]:
        return [worker for node in self.nodes for worker in node.workers.values()] + self.orphans

    def note(self, *words: object) -> None:
        """Most runs keep no trace, and describing an event costs more than what follows from it."""
        if self.trace is not None:
            self.trace.append(f"{self.now_ns / 1e9:9.3f} {' '.join(map(str, words))}")
            del self.trace[:-TRACE_LINES]

    def _programs(self, number: int) -> tuple[Program, ...]:
        is_poison = number < self.plan.poison
        count = 1 if is_poison else self.random.randint(1, self.plan.generations)
        return tuple(self._program(generation, generation == count - 1, is_poison) for generation in range(count))

    def _program(self, generation: int, is_last: bool, is_poison: bool) -> Program:
        groups = tuple(
            tuple(f"{generation}:{place}.{branch}" for branch in range(self.random.choice((1, 1, 1, 2, 3))))
            for place in range(self.random.randint(1, 4))
        )
        share = 0.15 if self.plan.pauses == ("sleep",) else 0.4
        pauses = {
            place: self.random.choice(self.plan.pauses) for place in range(len(groups)) if self.random.random() < share
        }
        return Program(groups, pauses, self.random.choice(groups[-1]) if is_poison else "", generation, is_last)

    def _words(self, id: str) -> tuple[list[str], list[str]]:
        waits = sum(kind == "wait" for program in self.programs[id] for kind in program.pauses.values())
        return [f"{id} word {number}" for number in reversed(range(waits))], []


def run(seed: int, plan: Plan, dropped: frozenset[str] = frozenset(), dispatcher: type[Dispatcher] = Dispatcher) -> int:
    """One world; a broken promise is told with the seed and what led to it."""
    try:
        return World(seed, plan, dropped, dispatcher).run()
    except Broken:
        trace: list[str] = []
        try:
            World(seed, plan, dropped, dispatcher, trace).run()
        except Broken as broken:
            raise Broken("\n".join([*trace, f"seed {seed}: {broken}"])) from None
        raise
