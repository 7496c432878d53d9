"""Limits on one SQLite file, and what an operator does to them: each verb with its transaction. Knows no SQL."""

from __future__ import annotations

from hydra.stores.key_pauses import KeyPause
from hydra.stores.limit_states import KeyUse, LimitState, LimitUse, Weight
from hydra.stores.sqlite import (
    admitting,
)
from hydra.stores.sqlite.database import Database


class LimitVerbs:
    """See `hydra.stores.limit_verbs.LimitVerbs`."""

    _database: Database

    def limits(self) -> list[LimitState]:
        return self._database.read(admitting.read_limits)

    def set_limit(self, kind: str, name: str, numbers: tuple[int | None, int | None, int | None], now: int) -> bool:
        return self._database.write(admitting.set_limit, kind, name, numbers)

    def waiting_count(self, key: str, limit: int) -> int:
        return self._database.read(admitting.count_waiting, key, limit)

    def weights(self, name: str) -> list[Weight]:
        return self._database.read(admitting.read_weights, name)

    def set_weight(self, key: str, weight: int | None, now: int) -> None:
        self._database.write(admitting.set_weight, key, weight)

    def limit_use(self, kind: str, name: str, keys: int, waiting: int) -> list[LimitUse]:
        return self._database.read(admitting.read_use, kind, name, keys, waiting)

    def key_use(self, key: str, holders: int) -> KeyUse:
        return self._database.read(admitting.read_key, key, holders)

    def key_pauses(self, first: str, last: str, limit: int) -> list[KeyPause]:
        return self._database.read(admitting.read_key_pauses, first, last, limit)

    def pause_key(self, pause: KeyPause) -> None:
        self._database.write(admitting.pause_keys, [pause], is_order=True)

    def resume_key(self, key: str) -> bool:
        return self._database.write(admitting.resume_key, key)
