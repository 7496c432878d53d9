"""What a person orders of limits: other numbers than the code's, until they are reset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from hydra.client.acting import Author, author
from hydra.client.session import EngineSession
from hydra.client.views import to_datetime, to_optional_datetime
from hydra.clock import seconds_of
from hydra.config import count_of
from hydra.errors import ConfigError, NotFound
from hydra.limit_keys import (
    CONCURRENCY,
    FAIR,
    MAX_VALUE_LENGTH,
    OF_LIMIT,
    OF_NAMESPACE,
    OF_WORKFLOW,
    PENDING,
    RATE,
    WEIGHT_UNIT,
    keys_of_limit,
    split_key,
)
from hydra.limits import MAX_COUNT, check_max_pending, check_rate, check_value, check_weight
from hydra.stores.acts import ActKind
from hydra.stores.admission import Bound, effective
from hydra.stores.key_pauses import KeyPause
from hydra.stores.limit_states import LimitState, LimitUse, Weight
from hydra.written import written

SHOWN_KEYS = 100
MAX_NAMED = 3  # keys in one sentence
COUNTED_WAITING = 10_000  # of each key; counted no further


class KeyPauseView(msgspec.Struct, frozen=True):
    """A key lets nobody go on: until an instant where a step raised RetryAfter for it, or a person said so; None: until
    somebody resumes it."""

    until: datetime | None
    paused_at: datetime
    paused_by: str
    reason: str


class LimitKey(msgspec.Struct, frozen=True):
    """One value of a limit's key. `held` have a place; of those that wait at most 10,000 are counted: then
    `waiting` is 10,000, and there may be more.

    A rate has no places: there `held` is None, and `next_at` is when its next token is due, while somebody waits for
    it; an instant that has passed: at any moment. Of a `Fair`, `held` were given their turn and have not begun, and
    `weight` says how many turns the value gets; `code_weight` is the code's. `pause` is None unless
    the key is paused, or cools down.
    """

    value: str
    held: int | None
    waiting: int
    next_at: datetime | None = None
    weight: float | None = None
    code_weight: float | None = None
    pause: KeyPauseView | None = None


class Limit(msgspec.Struct, frozen=True):
    """A limit as it holds now. `kind` is "concurrency", "rate", "by_turns" or "pending".

    `per` (in seconds) and `burst` are a rate's. "by_turns" is a `Fair`: its `count` is how many of a value are given
    their turn ahead, and `limit_keys` has the weights. Of each key `max_pending` may wait at it. "pending" bounds how
    many may be pending of a workflow (`workflow:bill`) or in all (`namespace:default`): `max_pending`, and `count`.

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
    max_pending: int | None = None
    code_max_pending: int | None = None


def limit_views(states: Sequence[LimitState]) -> list[Limit]:
    """Each with how many may wait at it; and what else is bounded."""
    bounds = {state.name: state for state in states if state.kind == PENDING}
    views = [limit_view(state, bounds.get(OF_LIMIT + state.name)) for state in states if state.kind != PENDING]
    return views + [view for view in map(bound_view, bounds.values()) if view is not None]


def limit_view(state: LimitState, bound: LimitState | None = None) -> Limit:
    numbers = (state.count, state.per_us, state.burst)
    now = effective(*numbers, state.set_count, state.set_per_us, state.set_burst)
    is_rate = state.kind == RATE

    def shown(bound: Bound) -> tuple[int, float | None, int | None]:
        return bound.count, bound.per_us / 1e6 if is_rate else None, bound.burst if is_rate else None

    is_set = any(each is not None for each in (state.set_count, state.set_per_us, state.set_burst))
    most, code_most = (now.per_us, state.per_us) if state.kind == FAIR else (0, 0)
    if bound is not None:
        most, code_most = bound.count if bound.set_count is None else bound.set_count, bound.count
        is_set = is_set or bound.set_count is not None
    found = Limit(state.name, state.kind, *shown(now), is_set, *shown(Bound(*numbers)))
    return msgspec.structs.replace(found, max_pending=most or None, code_max_pending=code_most or None)


def bound_view(state: LimitState) -> Limit | None:
    """None: of a limit, or it bounds nothing."""
    most = state.count if state.set_count is None else state.set_count
    if state.name.startswith(OF_LIMIT) or not most:
        return None
    is_set = state.set_count is not None
    return Limit(state.name, PENDING, most, None, None, is_set, state.count, None, None, most, state.count or None)


def key_view(use: LimitUse) -> LimitKey:
    kind, _, value = split_key(use.key)
    if kind in (CONCURRENCY, FAIR):
        return LimitKey(value, use.held_count, use.waiting_count)
    next_at = use.look_at if use.waiting_count else None
    return LimitKey(value, None, use.waiting_count, to_optional_datetime(next_at))


def shown_waiting(count: int) -> int | str:
    """As people read it."""
    return f"{COUNTED_WAITING:,} or more" if count >= COUNTED_WAITING else count


