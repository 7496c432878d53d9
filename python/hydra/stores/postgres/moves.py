"""What `hydra move` has left about a namespace, where a move has ever been. Never writes."""

from __future__ import annotations

from hydra.stores.moved import MoveLine
from hydra.stores.postgres.transaction import Reading


def read_move_lines(reading: Reading) -> list[MoveLine]:
    if not reading.select("move_table"):
        return []
    return [MoveLine(*row) for row in reading.select("move_lines")]
