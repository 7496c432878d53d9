"""Which node takes over an execution whose records differ from this node's code (R27). Reads no database.

While a deploy is under way, nodes with the recorder's code are still alive: what differs here does not differ there.
The execution goes over to one of them directly, so that no node meets it in the queue and hands it back again.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from hydra.execution import DIVERGED, Claim, Ending
from hydra.stores.store import NodeState


def heir_of(execution_id: str, lines: Sequence[Claim], nodes: Sequence[NodeState], node_id: str) -> str | None:
    """The live node to go on with it; None when nobody alive has the code of whoever recorded, or that differs, too.

    `lines` is its audit trail, oldest first; `nodes` are all that are known, the one that asks (`node_id`) included.
    """
    known = {node.info.id: node for node in nodes}
    mine = known[node_id].code_version if node_id in known else ""
    tried = _tried(lines, known) | {mine}
    for line in reversed(lines):
        if line.ended_at is None or line.detail == DIVERGED or line.node not in known:
            continue
        recorder = known[line.node]
        codes = {recorder.info.code_version, recorder.code_version} - {""}  # a reload changes it within a registration
        heirs = [
            node.info.id
            for node in nodes
            if node.state == "alive" and node.info.id != node_id and node.code_version in codes - tried
        ]
        if line.node in heirs:
            return line.node
        if heirs:
            return sorted(heirs)[crc32(execution_id.encode()) % len(heirs)]
        if codes == {mine} and line.ending != Ending.RELEASED:
            return None
    return None


def _tried(lines: Sequence[Claim], known: dict[str, NodeState]) -> set[str]:
    """The code that differed since somebody last went on with it: each gets one go, so it never goes in circles."""
    tried: set[str] = set()
    for line in reversed(lines):
        if line.ending is None:
            continue
        if line.ending != Ending.RELEASED:
            break
        if line.detail == DIVERGED and line.node in known:
            tried.add(known[line.node].code_version)
    return tried
