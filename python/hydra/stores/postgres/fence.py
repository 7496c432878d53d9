"""The fence as the statements see it: who writes, and whether they were let (R6). Decides nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.errors import LeaseLost
from hydra.execution import NodeRef
from hydra.stores.postgres.arrays import is_uuid


def fence(node: NodeRef) -> dict[str, object]:
    """The parameters by which a statement finds its node's row."""
    if not is_uuid(node.id):
        raise _refused(node)
    return {"node": node.id, "session": node.session}


def check_fence(node: NodeRef, rows: Sequence[object]) -> None:
    """A fenced statement answers at least one row unless it was refused."""
    if not rows:
        raise _refused(node)


def _refused(node: NodeRef) -> LeaseLost:
    return LeaseLost(f"node `{node.id}` may no longer write: it was declared dead or its session is over")
