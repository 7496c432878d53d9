"""The keys of limits, each locked by its row of hydra_limit_key. Waits for no execution."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hydra.execution import ExecutionCommit
from hydra.limit_keys import FAIR, PENDING, keys_of_limit, split_key
from hydra.limits import LimitSpec
from hydra.stores.admission import Moves, Waiting
from hydra.stores.key_pauses import KeyPause, pauses_of, to_key_pause, until_of
from hydra.stores.limit_states import KeyUse, LimitState, LimitUse, Weight
from hydra.stores.postgres.arrays import bigints, texts, uuids
from hydra.stores.postgres.news import READY
from hydra.stores.postgres.session import Step
from hydra.stores.postgres.transaction import Reading, Transaction
from hydra.stores.rows import decode_texts, read_texts, to_key_use


class Keys:
    """See `hydra.stores.admitting.Tables`."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def take_calls(self, now: int, keys: int, calls: int) -> tuple[set[str], int]:
        called, due = self._transaction.run(
            ("take_gate_calls", {"limit": keys, "calls": calls}), ("due_limit_keys", {"limit": keys, "now": now})
        )
        return {key for (key,) in [*called.rows, *due.rows]}, len(called.rows)

    def take_turn(self, after: str, keys: int, calls: int, newest: int) -> tuple[set[str], str]:
        limits = {"keys": keys, "calls": calls, "newest": newest}
        rows = self._transaction.select("take_gate_calls_by_turn", after=after, **limits)
        return {key for key, _ in rows}, next((last for _, last in rows), None) or ""

    def lock_keys(self, keys: Sequence[str], *, is_waiting: bool) -> dict[str, tuple[int, int | None]]:
        values = {"keys": texts(keys)}
        name = "lock_limit_keys" if is_waiting else "try_limit_keys"
        _, locked = self._transaction.run(("add_limit_keys", values), (name, values))
        return {key: (due_at, look_at) for key, due_at, look_at in locked.rows}

    def limits(self, pairs: Collection[tuple[str, str]]) -> Iterable[Sequence[Any]]:
        kinds, names = zip(*sorted(pairs), strict=True)
        values = {"kinds": texts(kinds), "names": texts(names)}
        return self._transaction.select("limit_bounds", **values)

    def pauses(self, keys: Sequence[str]) -> Iterable[tuple[str, int]]:
        return [(key, until) for key, until in self._transaction.select("paused_keys", keys=texts(keys))]

    def slots(self, keys: Sequence[str]) -> Iterable[Sequence[Any]]:
        return self._transaction.select("slots", keys=texts(keys))

    def queues(self, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        return self._first("gate_queues", rooms)

    def elders(self, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        return self._first("gate_elders", rooms)

    def _first(self, name: str, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        if not rooms:
            return
        keys, counts = zip(*sorted(rooms.items()), strict=True)
        values = {"keys": texts(keys), "rooms": bigints(counts)}
        for key, id, limit_keys, is_free in self._transaction.select(name, **values):
            known = read_texts(limit_keys)
            yield key, Waiting(id, known or (key,), is_free, is_damaged=not known)

    def weights(self, keys: Sequence[str]) -> Iterable[tuple[str, int | None, int | None]]:
        rows = self._transaction.select("weights", keys=texts(keys))
        return [(key, weight, set_weight) for key, weight, set_weight in rows]

    def is_busy(self, key: str) -> bool:
        first, last = keys_of_limit(FAIR, split_key(key)[1])
        return bool(self._transaction.select("is_busy", first=first, last=last)[0][0])

    def write(self, moves: Moves, now: int) -> None:
        steps: list[Step] = []
        if moves.resumed:
            steps.append(("end_key_pauses", {"keys": texts(sorted(moves.resumed)), "now": now}))
        if moves.dropped:
            keys, ids = zip(*sorted(moves.dropped), strict=True)
            steps.append(("drop_slots", {"keys": texts(keys), "ids": uuids(ids)}))
        if moves.taken:
            keys, ids, bounds = zip(*sorted(moves.taken), strict=True)
            steps.append(("take_slots", {"keys": texts(keys), "ids": uuids(ids), "bounds": bigints(bounds)}))
        if moves.clocks:
            keys, due_ats, look_ats = zip(*moves.clocks, strict=True)
            clocks = {"keys": texts(keys), "due_ats": bigints(due_ats), "look_ats": bigints(look_ats)}
            steps.append(("set_limit_keys", clocks))
        if moves.calls:
            steps.append(("call_gates", {"keys": texts(sorted(moves.calls))}))
        if moves.turns:
            ids, run_ats = zip(*sorted(moves.turns), strict=True)
            steps.append(("give_turns", {"ids": uuids(ids), "run_ats": bigints(run_ats)}))
        for name, moved in (("move_gates", moves.gates), ("open_gates", moves.ready)):
            if moved:
                ids, gates = zip(*sorted(moved), strict=True)
                steps.append((name, {"ids": uuids(ids), "gates": texts(gates)}))
        if steps:
            self._transaction.run(*steps)


def register_limits(transaction: Transaction, limits: Sequence[LimitSpec]) -> None:
    unique = sorted({(each.kind, each.name): each for each in limits}.items())
    if not unique:
        return
    specs = [spec for _, spec in unique]
    values = {
        "kinds": texts([spec.kind for spec in specs]),
        "names": texts([spec.name for spec in specs]),
        "counts": bigints([spec.count for spec in specs]),
        "pers_us": bigints([spec.per_us for spec in specs]),
        "bursts": bigints([spec.burst for spec in specs]),
    }
    transaction.execute("register_limits", **values)
    for spec in specs:
        if spec.kind == FAIR:
            first, last = keys_of_limit(spec.kind, spec.name)
            weights = sorted(spec.weights.items())
            keys = {"keys": texts([f"{first}{value}" for value, _ in weights]), "first": first, "last": last}
            transaction.execute("register_weights", **keys, weights=bigints([weight for _, weight in weights]))


def count_waiting(reading: Reading, key: str, limit: int) -> int:
    return int(reading.select("waiting_count", key=key, limit=limit)[0][0])


def read_weights(reading: Reading, name: str) -> list[Weight]:
    first, last = keys_of_limit(FAIR, name)
    return [Weight(*row) for row in reading.select("limit_weights", first=first, last=last)]


def set_weight(transaction: Transaction, key: str, weight: int | None) -> None:
    transaction.execute("set_weight", key=key, weight=bigints([weight]))


def read_limits(reading: Reading) -> list[LimitState]:
    return [LimitState(*row) for row in reading.select("limits")]


def set_limit(transaction: Transaction, kind: str, name: str, numbers: tuple[int | None, ...]) -> bool:
    first, last = keys_of_limit(kind, name)
    own = {"kind": kind, "name": name, "first": first, "last": last}
    if kind == PENDING:
        transaction.execute("add_bound", name=name)
    count, per_us, burst = (bigints([each]) for each in numbers)
    changed = transaction.select("set_limit", **own, count=count, per_us=per_us, burst=burst)
    transaction.announce(READY)
    return bool(changed)


def read_use(reading: Reading, kind: str, name: str, keys: int, waiting: int) -> list[LimitUse]:
    first, last = keys_of_limit(kind, name)
    values = {"first": first, "last": last, "limit": keys, "most": waiting}
    return [LimitUse(*row) for row in reading.select("limit_use", **values)]


def read_key_pauses(reading: Reading, first: str, last: str, limit: int) -> list[KeyPause]:
    return [to_key_pause(row) for row in reading.select("key_pauses", first=first, last=last, limit=limit)]


def pause_key(transaction: Transaction, pause: KeyPause) -> None:
    """By somebody's order."""
    _pause_keys(transaction, [pause], is_order=True)
    transaction.announce(READY)


def _pause_keys(transaction: Transaction, pauses: Sequence[KeyPause], *, is_order: bool) -> None:
    keys = texts([each.key for each in pauses])
    values = {
        "keys": keys,
        "until_ats": bigints([until_of(each) for each in pauses]),
        "paused_ats": bigints([each.paused_at for each in pauses]),
        "paused_bys": texts([each.paused_by for each in pauses]),
        "reasons": texts([each.reason for each in pauses]),
        "is_order": int(is_order),
    }
    transaction.run(("pause_keys", values), ("call_gates", {"keys": keys}))


def resume_key(transaction: Transaction, key: str) -> bool:
    gone, _ = transaction.run(("resume_key", {"key": key}), ("call_gates", {"keys": texts([key])}))
    transaction.announce(READY)
    return gone.row_count > 0


def cool_down(transaction: Transaction, items: Sequence[ExecutionCommit], now: int) -> None:
    """Of a commit that was written, in its transaction."""
    rows = transaction.select("limit_keys_of", ids=uuids(sorted({item.id for item in items})))
    pauses = pauses_of(items, {id: decode_texts(keys) for id, keys in rows}, now)
    if pauses:
        _pause_keys(transaction, pauses, is_order=False)


def read_key(reading: Reading, key: str, holders: int) -> KeyUse:
    return to_key_use(reading.select("key_use", key=key, most=holders))