def read_keys(session: EngineSession, name: str) -> list[LimitKey]:
    found = find(session, name)
    if found.kind == PENDING:
        workflow = name.removeprefix(OF_WORKFLOW) if name.startswith(OF_WORKFLOW) else None
        return [LimitKey("", None, session.store.pending_count(COUNTED_WAITING, workflow))]
    first, last = keys_of_limit(found.kind, name)
    pauses = {pause.key: pause for pause in standing(session, first, last)}
    uses = session.store.limit_use(found.kind, name, SHOWN_KEYS, COUNTED_WAITING)
    unused = [LimitUse(key, 0, 0) for key in sorted(pauses.keys() - {use.key for use in uses})]
    views = [(use.key, key_view(use)) for use in (*uses, *unused)]
    keys = [msgspec.structs.replace(view, pause=pause_view(pauses.get(key))) for key, view in views]
    return keys if found.kind != FAIR else _with_weights(keys, session.store.weights(name))


def standing(session: EngineSession, first: str, last: str) -> list[KeyPause]:
    """Keys from the first to before the last that are paused now."""
    now = session.now()
    found = session.store.key_pauses(first, last, SHOWN_KEYS)
    return [pause for pause in found if pause.until is None or pause.until > now]


def pause_view(pause: KeyPause | None) -> KeyPauseView | None:
    if pause is None:
        return None
    until = to_optional_datetime(pause.until)
    return KeyPauseView(until, to_datetime(pause.paused_at), pause.paused_by, pause.reason)


def pause(
    session: EngineSession, name: str, value: str | None, duration: timedelta | float | None, reason: str
) -> None:
    by = author(reason)
    seconds = None if duration is None else seconds_of(duration, "the duration of a pause")
    key = _key_of(session, name, value)

    def order(now: int) -> bool:
        until = None if seconds is None else now + round(seconds * 1e6)
        session.store.pause_key(KeyPause(key, until, now, by.by, by.reason))
        return True

    _recorded(session, by, ActKind.PAUSE, _named(name, value), order)


def resume(session: EngineSession, name: str, value: str | None) -> bool:
    key = _key_of(session, name, value)
    return _recorded(session, author(), ActKind.UNPAUSE, _named(name, value), lambda now: session.store.resume_key(key))


def _key_of(session: EngineSession, name: str, value: str | None) -> str:
    """The key that a person means. None: of a limit that all share."""
    found = find(session, name)
    if found.kind == PENDING:
        raise ConfigError(f"`{name}` bounds what is pending, and cannot be paused; pause a workflow or the namespace")
    first, _ = keys_of_limit(found.kind, name)
    if value is None:
        known = [split_key(use.key)[2] for use in session.store.limit_use(found.kind, name, MAX_NAMED, 0)]
        if any(known):
            shown = ", ".join(f"`{each}`" for each in known if each)
            raise ConfigError(f"limit `{name}` has keys, such as {shown}; say which one is meant")
        return first
    if not isinstance(value, str) or len(value) > MAX_VALUE_LENGTH or not (value.isprintable() or not value):
        raise ConfigError(
            f"the key of limit `{name}` must be a text of at most {MAX_VALUE_LENGTH} printable characters, "
            f"not {written(value)}"
        )
    return first + value


def change(
    session: EngineSession,
    name: str,
    count: int | None,
    per: timedelta | float | None,
    burst: int | None,
    max_pending: int | None,
) -> None:
    """What is not given stays as it is now."""
    found = find(session, name)
    is_alone = max_pending is not None and count is None and per is None and burst is None
    if found.kind == PENDING:
        if not is_alone:
            raise ConfigError(f"`{name}` bounds what may be pending, and has no other number; give `max_pending`")
        was = found.count if found.set_count is None else found.set_count
        most = check_max_pending(max_pending, f"`{name}`")
        _write(session, found, (most, None, None), f"max_pending {most}, was {was or None}")
        return
    if found.kind == FAIR:
        if is_alone:
            said = f"max_pending {max_pending}, was {limit_view(found).max_pending}"
            _write(session, found, (None, check_max_pending(max_pending), None), said)
            return
        message = f"limit `{name}` gives turns and has no numbers but `max_pending` and the weights of its values"
        raise ConfigError(f"{message}; `hydra limits set {name} --key VALUE --weight W` changes one")
    bound = None if max_pending is None else check_max_pending(max_pending)
    if bound is None or not is_alone:
        _change_numbers(session, found, count, per, burst)
    if bound is not None:
        _write(session, bound_of(OF_LIMIT + name), (bound, None, None), f"max_pending {bound}")


def _change_numbers(
    session: EngineSession,
    found: LimitState,
    count: int | None,
    per: timedelta | float | None,
    burst: int | None,
) -> None:
    name = found.name
    if count is None and per is None and burst is None:
        raise ConfigError(f"nothing is to change of limit `{name}`; give a count, or of a rate `per` or `burst`")
    if found.kind == CONCURRENCY and (per is not None or burst is not None):
        raise ConfigError(f"limit `{name}` is one of concurrency, which has neither `per` nor `burst`; give a count")
    if count is not None and count_of(count, f"the count of limit `{name}`") > MAX_COUNT:
        raise ConfigError(f"the count of limit `{name}` must be at most {MAX_COUNT}, not {count}")
    current = limit_view(found)
    new_count = current.count if count is None else count
    if found.kind == CONCURRENCY:
        _write(session, found, (new_count, None, None), f"count {new_count}, was {current.count}")
        return
    assert current.per is not None
    per_us, new_burst = check_rate(
        new_count, current.per if per is None else per, current.burst if burst is None else burst
    )
    said = f"{new_count} in {per_us / 1e6:g} s, burst {new_burst}"
    was = f"{current.count} in {current.per:g} s, burst {current.burst}"
    _write(session, found, (new_count, per_us, new_burst), f"{said}; was {was}")


