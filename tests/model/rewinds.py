"""Explicit-state model of R19: a database that goes back to a copy of itself, twice, under the nodes that write to it.

    python -m tests.model.rewinds            the rules, then every guard dropped in turn
    python -m tests.model.rewinds base 1 2   one variant: so many ways back, to so many copies

Every action is one atomic step, and anything may be delayed for ever between two of them. A copy of the database may
be kept at any time (a backup, a replica that lags, the leader of before), and the database may become a copy that was
kept: back, and forth again (failback). That breaks every connection, and a node proves the database before it writes
again. One execution of some steps, which its node may hand back in between, so that another node goes on.

Checked in every state, of steps whose record was confirmed to a process that lives:
  R19 none starts again once all who know of it have held it against this database, unless a person resumed the
      execution, or it was told of as running elsewhere;
  R19 none starts again, whoever does it, without a rewind told of by the time all is over;
  P5  from every state all can be over.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

STEPS = 2
MAX_SESSION = 2  # how often a node connects again without need
GUARDS = {
    "session": "a lower session is taken for a death, so what the registration runs is not parked",
    "registrations": "the older database takes past registrations of the process for alive",
    "settle": "a node registers again before the others have parked what they know",
    "trail": "that another has the last claim's place in the audit trail goes unseen",
    "before": "what was known of histories before the last is forgotten",
}

ON_BREAK = {"working": "cut", "settling": "parking", "out": "parking"}  # over another connection it is done again
UNPROVEN = ("cut", "parking", "settling")
Id = tuple[int, int]  # node, number of its registration: never used again, in whatever history (R1)


class Broken(AssertionError):
    """A promise does not hold."""


class Row(NamedTuple):
    id: Id
    is_alive: bool
    session: int


class Database(NamedTuple):
    rows: tuple[Row, ...] = ()
    status: str = "pending"
    owner: Id | None = None
    count: int = 0  # records
    trail: tuple[Id, ...] = ()  # who claimed it, by epoch
    pardoned: int = 0  # steps that a person knew of who resumed it


class Node(NamedTuple):
    phase: str = "out"  # out, working, cut, parking, settling
    number: int = 0  # of registrations so far
    session: int = 0
    holds: bool = False  # the execution
    ended: tuple[int, Id] | None = None  # the last claim that ended here: its epoch, and as whom
    known: int = 0  # records confirmed to this process in this history
    before: int = 0  # … in those before
    is_settled: bool = False  # it was parked, and a person may have resumed it


class State(NamedTuple):
    database: Database
    nodes: tuple[Node, ...]
    copies: tuple[Database, ...]
    backs: int
    is_told: bool = False  # of a rewind
    is_elsewhere: bool = False  # told of as running on another node
    is_redone: bool = False


class Model:
    def __init__(self, dropped: str, backs: int, copies: int, nodes: int = 2) -> None:
        self.dropped = dropped
        self.copies = copies
        self.first = State(Database(), (Node(),) * nodes, (), backs)

    def moves(self, s: State) -> Iterator[tuple[str, State]]:
        is_done = s.database.status == "done"
        for n, node in enumerate(s.nodes):
            if not is_done or node.phase in UNPROVEN:
                yield from self.node_moves(s, n, node)
        if not is_done:
            yield from self.world_moves(s)
        elif is_over(s) and s.is_redone and not s.is_told:
            raise Broken("R19 a step ran again, and nobody told of a rewind")

    def node_moves(self, s: State, n: int, node: Node) -> Iterator[tuple[str, State]]:
        own, database = (n, node.number), s.database
        row = find(database, own)
        match node.phase:
            case "out":
                number = node.number + 1
                rows = (*database.rows, Row((n, number), True, 1))
                new = node._replace(phase="working", number=number, session=1, holds=False)
                yield f"{n} registers", put(s, n, new, database._replace(rows=rows))
            case "working" if row is not None and row.is_alive and row.session == node.session:
                if database.status == "pending" and not node.holds:
                    claimed = database._replace(status="running", owner=own, trail=(*database.trail, own))
                    yield f"{n} claims", put(s, n, node._replace(holds=True, known=database.count), claimed)
                if node.holds and database.owner == own:
                    yield from self.run(s, n, node)
                for other in database.rows:
                    if other.is_alive and self.is_silent(s, other.id):
                        yield f"{n} reaps {other.id}", s._replace(database=dead(database, {other.id}))
                owner = database.owner and find(database, database.owner)
                if database.status == "running" and owner and not owner.is_alive:
                    yield f"{n} gives back", s._replace(database=database._replace(status="pending", owner=None))
                if node.session < MAX_SESSION:
                    yield f"{n} is cut", put(s, n, node._replace(phase="cut"))
            case "working":
                yield f"{n} is refused", put(s, n, self.given_up(node))
            case "cut":
                yield from self.prove(s, n, node, row)
            case "parking" | "settling" if self.may_park(s, n, node):
                yield from self.park(s, n, node)

    def run(self, s: State, n: int, node: Node) -> Iterator[tuple[str, State]]:
        database, step = s.database, s.database.count
        knowers = [k for k, other in enumerate(s.nodes) if max(other.known, other.before) > step]
        is_again = bool(knowers) and step >= database.pardoned
        if is_again and not s.is_elsewhere and all(s.nodes[k].phase in ("out", "working") for k in knowers):
            raise Broken(f"R19 step {step} runs again on {n}, and {knowers} knew of it")
        s = s._replace(is_redone=s.is_redone or is_again)
        after = database._replace(count=step + 1)
        node = node._replace(known=step + 1)
        ended = node._replace(holds=False, ended=(len(database.trail), (n, node.number)))
        if step + 1 == STEPS:
            yield f"{n} ends it", put(s, n, ended, after._replace(status="done", owner=None))
        else:
            yield f"{n} records {step}", put(s, n, node, after)
            handed = after._replace(status="pending", owner=None)
            yield f"{n} records {step}, hands back", put(s, n, ended, handed)

    def prove(self, s: State, n: int, node: Node, row: Row | None) -> Iterator[tuple[str, State]]:
        """R16, R19."""
        database = s.database
        is_lower = row is not None and row.session < node.session
        is_missing = database.count < node.known or (node.holds and database.owner != (n, node.number))
        if node.ended and self.dropped != "trail":
            epoch, claimant = node.ended
            is_missing |= len(database.trail) < epoch or database.trail[epoch - 1] != claimant
        if row is not None and row.is_alive and not is_lower and not is_missing:
            raised = row._replace(session=max(row.session, node.session) + 1)
            rows = tuple(raised if each.id == row.id else each for each in database.rows)
            new = node._replace(phase="working", session=raised.session)
            yield f"{n} proves", put(s, n, new, database._replace(rows=rows))
        elif is_lower and self.dropped == "session":
            idle = database.status == "pending" and database.count < node.known
            parked = database._replace(status="parked") if idle else database
            yield f"{n} is refused", put(s, n, node._replace(phase="out", holds=False), parked)
        else:
            yield f"{n} finds a rewind", put(s._replace(is_told=True), n, self.given_up(node))

    def given_up(self, node: Node) -> Node:
        before = node.known if self.dropped == "before" else max(node.before, node.known)
        return node._replace(phase="parking", holds=False, ended=None, known=0, before=before, is_settled=False)

    def may_park(self, s: State, n: int, node: Node) -> bool:
        """The second time a lease later: by then every other node that lives has found out, and parked once."""
        others = [other.phase for k, other in enumerate(s.nodes) if k != n]
        return node.phase == "parking" or not {"cut", "parking"}.intersection(others)

    def park(self, s: State, n: int, node: Node) -> Iterator[tuple[str, State]]:
        database = s.database
        if self.dropped != "registrations":
            database = dead(database, {row.id for row in database.rows if row.id[0] == n})
        owner = find(database, database.owner) if database.owner else None
        is_behind = database.count < node.before and not node.is_settled
        is_free = database.status == "pending" or (owner is not None and not owner.is_alive)
        if is_behind and is_free:
            database = database._replace(status="parked", owner=None)
        is_last = node.phase == "settling" or self.dropped == "settle"
        is_elsewhere = s.is_elsewhere or (is_last and is_behind and database.status == "running")
        is_settled = node.is_settled or database.status == "parked"
        new = node._replace(phase="out" if is_last else "settling", is_settled=is_settled)
        yield f"{n} parks", put(s._replace(is_elsewhere=is_elsewhere, is_told=True), n, new, database)

    def is_silent(self, s: State, id: Id) -> bool:
        """Nobody beats for it any more."""
        node = s.nodes[id[0]]
        return node.number != id[1] or node.phase in ("parking", "settling", "out")

    def world_moves(self, s: State) -> Iterator[tuple[str, State]]:
        database = s.database
        if database.status == "parked":
            known = max(max(node.known, node.before) for node in s.nodes)
            yield "a person resumes", s._replace(database=database._replace(status="pending", pardoned=known))
        if not s.backs:
            return
        if len(s.copies) < self.copies and database not in s.copies:
            yield "a copy is kept", s._replace(copies=(*s.copies, database))
        for k, copy in enumerate(s.copies):
            nodes = tuple(
                node._replace(phase=ON_BREAK.get(node.phase, node.phase), is_settled=False) for node in s.nodes
            )
            if copy != database:
                yield (
                    f"copy {k} takes over",
                    s._replace(database=copy, nodes=nodes, backs=s.backs - 1, is_elsewhere=False),
                )


def is_over(s: State) -> bool:
    return s.database.status == "done" and not any(node.phase in UNPROVEN for node in s.nodes)


def find(database: Database, id: Id) -> Row | None:
    return next((row for row in database.rows if row.id == id), None)


def dead(database: Database, ids: set[Id]) -> Database:
    rows = tuple(row._replace(is_alive=False) if row.id in ids else row for row in database.rows)
    return database._replace(rows=rows)


def put(s: State, n: int, node: Node, database: Database | None = None) -> State:
    return s._replace(nodes=(*s.nodes[:n], node, *s.nodes[n + 1 :]), database=database or s.database)


def check(dropped: str = "", backs: int = 1, copies: int = 1, limit: int = 3_000_000) -> tuple[str, int, list[str]]:
    """The verdict, how many states there are, and what led to a broken promise."""
    model = Model(dropped, backs, copies)
    states, index = [model.first], {model.first: 0}
    came: list[tuple[int, str]] = [(-1, "")]
    back: list[list[int]] = [[]]

    def trace(k: int) -> list[str]:
        labels = []
        while k > 0:
            k, label = came[k]
            labels.append(label)
        return labels[::-1]

    for k, s in enumerate(states):
        try:
            moves = list(model.moves(s))
        except Broken as broken:
            return str(broken), len(states), trace(k)
        for label, t in moves:
            j = index.get(t)
            if j is None:
                j = index[t] = len(states)
                if j == limit:
                    return "too many states", j, []
                states.append(t)
                came.append((k, label))
                back.append([])
            back[j].append(k)
    ends = [k for k, s in enumerate(states) if is_over(s)]
    seen = set(ends)
    while ends:
        for k in back[ends.pop()]:
            if k not in seen:
                seen.add(k)
                ends.append(k)
    stuck = next((k for k in range(len(states)) if k not in seen), None)
    return ("holds", len(states), []) if stuck is None else ("P5 stuck for ever", len(states), trace(stuck))


def main(arguments: list[str]) -> int:
    variants = [arguments[0]] if arguments else ["base", *GUARDS]
    backs, copies = map(int, arguments[1:3] if len(arguments) > 2 else (2, 2))
    for name in variants:
        began = time.monotonic()
        verdict, count, steps = check("" if name == "base" else name, backs, copies)
        print(f"{name:14} {verdict} ({count:,} states, {time.monotonic() - began:.0f} s)", flush=True)
        if steps:
            print("    " + "; ".join(steps), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
