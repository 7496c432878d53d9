"""What a node needs to keep what has ended no longer than it was told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hydra.stores.sweeping import Finished, Member


class SweepVerbs(Protocol):
    """A part of `hydra.stores.store.Store`, whose rules hold here, too."""

    def finished(self, after: tuple[int, str], until: int, limit: int) -> list[Finished]:
        """What ended before `until`, in the order of (instant, id), from behind that place on."""
        ...

    def ended_trees(self, ids: Sequence[str], limit: int) -> list[Member]:
        """Of these, the roots whose whole tree has ended (R26), with their trees; each whole, at most so many."""
        ...

    def purge_known(self, members: Sequence[Member], older_than: int) -> list[str]:
        """Delete what `ended_trees` gave, each tree whole and only as it was then: of what was retried since nothing
        goes. Which went; keys stay (R24)."""
        ...
