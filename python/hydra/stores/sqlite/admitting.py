"""The keys of limits, under the write lock, which stands for the lock of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hydra.execution import ExecutionCommit
from hydra.limits import FAIR, LimitSpec, keys_of_limit, split_key
from hydra.stores.admission import Moves, Waiting
from hydra.stores.admitting import MAX_CALLS, first_keys
from hydra.stores.key_pauses import KeyPause, pauses_of, to_key_pause, until_of
from hydra.stores.limit_states import KeyUse, LimitState, LimitUse, Weight
from hydra.stores.rows import decode_texts, to_key_use
from hydra.stores.sqlite.statements import execute, select, select_shown, to_json

_decode_waiting = msgspec.json.Decoder(list[tuple[str, tuple[str, ...]]]).decode


class Keys:
    """See `hydra.stores.admitting.Tables`."""

    def __init__(self, connection: sqlite3.Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    def take_calls(self, now: int, limit: int) -> set[str]:
        calls = {"now": now, "limit": limit, "calls": MAX_CALLS}
        rows = select(self._connection, "gate_calls", namespace=self._namespace, **calls)
        ids, keys = first_keys(((id, key) for key, id in rows if id is not None), limit)
        if ids:
            execute(self._connection, "take_gate_calls", ids=to_json(ids))
        return keys | {key for key, id in rows if id is None}

    def lock_keys(self, keys: Sequence[str], *, is_waiting: bool) -> dict[str, tuple[int, int | None]]:
        values = {"namespace": self._namespace, "keys": to_json(list(keys))}
        execute(self._connection, "add_limit_keys", **values)
        return {key: (due_at, look_at) for key, due_at, look_at in select(self._connection, "limit_keys", **values)}

    def limits(self, pairs: Collection[tuple[str, str]]) -> Iterable[Sequence[Any]]:
        return select(self._connection, "limit_bounds", namespace=self._namespace, pairs=to_json(sorted(pairs)))

    def pauses(self, keys: Sequence[str]) -> Iterable[tuple[str, int]]:
        return select(self._connection, "paused_keys", namespace=self._namespace, keys=to_json(list(keys)))

    def slots(self, keys: Sequence[str]) -> Iterable[Sequence[Any]]:
        return select(self._connection, "slots", namespace=self._namespace, keys=to_json(list(keys)))

    def queues(self, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        return self._first("gate_queues", rooms)

    def elders(self, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        return self._first("gate_elders", rooms)

    def _first(self, name: str, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        alike: dict[int, list[str]] = {}
        for key, room in sorted(rooms.items()):
            alike.setdefault(room, []).append(key)
        for room, keys in alike.items():
            values = {"namespace": self._namespace, "keys": to_json(keys), "limit": room}
            for key, waiting in select(self._connection, name, **values):
                for id, limit_keys in _decode_waiting(waiting):
                    yield key, Waiting(id, limit_keys)

    def weights(self, keys: Sequence[str]) -> Iterable[tuple[str, int | None, int | None]]:
        rows = select(self._connection, "weights", namespace=self._namespace, keys=to_json(list(keys)))
        return [(key, weight, set_weight) for key, weight, set_weight in rows]

    def is_busy(self, key: str) -> bool:
        first, last = keys_of_limit(FAIR, split_key(key)[1])
        return bool(select(self._connection, "is_busy", namespace=self._namespace, first=first, last=last)[0][0])

    def write(self, moves: Moves, now: int) -> None:
        own = {"namespace": self._namespace}
        if moves.resumed:
            execute(self._connection, "end_key_pauses", **own, keys=to_json(moves.resumed), now=now)
        if moves.dropped:
            execute(self._connection, "drop_slots", **own, rows=to_json(moves.dropped))
        if moves.taken:
            execute(self._connection, "take_slots", **own, rows=to_json(moves.taken))
        if moves.clocks:
            execute(self._connection, "set_limit_keys", **own, clocks=to_json(moves.clocks))
        if moves.calls:
            execute(self._connection, "call_gates", **own, keys=to_json(sorted(moves.calls)))
        if moves.turns:
            execute(self._connection, "give_turns", turns=to_json(sorted(moves.turns)))
        if moves.gates:
            self._move("move_gates", moves.gates)
        if moves.ready:
            self._move("open_gates", moves.ready)

    def _move(self, name: str, moved: Sequence[tuple[str, str]]) -> None:
        if execute(self._connection, name, moved=to_json(sorted(moved))) != len(moved):
            raise AssertionError(f"`{name}` did not find every execution that waited under the write lock")


def register_limits(connection: sqlite3.Connection, namespace: str, limits: Sequence[LimitSpec]) -> None:
    """What waits at a limit that is new, or another, is looked at."""
    for limit in limits:
        numbers = {"count": limit.count, "per_us": limit.per_us, "burst": limit.burst}
        own = {"namespace": namespace, "kind": limit.kind, "name": limit.name}
        if execute(connection, "register_limits", **own, **numbers):
            call_limit(connection, namespace, limit.kind, limit.name)
        if limit.kind == FAIR:
            first, last = keys_of_limit(limit.kind, limit.name)
            rows = to_json([(f"{first}{value}", weight) for value, weight in sorted(limit.weights.items())])
            execute(connection, "forget_weights", namespace=namespace, first=first, last=last, rows=rows)
            execute(connection, "register_weights", namespace=namespace, rows=rows)


def count_waiting(connection: sqlite3.Connection, namespace: str, key: str, limit: int) -> int:
    return int(select(connection, "waiting_count", namespace=namespace, key=key, limit=limit)[0][0])


def read_weights(connection: sqlite3.Connection, namespace: str, name: str) -> list[Weight]:
    first, last = keys_of_limit(FAIR, name)
    rows = select(connection, "limit_weights", namespace=namespace, first=first, last=last)
    return [Weight(*row) for row in rows]


def set_weight(connection: sqlite3.Connection, namespace: str, key: str, weight: int | None) -> None:
    execute(connection, "set_weight", namespace=namespace, key=key, weight=weight)


def read_limits(connection: sqlite3.Connection, namespace: str) -> list[LimitState]:
    return [LimitState(*row) for row in select_shown(connection, "limits", namespace=namespace)]


def set_limit(
    connection: sqlite3.Connection, namespace: str, kind: str, name: str, numbers: tuple[int | None, ...]
) -> bool:
    count, per_us, burst = numbers
    own = {"namespace": namespace, "kind": kind, "name": name}
    if not execute(connection, "set_limit", **own, count=count, per_us=per_us, burst=burst):
        return False
    call_limit(connection, namespace, kind, name)
    return True


def read_use(
    connection: sqlite3.Connection, namespace: str, kind: str, name: str, keys: int, waiting: int
) -> list[LimitUse]:
    first, last = keys_of_limit(kind, name)
    rows = select_shown(connection, "limit_use", namespace=namespace, first=first, last=last, limit=keys, most=waiting)
    return [LimitUse(*row) for row in rows]


def read_key(connection: sqlite3.Connection, namespace: str, key: str, holders: int) -> KeyUse:
    return to_key_use(select_shown(connection, "key_use", namespace=namespace, key=key, most=holders))


def read_key_pauses(
    connection: sqlite3.Connection, namespace: str, first: str, last: str, limit: int
) -> list[KeyPause]:
    rows = select(connection, "key_pauses", namespace=namespace, first=first, last=last, limit=limit)
    return [to_key_pause(row) for row in rows]


def pause_keys(connection: sqlite3.Connection, namespace: str, pauses: Sequence[KeyPause], *, is_order: bool) -> None:
    rows = [(each.key, until_of(each), each.paused_at, each.paused_by, each.reason) for each in pauses]
    execute(connection, "pause_keys", namespace=namespace, rows=to_json(rows), is_order=int(is_order))
    execute(connection, "call_gates", namespace=namespace, keys=to_json([each.key for each in pauses]))


def resume_key(connection: sqlite3.Connection, namespace: str, key: str) -> bool:
    if not execute(connection, "resume_key", namespace=namespace, key=key):
        return False
    execute(connection, "call_gates", namespace=namespace, keys=to_json([key]))
    return True


def cool_down(connection: sqlite3.Connection, namespace: str, items: Sequence[ExecutionCommit], now: int) -> None:
    """Of a commit that was written, in its transaction."""
    rows = select(connection, "limit_keys_of", ids=to_json([item.id for item in items]))
    pauses = pauses_of(items, {id: decode_texts(keys) for id, keys in rows}, now)
    if pauses:
        pause_keys(connection, namespace, pauses, is_order=False)


def call_limit(connection: sqlite3.Connection, namespace: str, kind: str, name: str) -> None:
    first, last = keys_of_limit(kind, name)
    execute(connection, "call_limit", namespace=namespace, first=first, last=last)
