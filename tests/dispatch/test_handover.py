"""Who takes over what differs (R27), as a pure decision: many at once, and nodes that are full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from hydra.clock import FakeClock
from hydra.dispatch.events import CommitDone, SendCommit
from hydra.dispatch.handover import FULL_PAUSE_US, MAX_HELD_PER_WORKER, Handover
from hydra.execution import DIVERGED, Claim, End, Ending, ExecutionCommit, NodeInfo, NodeRef
from hydra.node.store_thread import StoreThread
from hydra.stores.node_states import NodeState


def node(id: str, code: str, *, running: int = 0, state: str = "alive") -> NodeState:
    info = NodeInfo(id, "host", "boot", 1, 1, code, 2)
    return NodeState(info, state, 1, 0, 0, 0, running, code)


def line(epoch: int, node_id: str, ending: str = Ending.SLEEPING, detail: str = "") -> Claim:
    return Claim("x", epoch, 1, node_id, 0, 0, 1, ending, detail)


def test_the_recorder_itself_comes_first_and_others_share_what_it_cannot_take() -> None:
    nodes = [node("new", "v2"), node("old-1", "v1"), node("old-2", "v1"), node("old-3", "v1")]
    assert Handover(nodes, "new").candidates([line(1, "old-2")]) == ["old-2"]
    nodes[2] = node("old-2", "v1", state="dead")
    handover = Handover(nodes, "new")
    chosen = Counter(handover.choose(f"{number}", handover.candidates([line(1, "old-2")])) for number in range(100))
    assert set(chosen) == {"old-1", "old-3"}
    assert min(chosen.values()) > 20


def test_the_newest_recorder_counts_and_code_that_differed_has_had_its_go() -> None:
    nodes = [node("new", "v3"), node("old", "v1"), node("mid", "v2")]
    lines = [line(1, "old"), line(2, "mid")]
    assert Handover(nodes, "new").candidates(lines) == ["mid"]
    lines.append(line(3, "mid", Ending.RELEASED, DIVERGED))
    assert Handover(nodes, "new").candidates(lines) == ["old"]
    lines.append(line(4, "new", Ending.SLEEPING, DIVERGED))
    assert Handover(nodes, "new").candidates(lines) == ["old"], "it only waited for room"
    lines.append(line(5, "old", Ending.RELEASED, DIVERGED))
    assert Handover(nodes, "new").candidates(lines) == []
    lines.append(line(6, "new", Ending.PARKED, DIVERGED))
    assert Handover(nodes, "new").candidates(lines) == ["mid"], "a person resumed it: everybody may try again"


class FullStore:
    """As much of a store as the question needs."""

    connection_number = 0

    def __init__(self, nodes: list[NodeState]) -> None:
        self._nodes = nodes
        self.commits: list[ExecutionCommit] = []

    def nodes(self) -> list[NodeState]:
        return self._nodes

    def workflows(self) -> list[Any]:
        return []

    def claims(self, id: str) -> list[Claim]:
        return [line(1, "old")]

    def servers(self) -> dict[str, list[str]]:
        return {"ship": [node.info.id for node in self._nodes]}

    def get(self, ids: list[str]) -> list[Any]:
        return [SimpleNamespace(id=id, workflow="ship") for id in ids]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def commit(self, node: NodeRef, commits: list[ExecutionCommit], now: int, *, is_last: bool) -> list[bool]:
        self.commits += commits
        return [True] * len(commits)

    def next_due_at(self) -> None:
        return None


def test_a_node_is_given_no_more_than_it_has_room_for_and_the_rest_waits() -> None:
    room = 3
    store = FullStore([node("new", "v2"), node("old", "v1", running=2 * MAX_HELD_PER_WORKER - room)])
    clock: Any = FakeClock()
    reports: list[object] = []
    thread = StoreThread(store, clock, None, reports.append, lease_ttl_ns=10 * 10**9)  # type: ignore[arg-type]
    membership = thread.membership
    membership.node, membership.proven_number = NodeRef("new", 1), store.connection_number
    end = End(Ending.PARKED, b"", wake_seq=7, cause=DIVERGED)
    asked = [ExecutionCommit(f"{number}", 1, [], end) for number in range(5)]
    thread.perform([SendCommit(1, asked)])
    assert [commit.successor for commit in store.commits] == ["old"] * room + [None] * 2
    assert [commit.end and commit.end.kind for commit in store.commits] == [Ending.PARKED] * room + [
        Ending.SLEEPING
    ] * 2
    waiting = store.commits[-1].end
    assert waiting is not None
    assert (waiting.wake_at, waiting.wake_seq, waiting.cause) == (clock.now() + FULL_PAUSE_US, 7, DIVERGED)
    assert all(commit.end is end and commit.successor is None for commit in asked), (
        "what is asked again is decided again"
    )
    told = next(report for report in reports if isinstance(report, CommitDone))
    assert told.elsewhere == {commit.id for commit in asked}, "none of it was parked"
