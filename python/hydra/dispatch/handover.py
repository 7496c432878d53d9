"""Which node takes over an execution whose records differ from this node's code (R27). Reads no database.

While a deploy is under way, nodes with the recorder's code are still alive: what differs here does not differ there.
The execution goes over to one of them directly, so that no node meets it in the queue and hands it back again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from zlib import crc32

from hydra.execution import DIVERGED, Claim, Ending
from hydra.stores.node_states import NodeState

MAX_HELD_PER_WORKER = 256  # a node that runs so many for each of its workers is given no more
FULL_PAUSE_US = 2_000_000  # before what nobody has room for is looked at again


class Handover:
    """One batch of executions that differ; `nodes` are all that are known, the one that asks (`node_id`) included."""

    def __init__(self, nodes: Sequence[NodeState], node_id: str) -> None:
        self._known = {node.info.id: node for node in nodes}
        self._node_id = node_id
        self._given: Counter[str] = Counter()

    def candidates(self, lines: Sequence[Claim]) -> list[str]:
        """The live nodes that could go on with it, by its audit trail, oldest line first; where the recorder is alive
        it alone. None when nobody alive has the code of whoever recorded, or when that differs, too."""
        known = self._known
        mine = known[self._node_id].code_version if self._node_id in known else ""
        tried = self._tried(lines) | {mine, ""}
        for line in reversed(lines):
            if line.ended_at is None or line.detail == DIVERGED:
                continue
            recorder = known.get(line.node)  # None: purged since then, and whatever code it had may be alive
            codes = None if recorder is None else codes_of(recorder)
            # guard R27: dead nodes are no candidates
            successors = [
                node.info.id
                for node in known.values()
                if node.state == "alive"
                and node.info.id != self._node_id
                and node.code_version not in tried  # guard R27: code that differed is not asked again
                and (codes is None or node.code_version in codes)  # guard R27: only the recorder's code is a successor
            ]
            if line.node in successors:
                return [line.node]
            if successors:
                return sorted(successors)
            if codes == {mine} and line.ending != Ending.RELEASED:
                return []
        return []

    def choose(self, execution_id: str, candidates: Sequence[str]) -> str | None:
        """One of them that has room; None while none has."""
        free = [id for id in candidates if self._room(id) > 0]  # guard R27: a full node is given no more
        if not free:
            return None
        chosen = free[crc32(execution_id.encode()) % len(free)]
        self._given[chosen] += 1
        return chosen

    def _room(self, id: str) -> int:
        node = self._known[id]
        return node.info.workers * MAX_HELD_PER_WORKER - node.running_count - self._given[id]

    def _tried(self, lines: Sequence[Claim]) -> set[str]:
        """The code that differed since somebody last went on with it: each gets one go, so it goes in no circle."""
        tried: set[str] = set()
        for line in reversed(lines):
            if line.ending is None:
                continue
            if line.ending == Ending.PARKED or (line.ending != Ending.RELEASED and line.detail != DIVERGED):
                break
            if line.detail == DIVERGED and line.node in self._known:
                tried.add(self._known[line.node].code_version)
        return tried


def codes_of(node: NodeState) -> set[str]:
    """A reload changes it within a registration, and nobody knows which claim ran which."""
    return {node.info.code_version, node.code_version} - {""}
