"""The keys of limits, under the write lock, which stands for the lock of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hydra.execution import ExecutionCommit
from hydra.limit_keys import FAIR, PENDING, keys_of_limit, split_key
from hydra.limits import LimitSpec
from hydra.stores.admission import Moves, Waiting
from hydra.stores.admitting import first_keys
from hydra.stores.key_pauses import KeyPause, pauses_of, to_key_pause, until_of
from hydra.stores.limit_states import KeyUse, LimitState, LimitUse, Weight
from hydra.stores.rows import decode_texts, read_texts, to_key_use
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Reading, Transaction

_decode_waiting = msgspec.json.Decoder(list[tuple[str, msgspec.Raw]]).decode


class Keys:
    """See `hydra.stores.admitting.Tables`."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def take_calls(self, now: int, keys: int, calls: int) -> tuple[set[str], int]:
        rows = self._transaction.select("gate_calls", now=now, limit=keys, calls=calls)
        ids, called = first_keys(((id, key) for key, id in rows if id is not None), keys)
        if ids:
            self._transaction.execute("take_gate_calls", ids=to_json(ids))
        return called | {key for key, id in rows if id is None}, sum(id is not None for _, id in rows)

    def take_turn(self, after: str, keys: int, calls: int, newest: int) -> tuple[set[str], str]:
        rows = self._transaction.select("gate_calls_by_turn", after=after, keys=keys, calls=calls, newest=newest)
        taken = [id for _, _, ids in rows for id in msgspec.json.decode(ids)]
        self._transaction.execute("take_gate_calls", ids=to_json(taken))
        return {key for key, _, _ in rows}, next((key for key, place, _ in rows if place == keys), "")

    def lock_keys(self, keys: Sequence[str], *, is_waiting: bool) -> dict[str, tuple[int, int | None]]:
        values = {"keys": to_json(list(keys))}
        self._transaction.execute("add_limit_keys", **values)
        return {key: (due_at, look_at) for key, due_at, look_at in self._transaction.select("limit_keys", **values)}

    def limits(self, pairs: Collection[tuple[str, str]]) -> Iterable[Sequence[Any]]:
        return self._transaction.select("limit_bounds", pairs=to_json(sorted(pairs)))

    def pauses(self, keys: Sequence[str]) -> Iterable[tuple[str, int]]:
        return self._transaction.select("paused_keys", keys=to_json(list(keys)))

    def slots(self, keys: Sequence[str]) -> Iterable[Sequence[Any]]:
        return self._transaction.select("slots", keys=to_json(list(keys)))

    def queues(self, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        return self._first("gate_queues", rooms)

    def elders(self, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        return self._first("gate_elders", rooms)

    def _first(self, name: str, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        alike: dict[int, list[str]] = {}
        for key, room in sorted(rooms.items()):
            alike.setdefault(room, []).append(key)
        for room, keys in alike.items():
            values = {"keys": to_json(keys), "limit": room}
            for key, waiting in self._transaction.select(name, **values):
                for id, stored in _decode_waiting(waiting):
                    limit_keys = read_texts(bytes(stored))
                    yield key, Waiting(id, limit_keys or (key,), is_damaged=not limit_keys)

    def weights(self, keys: Sequence[str]) -> Iterable[tuple[str, int | None, int | None]]:
        rows = self._transaction.select("weights", keys=to_json(list(keys)))
        return [(key, weight, set_weight) for key, weight, set_weight in rows]

    def is_busy(self, key: str) -> bool:
        first, last = keys_of_limit(FAIR, split_key(key)[1])
        return bool(self._transaction.select("is_busy", first=first, last=last)[0][0])

    def write(self, moves: Moves, now: int) -> None:
        if moves.resumed:
            self._transaction.execute("end_key_pauses", keys=to_json(moves.resumed), now=now)
        if moves.dropped:
            self._transaction.execute("drop_slots", rows=to_json(moves.dropped))
        if moves.taken:
            self._transaction.execute("take_slots", rows=to_json(moves.taken))
        if moves.clocks:
            self._transaction.execute("set_limit_keys", clocks=to_json(moves.clocks))
        if moves.calls:
            self._transaction.execute("call_gates", keys=to_json(sorted(moves.calls)))
        if moves.turns:
            self._transaction.execute("give_turns", turns=to_json(sorted(moves.turns)))
        if moves.gates:
            self._move("move_gates", moves.gates)
        if moves.ready:
            self._move("open_gates", moves.ready)

    def _move(self, name: str, moved: Sequence[tuple[str, str]]) -> None:
        if self._transaction.execute(name, moved=to_json(sorted(moved))) != len(moved):
            raise AssertionError(f"`{name}` did not find every execution that waited under the write lock")


def register_limits(transaction: Transaction, limits: Sequence[LimitSpec]) -> None:
    """What waits at a limit that is new, or another, is looked at."""
    for limit in limits:
        numbers = {"count": limit.count, "per_us": limit.per_us, "burst": limit.burst}
        own = {"kind": limit.kind, "name": limit.name}
        if transaction.execute("register_limits", **own, **numbers):
            call_limit(transaction, limit.kind, limit.name)
        if limit.kind == FAIR:
            first, last = keys_of_limit(limit.kind, limit.name)
            rows = to_json([(f"{first}{value}", weight) for value, weight in sorted(limit.weights.items())])
            transaction.execute("forget_weights", first=first, last=last, rows=rows)
            transaction.execute("register_weights", rows=rows)


def count_waiting(reading: Reading, key: str, limit: int) -> int:
    return int(reading.select("waiting_count", key=key, limit=limit)[0][0])


def read_weights(reading: Reading, name: str) -> list[Weight]:
    first, last = keys_of_limit(FAIR, name)
    rows = reading.select("limit_weights", first=first, last=last)
    return [Weight(*row) for row in rows]


def set_weight(transaction: Transaction, key: str, weight: int | None) -> None:
    transaction.execute("set_weight", key=key, weight=weight)


def read_limits(reading: Reading) -> list[LimitState]:
    return [LimitState(*row) for row in reading.select_shown("limits")]


def set_limit(transaction: Transaction, kind: str, name: str, numbers: tuple[int | None, ...]) -> bool:
    count, per_us, burst = numbers
    if kind == PENDING:
        transaction.execute("add_bound", name=name)
    if not transaction.execute("set_limit", kind=kind, name=name, count=count, per_us=per_us, burst=burst):
        return False
    call_limit(transaction, kind, name)
    return True


def read_use(reading: Reading, kind: str, name: str, keys: int, waiting: int) -> list[LimitUse]:
    first, last = keys_of_limit(kind, name)
    rows = reading.select_shown("limit_use", first=first, last=last, limit=keys, most=waiting)
    return [LimitUse(*row) for row in rows]


def read_key(reading: Reading, key: str, holders: int) -> KeyUse:
    return to_key_use(reading.select_shown("key_use", key=key, most=holders))


def read_key_pauses(reading: Reading, first: str, last: str, limit: int) -> list[KeyPause]:
    rows = reading.select_shown("key_pauses", first=first, last=last, limit=limit)
    return [to_key_pause(row) for row in rows]


def pause_keys(transaction: Transaction, pauses: Sequence[KeyPause], *, is_order: bool) -> None:
    rows = [(each.key, until_of(each), each.paused_at, each.paused_by, each.reason) for each in pauses]
    transaction.execute("pause_keys", rows=to_json(rows), is_order=int(is_order))
    transaction.execute("call_gates", keys=to_json([each.key for each in pauses]))


def resume_key(transaction: Transaction, key: str) -> bool:
    if not transaction.execute("resume_key", key=key):
        return False
    transaction.execute("call_gates", keys=to_json([key]))
    return True


def cool_down(transaction: Transaction, items: Sequence[ExecutionCommit], now: int) -> None:
    """Of a commit that was written, in its transaction."""
    rows = transaction.select("limit_keys_of", ids=to_json([item.id for item in items]))
    pauses = pauses_of(items, {id: decode_texts(keys) for id, keys in rows}, now)
    if pauses:
        pause_keys(transaction, pauses, is_order=False)


def call_limit(transaction: Transaction, kind: str, name: str) -> None:
    first, last = keys_of_limit(kind, name)
    transaction.execute("call_limit", first=first, last=last)
