"""The keys of limits, each locked by its row of hydra_limit_key. Waits for no execution."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hydra.execution import ExecutionCommit
from hydra.limits import FAIR, LimitSpec, keys_of_limit, split_key
from hydra.stores.admission import Moves, Waiting
from hydra.stores.admitting import MAX_CALLS
from hydra.stores.key_pauses import KeyPause, pauses_of, to_key_pause, until_of
from hydra.stores.limit_states import KeyUse, LimitState, LimitUse, Weight
from hydra.stores.postgres.arrays import bigints, texts, uuids
from hydra.stores.postgres.session import Result, Step
from hydra.stores.rows import decode_texts, to_key_use

Write = Callable[..., list[Result]]
Read = Callable[..., list[list[tuple[Any, ...]]]]


class Keys:
    """See `hydra.stores.admitting.Tables`."""

    def __init__(self, write: Write, namespace: str) -> None:
        self._write = write
        self._namespace = namespace

    def take_calls(self, now: int, limit: int) -> set[str]:
        own = {"namespace": self._namespace, "limit": limit}
        called, due = self._write(
            ("take_gate_calls", {**own, "calls": MAX_CALLS}), ("due_limit_keys", {**own, "now": now})
        )
        return {key for (key,) in [*called.rows, *due.rows]}

    def lock_keys(self, keys: Sequence[str], *, is_waiting: bool) -> dict[str, tuple[int, int | None]]:
        values = {"namespace": self._namespace, "keys": texts(keys)}
        name = "lock_limit_keys" if is_waiting else "try_limit_keys"
        _, locked = self._write(("add_limit_keys", values), (name, values))
        return {key: (due_at, look_at) for key, due_at, look_at in locked.rows}

    def limits(self, pairs: Collection[tuple[str, str]]) -> Iterable[Sequence[Any]]:
        kinds, names = zip(*sorted(pairs), strict=True)
        values = {"namespace": self._namespace, "kinds": texts(kinds), "names": texts(names)}
        return self._write(("limit_bounds", values))[0].rows

    def pauses(self, keys: Sequence[str]) -> Iterable[tuple[str, int]]:
        rows = self._write(("paused_keys", {"namespace": self._namespace, "keys": texts(keys)}))[0].rows
        return [(key, until) for key, until in rows]

    def slots(self, keys: Sequence[str]) -> Iterable[Sequence[Any]]:
        return self._write(("slots", {"namespace": self._namespace, "keys": texts(keys)}))[0].rows

    def queues(self, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        return self._first("gate_queues", rooms)

    def elders(self, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        return self._first("gate_elders", rooms)

    def _first(self, name: str, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        if not rooms:
            return
        keys, counts = zip(*sorted(rooms.items()), strict=True)
        values = {"namespace": self._namespace, "keys": texts(keys), "rooms": bigints(counts)}
        for key, id, limit_keys, is_free in self._write((name, values))[0].rows:
            yield key, Waiting(id, decode_texts(limit_keys), is_free)

    def weights(self, keys: Sequence[str]) -> Iterable[tuple[str, int | None, int | None]]:
        rows = self._write(("weights", {"namespace": self._namespace, "keys": texts(keys)}))[0].rows
        return [(key, weight, set_weight) for key, weight, set_weight in rows]

    def is_busy(self, key: str) -> bool:
        first, last = keys_of_limit(FAIR, split_key(key)[1])
        return bool(
            self._write(("is_busy", {"namespace": self._namespace, "first": first, "last": last}))[0].rows[0][0]
        )

    def write(self, moves: Moves, now: int) -> None:
        own = {"namespace": self._namespace}
        steps: list[Step] = []
        if moves.resumed:
            steps.append(("end_key_pauses", {**own, "keys": texts(sorted(moves.resumed)), "now": now}))
        if moves.dropped:
            keys, ids = zip(*sorted(moves.dropped), strict=True)
            steps.append(("drop_slots", {**own, "keys": texts(keys), "ids": uuids(ids)}))
        if moves.taken:
            keys, ids, bounds = zip(*sorted(moves.taken), strict=True)
            steps.append(("take_slots", {**own, "keys": texts(keys), "ids": uuids(ids), "bounds": bigints(bounds)}))
        if moves.clocks:
            keys, due_ats, look_ats = zip(*moves.clocks, strict=True)
            clocks = {"keys": texts(keys), "due_ats": bigints(due_ats), "look_ats": bigints(look_ats)}
            steps.append(("set_limit_keys", {**own, **clocks}))
        if moves.calls:
            steps.append(("call_gates", {**own, "keys": texts(sorted(moves.calls))}))
        if moves.turns:
            ids, run_ats = zip(*sorted(moves.turns), strict=True)
            steps.append(("give_turns", {"ids": uuids(ids), "run_ats": bigints(run_ats)}))
        for name, moved in (("move_gates", moves.gates), ("open_gates", moves.ready)):
            if moved:
                ids, gates = zip(*sorted(moved), strict=True)
                steps.append((name, {"ids": uuids(ids), "gates": texts(gates)}))
        if steps:
            self._write(*steps)


def register_limits(write: Write, namespace: str, limits: Sequence[LimitSpec]) -> None:
    unique = sorted({(each.kind, each.name): each for each in limits}.items())
    if not unique:
        return
    specs = [spec for _, spec in unique]
    values = {
        "namespace": namespace,
        "kinds": texts([spec.kind for spec in specs]),
        "names": texts([spec.name for spec in specs]),
        "counts": bigints([spec.count for spec in specs]),
        "pers_us": bigints([spec.per_us for spec in specs]),
        "bursts": bigints([spec.burst for spec in specs]),
    }
    write(("register_limits", values))
    for spec in specs:
        if spec.kind == FAIR:
            first, last = keys_of_limit(spec.kind, spec.name)
            weights = sorted(spec.weights.items())
            keys = {"keys": texts([f"{first}{value}" for value, _ in weights]), "first": first, "last": last}
            own = {"namespace": namespace, "weights": bigints([weight for _, weight in weights])}
            write(("register_weights", {**own, **keys}))


def count_waiting(read: Read, namespace: str, key: str, limit: int) -> int:
    return int(read(("waiting_count", {"namespace": namespace, "key": key, "limit": limit}))[0][0][0])


def read_weights(read: Read, namespace: str, name: str) -> list[Weight]:
    first, last = keys_of_limit(FAIR, name)
    return [Weight(*row) for row in read(("limit_weights", {"namespace": namespace, "first": first, "last": last}))[0]]


def set_weight(write: Write, namespace: str, key: str, weight: int | None) -> None:
    write(("set_weight", {"namespace": namespace, "key": key, "weight": bigints([weight])}))


def read_limits(read: Read, namespace: str) -> list[LimitState]:
    return [LimitState(*row) for row in read(("limits", {"namespace": namespace}))[0]]


def set_limit(write: Write, namespace: str, kind: str, name: str, numbers: tuple[int | None, ...]) -> bool:
    first, last = keys_of_limit(kind, name)
    own = {"namespace": namespace, "kind": kind, "name": name, "first": first, "last": last}
    count, per_us, burst = (bigints([each]) for each in numbers)
    (changed,) = write(("set_limit", {**own, "count": count, "per_us": per_us, "burst": burst}))
    return bool(changed.rows)


def read_use(read: Read, namespace: str, kind: str, name: str, keys: int, waiting: int) -> list[LimitUse]:
    first, last = keys_of_limit(kind, name)
    values = {"namespace": namespace, "first": first, "last": last, "limit": keys, "most": waiting}
    return [LimitUse(*row) for row in read(("limit_use", values))[0]]


def read_key_pauses(read: Read, namespace: str, first: str, last: str, limit: int) -> list[KeyPause]:
    values = {"namespace": namespace, "first": first, "last": last, "limit": limit}
    return [to_key_pause(row) for row in read(("key_pauses", values))[0]]


def pause_keys(write: Write, namespace: str, pauses: Sequence[KeyPause], *, is_order: bool) -> None:
    keys = texts([each.key for each in pauses])
    values = {
        "namespace": namespace,
        "keys": keys,
        "until_ats": bigints([until_of(each) for each in pauses]),
        "paused_ats": bigints([each.paused_at for each in pauses]),
        "paused_bys": texts([each.paused_by for each in pauses]),
        "reasons": texts([each.reason for each in pauses]),
        "is_order": int(is_order),
    }
    write(("pause_keys", values), ("call_gates", {"namespace": namespace, "keys": keys}))


def resume_key(write: Write, namespace: str, key: str) -> bool:
    own = {"namespace": namespace}
    (gone, _) = write(("resume_key", {**own, "key": key}), ("call_gates", {**own, "keys": texts([key])}))
    return gone.row_count > 0


def cool_down(write: Write, namespace: str, items: Sequence[ExecutionCommit], now: int) -> bool:
    """Of a commit that was written, in its transaction. Whether any key is paused."""
    (found,) = write(("limit_keys_of", {"ids": uuids(sorted({item.id for item in items}))}))
    pauses = pauses_of(items, {id: decode_texts(keys) for id, keys in found.rows}, now)
    if pauses:
        pause_keys(write, namespace, pauses, is_order=False)
    return bool(pauses)


def read_key(read: Read, namespace: str, key: str, holders: int) -> KeyUse:
    return to_key_use(read(("key_use", {"namespace": namespace, "key": key, "most": holders}))[0])
