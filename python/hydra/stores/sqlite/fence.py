"""The fence (R6): nothing of a node is written unless it is alive in its session."""

from __future__ import annotations

from hydra.errors import LeaseLost
from hydra.execution import NodeRef
from hydra.stores.sqlite.transaction import Transaction


def check_fence(transaction: Transaction, node: NodeRef) -> None:
    """Refuse whatever follows unless the node is alive in this session (R6)."""
    if not transaction.select("fence", node=node.id, session=node.session):
        raise LeaseLost(f"node `{node.id}` may no longer write: it was declared dead or its session is over")
