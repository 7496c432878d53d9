"""What `hydra move` makes of a namespace for those who read and write there. Decides who is refused; reads nothing.

Who writes meets a fence, a trigger of the database, whatever version of hydra has met it (`hydra.move`). Who reads, and
finds nothing or waits, asks for the lines that a move has left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hydra.errors import ConfigError

MARK = "hydra move: "
FROM_HERE = "was moved to another database"

SOURCE, TARGET = "source", "target"
FILLING, DONE, ABANDONED, MOVED = "filling", "done", "abandoned", "moved"


class DatabaseMoved(ConfigError):
    """Whoever waits here waits for ever."""


class MoveLine(NamedTuple):
    """`other` is the database at the other end of the move, without a password."""

    role: str
    id: str
    state: str
    other: str


def explain_fence(message: str, place: str) -> ConfigError | None:
    """None for an error that is no fence's."""
    before, mark, said = message.partition(MARK)
    if not mark or before:
        return None
    sentence = said.partition("\n")[0]
    kind = DatabaseMoved if FROM_HERE in sentence else ConfigError
    return kind(f"the database `{place}` takes nothing more: {sentence}")


def moved_to(lines: Sequence[MoveLine]) -> str | None:
    """Where the namespace went; None where it is here, or comes."""
    return next((line.other for line in lines if line.role == SOURCE and line.state == MOVED), None)


def why_incomplete(lines: Sequence[MoveLine], namespace: str, place: str) -> ConfigError | None:
    """None where all that the namespace had is here, be it that it was moved away since."""
    for line in lines:
        if line.role == TARGET and line.state == FILLING:
            message = f"namespace `{namespace}` is being moved here, to `{place}`, from `{line.other}`"
            return ConfigError(f"{message}; wait until that is done")
        if line.role == TARGET and line.state == ABANDONED:
            message = f"a move of namespace `{namespace}` to `{place}` was taken back"
            return ConfigError(f"{message}; use the database that it came from, `{line.other}`")
    return None


def why_closed(lines: Sequence[MoveLine], namespace: str, place: str) -> ConfigError | None:
    """Why nothing of the namespace goes on here; None where it may."""
    incomplete = why_incomplete(lines, namespace, place)
    other = moved_to(lines)
    if incomplete is not None or other is None:
        return incomplete
    return DatabaseMoved(f"namespace `{namespace}` of `{place}` {FROM_HERE}, `{other}`; use that one")
