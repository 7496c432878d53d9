"""The page of limits: their numbers, how many hold and wait, and of one limit its keys and who holds them."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from hydra.client.engine import Engine
from hydra.client.limit_orders import COUNTED_WAITING, SHOWN_KEYS, Limit, LimitKey
from hydra.dashboard.access import Role
from hydra.dashboard.site import Visit, first
from hydra.errors import NotFound
from hydra.limit_keys import PENDING, keys_of_limit

COUNTED_LIMITS = 20  # whose keys are counted for the list
HELD_KEYS = 20  # of one limit, whose holders are looked up
SHOWN_HOLDERS = 5  # of each key


class Use(msgspec.Struct, frozen=True):
    """Over all keys of a limit that were read. `held` is None where it has no places, as a rate has none."""

    held: int | None
    waiting: int
    may_be_more: bool  # than were counted
    paused_count: int


def show_limits(visit: Visit) -> Response:
    engine, name = visit.engine, first(visit.query(), "name")
    found = engine.limits()
    keys = engine.limit_keys(name) if name else []
    return visit.show(
        "limits.html",
        limits=[
            (each, _use(engine, each.name) if place < COUNTED_LIMITS else None) for place, each in enumerate(found)
        ],
        name=name,
        counted_waiting=COUNTED_WAITING,
        keys=list(zip(keys, _holders(engine, found, name, keys), strict=True)),
        is_admin=visit.operator.may(Role.ADMIN),
    )


def _use(engine: Engine, name: str) -> Use | None:
    try:
        keys = engine.limit_keys(name)
    except NotFound:  # taken out of the code meanwhile
        return None
    held = [each.held for each in keys if each.held is not None]
    paused = sum(each.pause is not None for each in keys)
    may_be_more = len(keys) >= SHOWN_KEYS or any(each.waiting >= COUNTED_WAITING for each in keys)
    return Use(sum(held) if held else None, sum(each.waiting for each in keys), may_be_more, paused)


def _holders(engine: Engine, limits: list[Limit], name: str, keys: list[LimitKey]) -> list[list[str]]:
    """Of each key, who has a place of it; first those that do not run."""
    kind = next((each.kind for each in limits if each.name == name), PENDING)
    start, _ = keys_of_limit(kind, name)
    found: list[list[str]] = [[] for _ in keys]
    held = [(place, start + key.value) for place, key in enumerate(keys) if kind != PENDING and key.held]
    for place, key in held[:HELD_KEYS]:
        found[place] = _holders_of(engine, key)
    return found


def _holders_of(engine: Engine, key: str) -> list[str]:
    return list(engine.read(lambda store: store.key_use(key, SHOWN_HOLDERS)).holders)
