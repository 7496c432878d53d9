"""What a fence of `hydra move` says to whoever writes all the same. Decides nothing.

A trigger of the database raises it, whatever version of hydra has met it (`hydra.move`).
"""

from __future__ import annotations

from hydra.errors import ConfigError

MARK = "hydra move: "
FROM_HERE = "was moved to another database"


class DatabaseMoved(ConfigError):
    """Whoever waits here waits for ever."""


def explain_fence(message: str, place: str) -> ConfigError | None:
    """None for an error that is no fence's."""
    before, mark, said = message.partition(MARK)
    if not mark or before:
        return None
    sentence = said.partition("\n")[0]
    kind = DatabaseMoved if FROM_HERE in sentence else ConfigError
    return kind(f"the database `{place}` takes nothing more: {sentence}")
