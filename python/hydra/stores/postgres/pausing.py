"""What a person stops, and lets go on.

    pause: committed ──► each living node's row, by itself ──► returns
    claim: shares its node's row, compares its count with the snapshot's, leaves out what the snapshot shows as paused

A claim that shared its row before is waited for. One that comes after with an older snapshot finds another count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hydra.stores.acts import Act
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.postgres.acts import acts_step
from hydra.stores.postgres.database import Database
from hydra.stores.postgres.news import READY
from hydra.stores.postgres.transaction import Reading, Transaction
from hydra.stores.rows import to_pause

EVERYBODY = 1 << 16  # a hint of so much work is for every node


def read_pauses(reading: Reading) -> list[Pause]:
    return [to_pause(row) for row in reading.select("pauses")]


def pause(transaction: Transaction, pause: Pause, acts: Sequence[Act] = ()) -> None:
    values = {**msgspec.structs.asdict(pause), "kind": str(pause.kind)}
    transaction.run(("pause", values), *([acts_step(acts)] if acts else []))


def bar_claims(database: Database, node_ids: Iterable[str]) -> None:
    """Outside of any transaction: each row is held by itself, since a node may share several."""
    for node_id in node_ids:
        database.part(_bar, node_id)


def _bar(transaction: Transaction, node_id: str) -> None:
    transaction.execute("bar_claims", node=node_id)


def unpause(transaction: Transaction, kind: PauseKind, name: str) -> bool:
    is_gone = transaction.execute("unpause", kind=str(kind), name=name) > 0
    if is_gone and kind != PauseKind.NODE:
        transaction.announce(READY, EVERYBODY)
    return is_gone
