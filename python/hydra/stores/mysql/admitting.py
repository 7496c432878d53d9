"""The keys of limits, each locked by its row of hydra_limit_key; how executions begin to wait at them, and leave them.

No triggers here: they ask for a right that many users have not. So whoever makes an execution due calls `become_due`,
and whoever ends or suspends one `give_up`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from hydra.execution import ExecutionCommit, Status
from hydra.limit_keys import FAIR, PENDING, keys_of_limit, split_key
from hydra.limits import LimitSpec
from hydra.stores.admission import NEVER, Moves, Waiting
from hydra.stores.admitting import first_keys
from hydra.stores.key_pauses import KeyPause, pauses_of, to_key_pause, until_of
from hydra.stores.limit_states import KeyUse, LimitState, LimitUse, Weight
from hydra.stores.mysql.locking import Locked, enter_ready, leave, lock_executions
from hydra.stores.mysql.statements import id_list, id_literal, id_text, literal
from hydra.stores.mysql.transaction import Reading, Transaction
from hydra.stores.rows import decode_texts, read_texts, shown, to_key_use


class Keys:
    """See `hydra.stores.admitting.Tables`."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._locked: dict[str, Locked] = {}

    def take_calls(self, now: int, keys: int, calls: int) -> tuple[set[str], int]:
        first = self._transaction.select("gate_calls", limit=calls)
        called = self._take(first, keys)
        due = self._transaction.select("due_limit_keys", now=now, limit=keys)
        return called | {key.decode() for (key,) in due}, len(first)

    def take_turn(self, after: str, keys: int, calls: int, newest: int) -> tuple[set[str], str]:
        transaction = self._transaction
        of_turn = [key for (key,) in transaction.select("next_called_keys", after=literal(after), keys=keys)]
        selects = [transaction.render("gate_calls_of", key=literal(key), calls=calls) for key in of_turn]
        selects.append(transaction.render("newest_gate_calls", newest=newest))
        called = self._take(transaction.rows_of(" union ".join(selects)), keys + newest)
        return called, of_turn[-1].decode() if len(of_turn) == keys else ""

    def _take(self, calls: Iterable[tuple[int]], limit: int) -> set[str]:
        """Of these the calls for the first so many keys."""
        listed = ", ".join(str(id) for (id,) in calls)
        rows = self._transaction.select("lock_gate_calls", ids=listed) if listed else ()
        ids, called = first_keys(((id, key.decode()) for id, key in rows), limit)
        if ids:
            self._transaction.queue("remove_gate_calls", ids=", ".join(map(str, ids)))
        return called

    def lock_keys(self, keys: Sequence[str], *, is_waiting: bool) -> dict[str, tuple[int, int | None]]:
        listed = ", ".join(literal(key) for key in keys)
        known = {key.decode() for (key,) in self._transaction.select("known_limit_keys", keys=listed)}
        if new := [key for key in keys if key not in known]:
            rows = [f"({self._transaction.namespace}, {literal(key)}, 0, 0)" for key in new]
            self._transaction.queue_rows("add_limit_keys", rows)
        name = "lock_limit_keys" if is_waiting else "try_limit_keys"
        rows_locked = self._transaction.select(name, keys=listed)
        return {key.decode(): (due_at, look_at or None) for key, due_at, look_at in rows_locked}

    def limits(self, pairs: Collection[tuple[str, str]]) -> Iterable[Sequence[Any]]:
        listed = ", ".join(f"({literal(kind)}, {literal(name)})" for kind, name in sorted(pairs))
        rows = self._transaction.select("limit_bounds", pairs=listed)
        return [(kind.decode(), name.decode(), *numbers) for kind, name, *numbers in rows]

    def pauses(self, keys: Sequence[str]) -> Iterable[tuple[str, int]]:
        rows = self._transaction.select("paused_keys", keys=", ".join(literal(key) for key in keys))
        return [(key.decode(), until) for key, until in rows]

    def slots(self, keys: Sequence[str]) -> Iterable[Sequence[Any]]:
        rows = self._transaction.select("slots", keys=", ".join(literal(key) for key in keys))
        return [
            (key.decode(), id_text(id), status, wake_at or None, gate.decode() if gate else None, at or None, bound)
            for key, id, status, wake_at, gate, at, bound in rows
        ]

    def queues(self, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        return self._first("gate_queue", rooms)

    def elders(self, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        return self._first("gate_elders", rooms)

    def weights(self, keys: Sequence[str]) -> Iterable[tuple[str, int | None, int | None]]:
        rows = self._transaction.select("weights", keys=", ".join(map(literal, keys))) if keys else ()
        return [(key.decode(), weight, set_weight) for key, weight, set_weight in rows]

    def is_busy(self, key: str) -> bool:
        first, last = map(literal, keys_of_limit(FAIR, split_key(key)[1]))
        return bool(self._transaction.select("is_busy", first=first, last=last)[0][0])

    def _first(self, name: str, rooms: Mapping[str, int]) -> Iterator[tuple[str, Waiting]]:
        if not rooms:
            return
        selects = [self._transaction.render(name, key=literal(key), room=room) for key, room in sorted(rooms.items())]
        rows = self._transaction.rows_of(" union all ".join(selects))
        waiting = [(key.decode(), id_text(id)) for key, id in rows]
        free = lock_executions(self._transaction, [id for _, id in waiting], skip_held=True)
        self._locked |= {e.id: e for e in free if e.status == Status.PENDING and e.wake_at == NEVER}
        for key, id in waiting:
            execution = self._locked.get(id)
            if execution is None or execution.gate.decode() != key:
                yield key, Waiting(id, [key], False)
            else:
                stored = read_texts(execution.limit_keys)
                yield key, Waiting(id, stored or (key,), is_damaged=not stored)

    def write(self, moves: Moves, now: int) -> None:
        transaction = self._transaction
        own = transaction.namespace
        if moves.resumed:
            keys = ", ".join(literal(key) for key in sorted(moves.resumed))
            for (over,) in transaction.select("lock_key_pauses", keys=keys, now=now):
                transaction.queue("resume_key", key=literal(over))
        if moves.dropped:
            pairs = ", ".join(f"({literal(key)}, {id_literal(id)})" for key, id in sorted(moves.dropped))
            for key, id in transaction.select("lock_slots", pairs=pairs):
                transaction.queue("drop_slot", key=literal(key), id=literal(id))
        rows = [f"({own}, {literal(key)}, {id_literal(id)}, {bound})" for key, id, bound in sorted(moves.taken)]
        transaction.queue_rows("take_slots", rows)
        clocks = [f"({own}, {literal(key)}, {due_at}, {look_at or 0})" for key, due_at, look_at in moves.clocks]
        transaction.queue_rows("set_limit_keys", clocks)
        call(transaction, moves.calls)
        moving: dict[str, list[str]] = {}
        for id, gate in moves.gates:
            moving.setdefault(gate, []).append(id)
        opened = [self._locked[id] for id, _ in moves.ready]
        leave(transaction, "remove_gated", [*opened, *(self._locked[id] for id, _ in moves.gates)])
        for id, run_at in sorted(moves.turns):
            transaction.queue("give_turn", id=id_literal(id), run_at=run_at)
            self._locked[id] = msgspec.structs.replace(self._locked[id], priority=0, run_at=run_at)
        opened = [self._locked[id] for id, _ in moves.ready]
        for gate, ids in sorted(moving.items()):
            transaction.queue("move_gates", gate=literal(gate), ids=id_list(ids))
            enter_gated(transaction, [(self._locked[id], gate, self._locked[id].run_at) for id in ids])
        if opened:
            transaction.queue("open_gates", ids=id_list(e.id for e in opened))
            enter_ready(transaction, [(e, e.run_at) for e in opened])
            transaction.due_count += len(opened)


def become_due(transaction: Transaction, due: Iterable[tuple[Locked, int]]) -> None:
    """Each since its instant: ready where it has no limits, else it waits at the first of its keys. After its row has
    changed."""
    due = list(due)
    if turns := [e.id for e, _ in due if e.own_priority is not None]:
        transaction.queue("end_turns", ids=id_list(turns))
        due = [(_without_turn(e), run_at) for e, run_at in due]
    ready: list[tuple[Locked, int]] = []
    limited: list[tuple[Locked, int]] = []
    for execution, run_at in due:
        (limited if execution.gate else ready).append((execution, run_at))
    enter_ready(transaction, ready)
    give_up(transaction, [e.limit_keys for e, _ in limited])
    hold_back(transaction, [(e.id, e.priority, e.first_gate.decode(), run_at) for e, run_at in limited])


def _without_turn(e: Locked) -> Locked:
    if e.own_priority is None:
        return e
    return msgspec.structs.replace(e, priority=e.own_priority, own_priority=None, own_run_at=None)


def hold_back(transaction: Transaction, waiting: Sequence[tuple[str, int, str, int]]) -> None:
    """Execution, its priority, the first of its keys, and since when it is due."""
    if not waiting:
        return
    transaction.queue("hold_back", ids=id_list(id for id, _, _, _ in waiting))
    enter_queues(transaction, [(gate, -priority, run_at, id) for id, priority, gate, run_at in waiting])


def enter_queues(transaction: Transaction, places: Sequence[tuple[str, int, int, str]]) -> None:
    """Key, negated priority, since when it is due, and the execution, whose row says already that it waits there."""
    _add_gated(transaction, places)
    call(transaction, {gate for gate, *_ in places})


def call(transaction: Transaction, keys: Collection[str]) -> None:
    """Somebody is to look at these keys."""
    transaction.queue_rows("call_gates", [f"({transaction.namespace}, {literal(key)})" for key in sorted(keys)])
    transaction.due_count += bool(keys)


def give_up(transaction: Transaction, limit_keys: Iterable[bytes | None]) -> None:
    """What executions with these keys held is free. (To read which of them they hold would lock what others write.)"""
    call(transaction, {key for keys in limit_keys if keys for key in read_texts(keys) or ()})


def register_limits(transaction: Transaction, limits: Sequence[LimitSpec]) -> None:
    """What waits at a limit that is new, or another, is looked at."""
    wanted = {(each.kind, each.name): (each.count, each.per_us, each.burst) for each in limits}
    if not wanted:
        return
    known = {(row[0].decode(), row[1].decode()): tuple(row[2:5]) for row in transaction.select("limits")}
    for (kind, name), numbers in sorted(wanted.items()):
        if known.get((kind, name)) != numbers:
            row = ", ".join((transaction.namespace, literal(kind), literal(name), *map(literal, numbers)))
            transaction.queue("register_limits", rows=f"({row})")
            _call_limit(transaction, kind, name)
    for limit in {each.name: each for each in limits if each.kind == FAIR}.values():
        _register_weights(transaction, limit)


def _register_weights(transaction: Transaction, limit: LimitSpec) -> None:
    """What the code names no more has its weight no more; what an operator has set stays."""
    first, last = keys_of_limit(limit.kind, limit.name)
    rows = transaction.select("limit_weights", first=literal(first), last=literal(last))
    wanted: dict[str, int | None] = {f"{first}{value}": weight for value, weight in limit.weights.items()}
    known = {key.decode(): weight for key, weight, _ in rows}
    for key in sorted({*wanted, *known}):
        if known.get(key) != wanted.get(key):
            transaction.queue("register_weight", key=literal(key), weight=literal(wanted.get(key)))


def set_weight(transaction: Transaction, key: str, weight: int | None) -> None:
    transaction.queue("set_weight", key=literal(key), weight=literal(weight))
    transaction.flush()


def set_limit(transaction: Transaction, kind: str, name: str, numbers: tuple[int | None, ...]) -> bool:
    count, per_us, burst = map(literal, numbers)
    own = {"kind": literal(kind), "limit_name": literal(name)}
    known = {(k.decode(), n.decode()) for k, n, *_ in transaction.select("limits")}
    if kind == PENDING:
        transaction.queue("add_bound", limit_name=literal(name))
    elif (kind, name) not in known:
        return False
    transaction.queue("set_limit", **own, count=count, per_us=per_us, burst=burst)
    _call_limit(transaction, kind, name)
    return True


def pause_keys(transaction: Transaction, pauses: Sequence[KeyPause], *, is_order: bool) -> None:
    own = transaction.namespace
    rows = [
        f"({own}, {literal(each.key)}, {until_of(each)}, {each.paused_at}, {literal(each.paused_by)}, "
        f"{literal(each.reason)})"
        for each in pauses
    ]
    transaction.queue("pause_keys", rows=", ".join(rows), is_order=int(is_order))
    call(transaction, [each.key for each in pauses])
    transaction.flush()


def resume_key(transaction: Transaction, key: str) -> bool:
    if not transaction.execute("resume_key", key=literal(key)):
        return False
    call(transaction, [key])
    transaction.flush()
    return True


def cool_down(transaction: Transaction, items: Sequence[ExecutionCommit], now: int) -> None:
    """Of a commit that was written, in its transaction."""
    rows = transaction.select("limit_keys_of", ids=id_list(item.id for item in items))
    pauses = pauses_of(items, {id_text(id): decode_texts(keys) for id, keys in rows}, now)
    if pauses:
        pause_keys(transaction, pauses, is_order=False)


def read_limits(reading: Reading) -> list[LimitState]:
    return [LimitState(shown(kind), shown(name), *rest) for kind, name, *rest in reading.select("limits")]


def count_waiting(reading: Reading, key: str, limit: int) -> int:
    return int(reading.select("waiting_count", key=literal(key), limit=limit)[0][0])


def read_weights(reading: Reading, name: str) -> list[Weight]:
    first, last = map(literal, keys_of_limit(FAIR, name))
    rows = reading.select("limit_weights", first=first, last=last)
    return [Weight(shown(key), weight, set_weight) for key, weight, set_weight in rows]


def read_use(reading: Reading, kind: str, name: str, keys: int, waiting: int) -> list[LimitUse]:
    first, last = map(literal, keys_of_limit(kind, name))
    return [
        LimitUse(shown(key), held_count, min(waiting, waiting_count), look_at or None)
        for key, held_count, waiting_count, look_at in reading.select("limit_use", first=first, last=last, limit=keys)
    ]


def read_key(reading: Reading, key: str, holders: int) -> KeyUse:
    rows = reading.select("key_use", key=literal(key), most=holders)
    return to_key_use((look_at or None, None if id is None else id_text(id)) for look_at, id in rows)


def read_key_pauses(reading: Reading, first: str, last: str, limit: int) -> list[KeyPause]:
    rows = reading.select("key_pauses", first=literal(first), last=literal(last), limit=limit)
    return [
        to_key_pause((shown(key), until, paused_at, shown(paused_by), shown(reason)))
        for key, until, paused_at, paused_by, reason in rows
    ]


def _call_limit(transaction: Transaction, kind: str, name: str) -> None:
    first, last = map(literal, keys_of_limit(kind, name))
    transaction.queue("call_limit", first=first, last=last)
    transaction.due_count += 1
    transaction.flush()


def enter_gated(transaction: Transaction, waiting: Iterable[tuple[Locked, str, int]]) -> None:
    _add_gated(transaction, [(gate, -e.priority, run_at, e.id) for e, gate, run_at in waiting])


def _add_gated(transaction: Transaction, places: Iterable[tuple[str, int, int, str]]) -> None:
    rows = [
        f"({transaction.namespace}, {literal(gate)}, {negated_priority}, {run_at}, {id_literal(id)})"
        for gate, negated_priority, run_at, id in places
    ]
    transaction.queue_rows("add_gated", rows)
