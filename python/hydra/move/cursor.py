"""How far a target is filled, and which moves lie behind it. Reads no database."""

from __future__ import annotations

import msgspec

from hydra.move.side import State
from hydra.move.tables import EXECUTIONS

EVERYTHING = "everything"  # the cursor behind the last row
COPY = "copy"  # the cursor before the first row, while the target has a closed copy of before
MAX_FORMER = 100  # moves that are known of one namespace


class Cursor(msgspec.Struct, frozen=True):
    """Which table is being moved, and behind which key the next page begins. `former` are the numbers of earlier moves
    whose rows are in what is moved, newest first."""

    table: str = EXECUTIONS
    after: list[int | str] = []
    former: list[str] = []


def read_cursor(state: State) -> Cursor:
    return msgspec.json.decode(state.cursor, type=Cursor) if state.cursor else Cursor()


def cursor_text(cursor: Cursor) -> str:
    return msgspec.json.encode(cursor).decode()


def numbers(state: State | None) -> list[str]:
    """Of the move that a line is of, and of those before it."""
    return [] if state is None else [state.id, *read_cursor(state).former][:MAX_FORMER]
