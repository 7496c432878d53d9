"""What a node that sweeps asks of PostgreSQL: each verb with its transaction. Knows no SQL."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.stores.postgres import sweeping
from hydra.stores.postgres.database import Database
from hydra.stores.sweeping import Finished, Member


class SweepVerbs:
    """See `hydra.stores.sweep_verbs.SweepVerbs`."""

    _database: Database

    def finished(self, after: tuple[int, str], until: int, limit: int) -> list[Finished]:
        return self._database.read(sweeping.finished, after, until, limit)

    def ended_trees(self, ids: Sequence[str], limit: int) -> list[Member]:
        return self._database.read(sweeping.ended_trees, ids, limit)

    def purge_known(self, members: Sequence[Member], older_than: int) -> list[str]:
        return self._database.write(sweeping.purge_known, members, older_than)
