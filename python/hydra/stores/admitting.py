"""Goes through the keys that were called: locks, reads, has `admission` decide, writes. The same on each database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from hydra.limit_keys import FAIR, split_key, virtual_time_key
from hydra.stores.admission import (
    Bound,
    KeyState,
    Moves,
    Slot,
    Waiting,
    admit,
    effective,
    keys_beside,
    most_moved,
    virtual_times_behind,
)
from hydra.stores.node_states import Advanced
from hydra.stores.rows import DAMAGED, never_so_far, unreadable_limits
from hydra.stores.turns import elder_count

MAX_KEYS = 200  # looked at in one transaction
MAX_CALLS = 2000  # answered by it: one look at a key answers all that came for it
MAX_TURN_KEYS = 50  # looked at besides by turn, where more were called than that
MAX_TURN_CALLS = 20  # answered of each of these
MAX_NEWEST_CALLS = 50  # answered besides
MAX_MOVES = 1000  # executions that go on in one transaction, about


class Turn:
    """Whose turn it is while more keys are called than a look takes. Of a store; it may be lost."""

    after = ""  # the key at which the last look by turn has ended


class Tables(Protocol):
    """What a store does of it, in one transaction."""

    def take_calls(self, now: int, keys: int, calls: int) -> tuple[set[str], int]:
        """So many keys, or twice as many, that are to be looked at now, and how many calls were read: of the first so
        many. Those for the keys are taken away with this transaction."""
        ...

    def take_turn(self, after: str, keys: int, calls: int, newest: int) -> tuple[set[str], str]:
        """The next so many called keys in their order, each with so many calls, and so many of the newest calls. After
        which key the next turn goes on."""
        ...

    def lock_keys(self, keys: Sequence[str], *, is_waiting: bool) -> dict[str, tuple[int, int | None]]:
        """`due_at` and `look_at` of each, locked in the order of the keys; without those that others hold, unless it
        waits for them."""
        ...

    def limits(self, pairs: Collection[tuple[str, str]]) -> Iterable[Sequence[Any]]:
        """Kind and name, then the arguments of `admission.effective`."""
        ...

    def pauses(self, keys: Sequence[str]) -> Iterable[tuple[str, int]]:
        """Of these the keys that are paused, and until when."""
        ...

    def slots(self, keys: Sequence[str]) -> Iterable[Sequence[Any]]:
        """Key, then the fields of `admission.Slot`."""
        ...

    def queues(self, rooms: Mapping[str, int]) -> Iterable[tuple[str, Waiting]]:
        """The first so many of each."""
        ...

    def elders(self, rooms: Mapping[str, int]) -> Iterable[tuple[str, Waiting]]:
        """The first so many of each by when they became due, whatever their priority."""
        ...

    def weights(self, keys: Sequence[str]) -> Iterable[tuple[str, int | None, int | None]]:
        """Of Fairs: key, its weight by the code, and an operator's, in thousandths."""
        ...

    def is_busy(self, key: str) -> bool:
        """Whether anything of the Fair with this virtual time was let go and has not begun."""
        ...

    def write(self, moves: Moves, now: int) -> None: ...


def admit_called(tables: Tables, turn: Turn, now: int, park: Callable[[Sequence[Advanced], str, bytes], object]) -> int:
    """One batch. How many executions may go on, or wait at another key from now on. `park` is the store's."""
    called, count = tables.take_calls(now, MAX_KEYS, MAX_CALLS)
    if count >= MAX_CALLS or len(called) >= MAX_KEYS:  # guard R29: who is called last waits behind nobody's million
        by_turn, turn.after = tables.take_turn(turn.after, MAX_TURN_KEYS, MAX_TURN_CALLS, MAX_NEWEST_CALLS)
        called |= by_turn
    if not called:
        return 0
    fair = [key for key in called if split_key(key)[0] == FAIR]
    locked = tables.lock_keys(sorted({*called, *map(virtual_time_key, fair)}), is_waiting=True)
    bounds: dict[tuple[str, str], Bound] = {}
    states = _read(tables, locked, bounds)
    rooms = most_moved(list(states.values()), MAX_MOVES, now)
    damaged: dict[str, str] = {}  # execution, and a key at which it waits
    for key, waiting in tables.queues({key: room + 1 for key, room in rooms.items() if room}):
        state = states[key]
        if waiting.is_damaged:  # guard G7: one whose keys cannot be read holds up nobody
            damaged |= {waiting.execution_id: key} if waiting.is_free else {}
        elif len(state.queue) < rooms[key]:
            state.queue.append(waiting)
        else:
            state.is_all = False
    if fair:
        _read_turns(tables, states, {key: rooms[key] for key in fair if rooms.get(key)}, now)
    beside = sorted(keys_beside(states.values()))
    others = _read(tables, tables.lock_keys(beside, is_waiting=False), bounds) if beside else {}
    moves = admit(states, others, now)
    moves.calls |= called - set(states)  # a key that was purged in between
    moves.calls |= set(damaged.values())  # those behind them were perhaps not read
    tables.write(moves, now)
    if damaged:
        park([never_so_far(id) for id in sorted(damaged)], DAMAGED, unreadable_limits())
    return len(moves.ready) + len(moves.gates)


def _read_turns(tables: Tables, states: Mapping[str, KeyState], rooms: Mapping[str, int], now: int) -> None:
    for key, weight, set_weight in tables.weights(sorted(rooms)):
        states[key].weight = set_weight or weight or states[key].weight
    for key, waiting in tables.elders({key: elder_count(room) for key, room in rooms.items()}):
        if not waiting.is_damaged:
            states[key].elders.append(waiting)
    for key in virtual_times_behind(states, now):
        if key in states:
            states[key].is_busy = tables.is_busy(key)


def first_keys(calls: Iterable[tuple[int, str]], limit: int) -> tuple[list[int], set[str]]:
    """Of calls in their order those for the first so many keys, and these."""
    keys: set[str] = set()
    ids: list[int] = []
    for id, key in calls:
        if key in keys or len(keys) < limit:
            keys.add(key)
            ids.append(id)
    return ids, keys


def _read(
    tables: Tables, locked: Mapping[str, tuple[int, int | None]], bounds: dict[tuple[str, str], Bound]
) -> dict[str, KeyState]:
    """Keys that this transaction has locked, without their queues."""
    pairs = {split_key(key)[:2] for key in locked} - bounds.keys()
    if pairs:
        for kind, name, *numbers in tables.limits(pairs):
            bounds[kind, name] = effective(*numbers)
    states = {
        key: KeyState(key, bounds.get(split_key(key)[:2]), due_at, look_at)
        for key, (due_at, look_at) in sorted(locked.items())
    }
    if states:
        for key, until in tables.pauses(list(states)):
            states[key].paused_until = until
        for key, *slot in tables.slots(list(states)):
            states[key].slots.append(Slot(*slot))
    return states
