"""Which circuits are not closed: breakers of steps, and those of nodes before their database and their workers."""

from __future__ import annotations

from datetime import datetime

import msgspec

from hydra.breakers import ALL_CIRCUITS, ALL_KEYS, KIND
from hydra.client.views import to_datetime
from hydra.limit_keys import split_key
from hydra.stores.key_pauses import KeyPause
from hydra.stores.store import Store

MAX_SHOWN = 1000


class OpenCircuit(msgspec.Struct, frozen=True):
    """A circuit that is not closed. `kind` is "breaker" (of steps; `name` is its own) or "node" (`name` is "commit",
    "claim", "heartbeat" or "dispatch" with a worker's place).

    `until`: of a breaker, when it is probed next; of a node's circuit, when this is too old to be true. `said_by` is
    the node that said so last, at `said_at`.
    """

    kind: str
    name: str
    reason: str
    said_by: str
    said_at: datetime
    until: datetime


def read_circuits(store: Store, now: int) -> list[OpenCircuit]:
    found = [*store.key_pauses(*ALL_KEYS, MAX_SHOWN), *store.key_pauses(*ALL_CIRCUITS, MAX_SHOWN)]
    return [_view(pause) for pause in found if pause.until is not None and pause.until > now]


def _view(pause: KeyPause) -> OpenCircuit:
    kind, name, circuit = split_key(pause.key)
    is_breaker = kind == KIND
    assert pause.until is not None
    times = to_datetime(pause.paused_at), to_datetime(pause.until)
    return OpenCircuit(
        "breaker" if is_breaker else "node", name if is_breaker else circuit, pause.reason, pause.paused_by, *times
    )
