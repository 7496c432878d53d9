"""Reads back what a node owns, a part at a time; an execution whose row is damaged hides no other (G7).

What stands for a damaged one says why it cannot run: the dispatcher parks it. An error that no row explains is raised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hydra.execution import Claimed, NodeRef
from hydra.stores.rows import DECODING, damaged
from hydra.stores.store import Store


def read_back(store: Store, node: NodeRef, ids: Sequence[str], epochs: Mapping[str, int]) -> list[Claimed]:
    """The first of these, one at least if it is owned; `epochs` of what the node owns."""
    try:
        return store.recover(node, ids)
    except DECODING as error:
        if len(ids) > 1:
            return read_back(store, node, ids[: len(ids) // 2], epochs)
        if not ids or ids[0] not in epochs:
            raise
        return [damaged(ids[0], epochs[ids[0]], error)]
