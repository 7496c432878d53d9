"""The fence (R6): nothing of a node is written unless it is alive in its session."""

from __future__ import annotations

import sqlite3

from hydra.errors import LeaseLost
from hydra.execution import NodeRef
from hydra.stores.sqlite.statements import select


def check_fence(connection: sqlite3.Connection, namespace: str, node: NodeRef) -> None:
    """Refuse whatever follows unless the node is alive in this session (R6)."""
    if not select(connection, "fence", namespace=namespace, node=node.id, session=node.session):
        raise LeaseLost(f"node `{node.id}` may no longer write: it was declared dead or its session is over")
