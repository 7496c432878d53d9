"""A line of a database map was changed: was the namespace moved there, or does it still lie where it was?

its new database has something of it ──► go on: moved, restored there, or the same one by another URL
else one of those before has it, and it was not moved away ──► refused: its keys would begin anew
else ──► go on: it has nothing anywhere
"""

from __future__ import annotations

from collections.abc import Sequence

from hydra.errors import ConfigError, HydraError
from hydra.move.opening import open_side
from hydra.stores import without_password
from hydra.stores.moved import MOVED, SOURCE


def refuse_unmoved(namespace: str, url: str, left: Sequence[str]) -> None:
    """`left` are its databases by the maps before, oldest first.

    Raises `ConfigError` where it would begin anew beside what it has, `HydraError` where that cannot be seen.
    """
    if _lies_in(url, namespace, may_migrate=True):
        return
    for before in left:
        try:
            lies_there = before != url and _lies_in(before, namespace, may_migrate=False)
        except HydraError as error:
            raise HydraError(
                f"namespace `{namespace}` has nothing in `{without_password(url)}`, and whether it still lies in "
                f"`{without_password(before)}`, where the map had it before, cannot be seen: {error}"
            ) from error
        if lies_there:
            raise ConfigError(
                f"namespace `{namespace}` has nothing in `{without_password(url)}`, and still lies in "
                f"`{without_password(before)}`, where the map had it before; move it (`hydra move`) or mend the map. "
                "If it shall begin anew: take its line out, SIGHUP, put it back, SIGHUP"
            )


def _lies_in(url: str, namespace: str, *, may_migrate: bool) -> bool:
    side = open_side(url, may_migrate=may_migrate)
    try:
        state = side.state(SOURCE, namespace)
        return (state is None or state.state != MOVED) and side.occupied(namespace) is not None
    finally:
        side.close()
