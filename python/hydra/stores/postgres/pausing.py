"""What a person stops, and lets go on.

    pause: committed ──► each living node's row, by itself ──► returns
    claim: shares its node's row, compares its count with the snapshot's, leaves out what the snapshot shows as paused

A claim that shared its row before is waited for. One that comes after with an older snapshot finds another count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.postgres.session import Result
from hydra.stores.rows import to_pause

EVERYBODY = 1 << 16  # a hint of so much work is for every node

Write = Callable[..., list[Result]]
Read = Callable[..., list[list[tuple[Any, ...]]]]


def read_pauses(read: Read, namespace: str) -> list[Pause]:
    (rows,) = read(("pauses", {"namespace": namespace}))
    return [to_pause(row) for row in rows]


def pause(write: Write, namespace: str, pause: Pause) -> None:
    write(
        (
            "pause",
            {
                "namespace": namespace,
                "kind": str(pause.kind),
                "name": pause.name,
                "paused_at": pause.paused_at,
                "paused_by": pause.paused_by,
                "reason": pause.reason,
            },
        )
    )


def bar_claims(write: Write, namespace: str, node_ids: Iterable[str]) -> None:
    """Outside of any transaction: each row is held by itself, since a node may share several."""
    for node_id in node_ids:
        write(("bar_claims", {"namespace": namespace, "node": node_id}))


def unpause(write: Write, namespace: str, kind: PauseKind, name: str) -> bool:
    (gone,) = write(("unpause", {"namespace": namespace, "kind": str(kind), "name": name}))
    return gone.row_count > 0
