"""A supervisor to whom its database's clock is ahead, by HYDRA_TEST_AHEAD_US: what is due at the next full minute need
not be waited for so long."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from hydra.node import supervisor
from hydra.stores import open_store
from hydra.stores.node_states import Beat

AHEAD_US = "HYDRA_TEST_AHEAD_US"


def install() -> None:
    """In a supervisor, before it opens its store."""
    if microseconds := int(os.environ.get(AHEAD_US, "0")):
        supervisor.open_store = lambda url, namespace: put_ahead(open_store(url, namespace), microseconds)  # type: ignore[attr-defined]


def put_ahead(store: Any, microseconds: int) -> Any:
    """At both places where a node reads the clock."""

    class StoreAhead(type(store)):  # type: ignore[misc]
        def now(self) -> int:
            now: int = super().now()
            return now + microseconds

        def heartbeat_node(self, *arguments: Any, **options: Any) -> Beat:
            beat: Beat = super().heartbeat_node(*arguments, **options)
            return beat if reads_its_own(self) else msgspec.structs.replace(beat, now=beat.now + microseconds)

    store.__class__ = StoreAhead
    return store


def reads_its_own(store: Any) -> bool:
    """SQLite's clock is that of `now`, in a beat, too."""
    return bool(store.url.startswith("sqlite"))
