"""What a person orders of limits: other numbers than the code's, until they are reset."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from hydra.client.session import EngineSession
from hydra.client.views import to_optional_datetime
from hydra.config import count_of
from hydra.errors import ConfigError, NotFound
from hydra.limits import CONCURRENCY, MAX_COUNT, RATE, check_rate, split_key
from hydra.stores.admission import Bound, effective
from hydra.stores.limit_states import LimitState, LimitUse

SHOWN_KEYS = 100
COUNTED_WAITING = 10_000  # of each key; counted no further


class LimitKey(msgspec.Struct, frozen=True):
    """One value of a limit's key. `held` have a place; of those that wait at most 10,000 are counted.

    A rate has no places: there `held` is None, and `next_at` is when its next token is due, while somebody waits for
    it; an instant that has passed: at any moment.
    """

    value: str
    held: int | None
    waiting: int
    next_at: datetime | None = None


class Limit(msgspec.Struct, frozen=True):
    """A limit as it holds now. `kind` is "concurrency" or "rate"; `per` (in seconds) and `burst` are a rate's.

    `is_set`: an operator's numbers hold in place of the code's, which are `code_count`, `code_per` and `code_burst`.
    """

    name: str
    kind: str
    count: int
    per: float | None
    burst: int | None
    is_set: bool
    code_count: int
    code_per: float | None
    code_burst: int | None


def limit_view(state: LimitState) -> Limit:
    numbers = (state.count, state.per_us, state.burst)
    now = effective(*numbers, state.set_count, state.set_per_us, state.set_burst)
    is_rate = state.kind == RATE

    def shown(bound: Bound) -> tuple[int, float | None, int | None]:
        return bound.count, bound.per_us / 1e6 if is_rate else None, bound.burst if is_rate else None

    is_set = any(each is not None for each in (state.set_count, state.set_per_us, state.set_burst))
    return Limit(state.name, state.kind, *shown(now), is_set, *shown(Bound(*numbers)))


def key_view(use: LimitUse) -> LimitKey:
    kind, _, value = split_key(use.key)
    if kind == CONCURRENCY:
        return LimitKey(value, use.held_count, use.waiting_count)
    next_at = use.look_at if use.waiting_count else None
    return LimitKey(value, None, use.waiting_count, to_optional_datetime(next_at))


def read_keys(session: EngineSession, name: str) -> list[LimitKey]:
    found = find(session, name)
    return [key_view(use) for use in session.store.limit_use(found.kind, name, SHOWN_KEYS, COUNTED_WAITING)]


def change(
    session: EngineSession, name: str, count: int | None, per: timedelta | float | None, burst: int | None
) -> None:
    """What is not given stays as it is now."""
    found = find(session, name)
    if count is None and per is None and burst is None:
        raise ConfigError(f"nothing is to change of limit `{name}`; give a count, or of a rate `per` or `burst`")
    if found.kind == CONCURRENCY and (per is not None or burst is not None):
        raise ConfigError(f"limit `{name}` is one of concurrency, which has neither `per` nor `burst`; give a count")
    if count is not None and count_of(count, f"the count of limit `{name}`") > MAX_COUNT:
        raise ConfigError(f"the count of limit `{name}` must be at most {MAX_COUNT}, not {count}")
    current = limit_view(found)
    new_count = current.count if count is None else count
    if found.kind == CONCURRENCY:
        _write(session, found, (new_count, None, None))
        return
    assert current.per is not None
    per_us, new_burst = check_rate(
        new_count, current.per if per is None else per, current.burst if burst is None else burst
    )
    _write(session, found, (new_count, per_us, new_burst))


def reset(session: EngineSession, name: str) -> None:
    _write(session, find(session, name), (None, None, None))


def find(session: EngineSession, name: str) -> LimitState:
    limits = session.store.limits()
    for state in limits:
        if state.name == name:
            return state
    raise NotFound(f"no limit is named `{name}` in this namespace; {_known(limits)}")


def _known(limits: Sequence[LimitState]) -> str:
    return f"there are {', '.join(f'`{each.name}`' for each in limits)}" if limits else "no node has registered any"


def _write(session: EngineSession, found: LimitState, numbers: tuple[int | None, int | None, int | None]) -> None:
    session.run_again(lambda: session.store.set_limit(found.kind, found.name, numbers, session.now()))
