"""A store that stands around another and has every verb of it: its own, and all others as they are."""

from __future__ import annotations

from typing import Any, cast

from hydra.stores.store import Store


class StoreAround:
    """What a class overrides happens around the store; what it does not, in the store itself."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def as_store(self) -> Store:
        """It has every verb: its own, and through `__getattr__` all others."""
        return cast(Store, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def write_wait_seconds(self) -> float:
        return self._store.write_wait_seconds

    @write_wait_seconds.setter
    def write_wait_seconds(self, seconds: float) -> None:
        self._store.write_wait_seconds = seconds

    @property
    def read_wait_seconds(self) -> float:
        return self._store.read_wait_seconds

    @read_wait_seconds.setter
    def read_wait_seconds(self, seconds: float) -> None:
        self._store.read_wait_seconds = seconds
