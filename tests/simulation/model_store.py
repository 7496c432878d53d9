"""A database as the protocol sees it: fence, epochs, sequence numbers, sessions, dead and empty nodes.

A transaction is sent, then open (fence passed, locks held), then committed; anything may happen between. Guards named
in `dropped` are left out, to show that the simulation notices. What raises `Broken` is the world's check, not a guard.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hydra.dispatch.events import Reached
from hydra.execution import Claimed, End, Ending, ExecutionCommit, NodeRef, Record
from hydra.stores.store import Attention, Beat, Owned

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


@dataclass(slots=True)
class NodeRow:
    id: str
    beat_at: int
    state: str = "alive"
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
    is_open: bool = False
    accepted: list[bool] = field(default_factory=list)
    snapshot: dict[str, list[Record]] = field(default_factory=dict)

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

    def register(self, id: str, now: int) -> NodeRef:
        self.nodes[id] = NodeRow(id, now)
        return NodeRef(id, 1)

    def is_alive(self, node: NodeRef) -> bool:
        row = self.nodes[node.id]
        return row.state == "alive" and (row.session == node.session or "session" in self.dropped)

    def is_locked(self, node_id: str) -> bool:
        """Whether a transaction holds the share lock on the node's row, so that nobody gets it exclusively."""
        return "fence" not in self.dropped and any(t.is_open and t.node.id == node_id for t in self.transactions)

    def resync(self, node: NodeRef) -> tuple[NodeRef, list[Owned]] | None:
        row = self.nodes[node.id]
        if row.state != "alive":
            return None
        row.session += 1
        owned = [Owned(r.id, r.epoch, len(r.records)) for r in self.rows.values() if r.owner == node.id]
        return NodeRef(node.id, row.session), owned

    def progress(self, ids: list[str]) -> list[Reached]:
        return [
            Reached(row.id, row.epoch, len(row.records), row.status in FINAL[:3])
            for row in map(self.rows.__getitem__, ids)
        ]

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
        row.owner, row.status = "", "pending"

    # transactions

    def open(self, t: Transaction) -> str:
        """Fence and locks: "open", "wait" for another's lock, or "refused"."""
        ids = {commit.id for commit in t.commits}
        if any(u.is_open and not ids.isdisjoint(c.id for c in u.commits) for u in self.transactions):
            return "wait"
        if not self.is_alive(t.node):
            return "refused"
        t.is_open = True
        t.accepted = [self._accepts(t.node, commit) for commit in t.commits]
        if "snapshot" in self.dropped:
            t.snapshot = {row.id: list(row.records) for row in self.rows.values()}
        return "open"

    def commit(self, t: Transaction, now: int) -> tuple[list[Claimed], Beat | None]:
        for commit, is_accepted in zip(t.commits, t.accepted, strict=True):
            if is_accepted:
                self._apply(t.node, commit)
        claimed: list[Claimed] = []
        if t.slots is not None:
            for row in self.rows.values():
                if row.status == "pending" and len(claimed) < t.slots:
                    claimed.append(self._claim(t, row, now))
        if not t.beat:
            return claimed, None
        if self.nodes[t.node.id].state != "alive":
            raise Broken("P1 a dead node's beat was counted")
        self.nodes[t.node.id].beat_at = now
        self.nodes[t.node.id].counter += 1
        running = [row for row in self.rows.values() if row.owner == t.node.id]
        attention = [Attention(r.id, r.epoch, "cancel") for r in running if r.cancel]
        return claimed, Beat(len(running), attention, counter=self.nodes[t.node.id].counter)

    def cancel(self, row: Row) -> None:
        if row.status == "running":
            row.cancel = True
        elif row.status in ("pending", "sleeping"):
            row.status = "cancelled"

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
            row.id, row.epoch, "w", None, b"", 1, 0, 0, now, 0, None, 0, row.cancel, *deaths, {}, list(records)
        )

    def _apply(self, node: NodeRef, commit: ExecutionCommit) -> None:
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
                row.names.add(record.name)
            row.records.append(record)
        if commit.death_count is not None:
            row.death_count = commit.death_count
        if commit.alone_death_count is not None:
            row.alone_death_count = commit.alone_death_count
        if commit.end is not None:
            self._end(row, commit.end)

    def _end(self, row: Row, end: End) -> None:
        row.claims[-1][2] = end.kind
        if end.kind == Ending.CRASHED:
            row.epoch += 1
            row.claims.append([row.epoch, row.owner, None])
            return
        row.owner = ""
        if end.kind == Ending.RELEASED or (end.kind == Ending.SLEEPING and row.cancel):
            row.status = "pending"
        else:
            row.status = str(end.kind)
            row.wake_at = end.wake_at
