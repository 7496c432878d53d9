"""A database as the protocol sees it: fence, epochs, sequence numbers, sessions, dead and empty nodes.

A transaction is sent, then open (fence passed, locks held), then committed; anything may happen between. Guards named
in `dropped` are left out, to show that the simulation notices. What raises `Broken` is the world's check, not a guard.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hydra.dispatch.events import Reached
from hydra.execution import DIVERGED, Claimed, End, Ending, ExecutionCommit, Message, NodeRef, Record
from hydra.stores.node_states import Attention, Beat, Owned

FINAL = ("completed", "failed", "cancelled", "parked")


class Broken(AssertionError):
    """A promise does not hold."""


@dataclass(slots=True)
class Row:
    id: str
    status: str = "pending"
    owner: str = ""
    epoch: int = 0
    records: list[Record] = field(default_factory=list)
    names: set[str] = field(default_factory=set)  # of the steps recorded
    wake_at: int = 0
    cancel: bool = False
    death_count: int = 0
    alone_death_count: int = 0
    claims: list[list[object]] = field(default_factory=list)  # epoch, node, ending
    generation: int = 0
    ever: set[str] = field(default_factory=set)  # the steps recorded in any generation
    code: int = -1  # whose code recorded in this generation
    wake_seq: int = 0
    messages: list[Message] = field(default_factory=list)
    consumed: set[str] = field(default_factory=set)  # by any generation
    parent: str = ""


@dataclass(slots=True)
class NodeRow:
    id: str
    beat_at: int
    code: int = 0
    state: str = "alive"  # then dead, then empty: nobody looks for its executions any more (R8)
    session: int = 1
    counter: int = 0


@dataclass(slots=True)
class Transaction:
    """Commits, a claim and a beat asked for together; `listener` is who hears the answer, None once it was lost."""

    node: NodeRef
    batch: int
    commits: list[ExecutionCommit]
    slots: int | None
    beat: bool
    listener: object
    sent_ns: int
    now_us: int = 0  # its node's idea of the database's clock when it was sent
    is_open: bool = False
    accepted: list[bool] = field(default_factory=list)
    snapshot: dict[str, list[Record]] = field(default_factory=dict)
    successors: set[str] = field(default_factory=set)  # named by commits and alive, their rows locked like the own

    def __repr__(self) -> str:
        ids = [f"{c.id}@{c.epoch}+{len(c.records)}{f' {c.end.kind}' if c.end else ''}" for c in self.commits]
        return f"transaction of {self.node.id} ({', '.join(ids)}; claim {self.slots}; beat {self.beat})"


class ModelStore:
    def __init__(self, ids: list[str], dropped: frozenset[str]) -> None:
        self.rows = {id: Row(id) for id in ids}
        self.nodes: dict[str, NodeRow] = {}
        self.transactions: list[Transaction] = []
        self.is_down = False
        self.dropped = dropped

    # nodes

    def register(self, id: str, now: int, code: int = 0) -> NodeRef:
        self.nodes[id] = NodeRow(id, now, code)
        return NodeRef(id, 1)

    def is_alive(self, node: NodeRef) -> bool:
        row = self.nodes[node.id]
        return row.state == "alive" and (row.session == node.session or "session" in self.dropped)

    def is_locked(self, node_id: str) -> bool:
        """Whether a transaction holds the share lock on the node's row, so that nobody gets it exclusively."""
        return "fence" not in self.dropped and any(
            t.is_open and (t.node.id == node_id or node_id in t.successors) for t in self.transactions
        )

    def resync(self, node: NodeRef) -> tuple[NodeRef, list[Owned]] | None:
        row = self.nodes[node.id]
        if row.state != "alive":
            return None
        row.session += 1
        rows = [Owned(r.id, r.epoch, len(r.records)) for r in self.rows.values() if r.owner == node.id]
        return NodeRef(node.id, row.session), rows

    def progress(self, ids: list[str]) -> list[Reached]:
        return [
            Reached(row.id, row.epoch, len(row.records), row.status in FINAL[:3], self.continued_epoch(row))
            for row in map(self.rows.__getitem__, ids)
        ]

    def continued_epoch(self, row: Row) -> int:
        """In which claim a generation ended last."""
        if "continued" in self.dropped:
            return 0
        return max((int(str(claim[0])) for claim in row.claims if claim[2] == Ending.CONTINUED), default=0)

    def recover(self, node: NodeRef, ids: list[str], now: int) -> list[Claimed]:
        return [self._claimed(row, row.records, now) for id in ids if (row := self.rows[id]).owner == node.id]

    def unregister(self, node: NodeRef) -> None:
        if self.nodes[node.id].state == "alive" and not self.is_locked(node.id):
            self.nodes[node.id].state = "dead"

    # peers

    def overdue(self, now: int, ttl: int) -> list[NodeRow]:
        return [
            row
            for row in self.nodes.values()
            if row.state == "alive" and now - row.beat_at >= ttl and not self.is_locked(row.id)
        ]

    def abandoned(self, now: int, ttl: int) -> list[Row]:
        """Executions whose owner is dead."""
        early = "dead_first" in self.dropped
        return [
            row
            for row in self.rows.values()
            if row.owner and ((node := self.nodes[row.owner]).state == "dead" or (early and now - node.beat_at >= ttl))
        ]

    def give_back(self, row: Row) -> None:
        row.claims[-1][2] = Ending.LOST
        row.owner, row.status, row.wake_at = "", "pending", 0

    def empty(self) -> None:
        """What is dead and owns nothing needs no look any more (R8)."""
        owners = {row.owner for row in self.rows.values()}
        for node in self.nodes.values():
            if node.state == "dead" and node.id not in owners and not self.is_locked(node.id):
                node.state = "empty"

    # transactions

    def open(self, t: Transaction) -> str:
        """Fence and locks: "open", "wait" for another's lock, or "refused"."""
        ids = {commit.id for commit in t.commits}
        if any(u.is_open and not ids.isdisjoint(c.id for c in u.commits) for u in self.transactions):
            return "wait"
        if not self.is_alive(t.node):
            return "refused"
        t.is_open = True
        named = {commit.successor for commit in t.commits if commit.successor}
        t.successors = {id for id in named if self.nodes[id].state == "alive" or "successor" in self.dropped}
        t.accepted = [self._accepts(t.node, commit) for commit in t.commits]
        if "snapshot" in self.dropped:
            t.snapshot = {row.id: list(row.records) for row in self.rows.values()}
        return "open"

    def commit(self, t: Transaction, now: int) -> tuple[list[Claimed], Beat | None]:
        for commit, is_accepted in zip(t.commits, t.accepted, strict=True):
            if is_accepted:
                self._apply(t.node, commit, t.successors, t.now_us)
        claimed: list[Claimed] = []
        if t.slots is not None:
            for row in self.rows.values():
                is_due = row.status == "pending" and row.wake_at <= t.now_us
                if is_due and len(claimed) < t.slots:
                    claimed.append(self._claim(t, row, now))
        if not t.beat:
            return claimed, None
        if self.nodes[t.node.id].state != "alive":
            raise Broken("P1 a dead node's beat was counted")
        self.nodes[t.node.id].beat_at = now
        self.nodes[t.node.id].counter += 1
        running = [row for row in self.rows.values() if row.owner == t.node.id]
        attention = [Attention(r.id, r.epoch, "cancel") for r in running if r.cancel]
        messages = [message for row in running for message in row.messages]
        return claimed, Beat(len(running), attention, messages, counter=self.nodes[t.node.id].counter)

    def submit(self, id: str, wake_at: int) -> None:
        """One that is delayed."""
        self.rows[id] = Row(id, "sleeping", wake_at=wake_at)

    def cancel(self, row: Row) -> None:
        if row.status == "running":
            row.cancel = True
        elif row.status in ("pending", "sleeping", "waiting"):
            row.status = "cancelled"
            self._tell_parent(row)

    def signal(self, row: Row, message: Message) -> bool:
        """Put it, once, and wake what waits (R14, R17); whether it is new."""
        if row.status in FINAL:
            return False
        is_known = message.id in row.consumed or message in row.messages
        if "consumed" in self.dropped:
            is_known = message in row.messages or any(
                record.kind == "event" and record.digest == message.id.encode() for record in row.records
            )
        if not is_known:
            row.messages.append(message)
        row.wake_seq += 1
        if row.status == "waiting":
            row.status, row.wake_at = "pending", 0
        return not is_known

    def _tell_parent(self, row: Row) -> None:
        if row.parent:
            self.signal(self.rows[row.parent], Message(f"end of {row.id}", row.parent, row.id, b"", 0))

    def _accepts(self, node: NodeRef, commit: ExecutionCommit) -> bool:
        row = self.rows[commit.id]
        if row.owner != node.id or row.epoch != commit.epoch:
            return False
        if "sequence" in self.dropped:
            return True
        return all(record.seq == len(row.records) + place for place, record in enumerate(commit.records, 1))

    def _claim(self, t: Transaction, row: Row, now: int) -> Claimed:
        if self.nodes[t.node.id].state != "alive":
            raise Broken("P1 a dead node claimed")
        row.status, row.owner = "running", t.node.id
        row.epoch += 1
        row.claims.append([row.epoch, row.owner, None])
        return self._claimed(row, t.snapshot.get(row.id, row.records), now)

    def _claimed(self, row: Row, records: list[Record], now: int) -> Claimed:
        deaths = row.death_count, row.alone_death_count
        return Claimed(
            row.id, row.epoch, "w", None, b"%d" % row.generation, 1, 0, 0, now, 0, None, row.wake_seq, row.cancel,
            *deaths, {}, list(records), list(row.messages),
        )  # fmt: skip

    def _apply(self, node: NodeRef, commit: ExecutionCommit, successors: set[str], now_us: int) -> None:
        row = self.rows[commit.id]
        if self.nodes[node.id].state != "alive":
            raise Broken(f"P1 a dead node wrote to {row.id}")
        if row.owner != node.id or row.epoch != commit.epoch:
            raise Broken(f"P1 {row.id} was written by a node that does not own it at that epoch")
        for record in commit.records:
            if record.seq != len(row.records) + 1:
                raise Broken(f"R13 record {record.seq} of {row.id} was written after {len(row.records)} others")
            if record.kind == "step":
                if record.name in row.names:
                    raise Broken(f"G3 step {record.name} of {row.id} has two outcomes")
                if record.name in row.ever:
                    raise Broken(f"G3 step {record.name} of {row.id} was recorded by a generation before")
                row.names.add(record.name)
            elif record.kind == "event":
                self._consume(row, record.digest.decode())
            elif record.kind == "spawn":
                self._spawn(row, record)
            if record.kind in ("step", "try", "sleep", "event", "spawn"):
                row.code = self.nodes[node.id].code
            row.records.append(record)
        if commit.death_count is not None:
            row.death_count = commit.death_count
        if commit.alone_death_count is not None:
            row.alone_death_count = commit.alone_death_count
        if commit.end is not None:
            self._end(row, commit.end, commit.successor or "", successors, now_us)

    def _consume(self, row: Row, id: str) -> None:
        left = [message for message in row.messages if message.id != id]
        if id in row.consumed or len(left) == len(row.messages):
            raise Broken(f"R17 message {id} is delivered to {row.id} twice")
        row.messages = left
        row.consumed.add(id)

    def _spawn(self, row: Row, record: Record) -> None:
        id = f"{row.id}.{row.generation}.{record.name.removeprefix('spawn')}"
        if id in self.rows:
            raise Broken(f"G3 child {id} is made twice")
        self.rows[id] = Row(id, parent=row.id)

    def _hand_over(self, row: Row, successor: str) -> None:
        """Released, and under the next epoch another's (R27)."""
        row.claims[-1][2] = Ending.RELEASED
        row.owner = successor
        row.epoch += 1
        row.claims.append([row.epoch, successor, None])

    def _end(self, row: Row, end: End, successor: str, successors: set[str], now_us: int) -> None:
        if end.cause == DIVERGED:
            if successor in successors:
                self._hand_over(row, successor)
                return
            end = End(Ending.SLEEPING, wake_at=now_us + 200_000)  # parked, and resumed by somebody
        row.claims[-1][2] = end.kind
        if end.kind == Ending.CRASHED:
            row.epoch += 1
            row.claims.append([row.epoch, row.owner, None])
            return
        row.owner, row.wake_at = "", 0
        is_woken = end.kind == Ending.WAITING and row.wake_seq != end.wake_seq and "wake_seq" not in self.dropped
        if end.kind == Ending.CONTINUED:
            self._begin_anew(row, int(end.payload or b"0"))
        elif end.kind == Ending.RELEASED or is_woken or (end.kind in ("sleeping", "waiting") and row.cancel):
            row.status = "pending"
        else:
            row.status = str(end.kind)
            row.wake_at = end.wake_at
            if row.status in FINAL:
                self._tell_parent(row)

    def _begin_anew(self, row: Row, generation: int) -> None:
        if generation != row.generation + 1:
            raise Broken(f"G3 generation {generation} of {row.id} begins after {row.generation}")
        row.status, row.generation, row.code = "pending", generation, -1
        row.ever |= row.names
        row.records, row.names = [], set()
        row.messages = [message for message in row.messages if message.name == "word"]
