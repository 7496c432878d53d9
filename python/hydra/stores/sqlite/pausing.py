"""What a person stops, and lets go on. Claims read it under the write lock, so none that comes later misses it."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.stores.acts import Act
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.rows import to_pause
from hydra.stores.sqlite.acts import add_acts
from hydra.stores.sqlite.transaction import Reading, Transaction


def read_pauses(reading: Reading) -> list[Pause]:
    return [to_pause(row) for row in reading.select_shown("pauses")]


def pause(transaction: Transaction, pause: Pause, acts: Sequence[Act] = ()) -> None:
    transaction.execute(
        "pause",
        kind=pause.kind,
        name=pause.name,
        paused_at=pause.paused_at,
        paused_by=pause.paused_by,
        reason=pause.reason,
    )
    add_acts(transaction, acts)


def unpause(transaction: Transaction, kind: PauseKind, name: str) -> bool:
    return transaction.execute("unpause", kind=kind, name=name) > 0