def change_weight(session: EngineSession, name: str, value: str, weight: float | None) -> None:
    """None: the code's holds again."""
    found = find(session, name)
    if found.kind != FAIR:
        raise ConfigError(f"limit `{name}` is no `hydra.Fair`, and its values have no weights; give other numbers")
    thousandths = None if weight is None else check_weight(weight, value)
    key = keys_of_limit(FAIR, name)[0] + check_value(value)
    before = next((each for each in session.store.weights(name) if each.key == key), None)
    _write_weight(session, name, key, thousandths, before)


def reset(session: EngineSession, name: str) -> None:
    found = find(session, name)
    _write(session, found, (None, None, None), "the code's numbers hold again")
    if found.kind in (CONCURRENCY, RATE) and _is_bound_set(session, name):
        _write(session, bound_of(OF_LIMIT + name), (None, None, None), "the code's `max_pending` holds again")
    if found.kind != FAIR:
        return
    for each in session.store.weights(name):
        if each.set_weight is not None:
            _write_weight(session, name, each.key, None, each)


def find(session: EngineSession, name: str) -> LimitState:
    """Also of a bound that nobody has set yet: of a workflow that a node has registered, or of this namespace."""
    states = session.store.limits()
    limits = [state for state in states if state.kind != PENDING or not state.name.startswith(OF_LIMIT)]
    for state in limits:
        if state.name == name:
            return state
    if name == OF_NAMESPACE + session.store.namespace:
        return bound_of(name)
    if name.startswith(OF_WORKFLOW) and name.removeprefix(OF_WORKFLOW) in {w.name for w in session.store.workflows()}:
        return bound_of(name)
    raise NotFound(f"no limit is named `{name}` in this namespace; {_known(limits)}")


def _is_bound_set(session: EngineSession, name: str) -> bool:
    states = session.store.limits()
    return any(state.name == OF_LIMIT + name and state.set_count is not None for state in states)


def bound_of(name: str) -> LimitState:
    """What may be pending, unbounded."""
    return LimitState(PENDING, name, 0, 0, 0)


def _with_weights(keys: Sequence[LimitKey], weights: Sequence[Weight]) -> list[LimitKey]:
    """Also values of which nothing was submitted yet."""
    shown = {key.value: msgspec.structs.replace(key, weight=1.0, code_weight=1.0) for key in keys}
    for each in weights:
        value = split_key(each.key)[2]
        known = shown.get(value, LimitKey(value, 0, 0))
        code = (each.weight or WEIGHT_UNIT) / WEIGHT_UNIT
        holds = code if each.set_weight is None else each.set_weight / WEIGHT_UNIT
        shown[value] = msgspec.structs.replace(known, weight=holds, code_weight=code)
    return sorted(shown.values(), key=lambda key: key.value)


def _known(limits: Sequence[LimitState]) -> str:
    return f"there are {', '.join(f'`{each.name}`' for each in limits)}" if limits else "no node has registered any"


def _write(
    session: EngineSession, found: LimitState, numbers: tuple[int | None, int | None, int | None], said: str
) -> None:
    def order(now: int) -> bool:
        return session.store.set_limit(found.kind, found.name, numbers, now)

    _recorded(session, author(), ActKind.LIMIT, f"limit `{found.name}`: {said}", order)


def _write_weight(session: EngineSession, name: str, key: str, weight: int | None, before: Weight | None) -> None:
    """In thousandths; None: the code's."""

    def order(now: int) -> bool:
        session.store.set_weight(key, weight, now)
        return True

    old = "the code's" if before is None or before.set_weight is None else f"{before.set_weight / WEIGHT_UNIT:g}"
    new = "the code's" if weight is None else f"{weight / WEIGHT_UNIT:g}"
    said = f"{_named(name, split_key(key)[2])}: weight {new}, was {old}"
    _recorded(session, author(), ActKind.LIMIT, said, order)


def _named(name: str, value: str | None) -> str:
    return f"limit `{name}`" if not value else f"key `{value}` of limit `{name}`"


def _recorded(session: EngineSession, by: Author, kind: ActKind, detail: str, order: Callable[[int], bool]) -> bool:
    """An order and its line, in one transaction; no line where the order changed nothing."""

    def write() -> bool:
        now = session.now()

        def work() -> bool:
            is_done = order(now)
            if is_done:
                session.store.add_acts([by.act_on_namespace(kind, now, detail)])
            return is_done

        return session.store.together(work)

    return session.run_again(write)
