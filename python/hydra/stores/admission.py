"""Who goes on where a limit holds executions back: the one place that decides it. Pure: reads no database, no clock.

    keys, as they are under their locks + who waits at each, in order + now ──► who takes a place and goes on

    submitted, woken … ──► waits at its first key ──► … at the next ──► at its rates, all at once ──► ready ──► claimed
                                  slot                    slot               tokens

A slot is a row that says who holds it. It counts while its execution runs, may run, or waits at a later key: so what
ends, sleeps or is parked has given it back by doing so, and no other statement has to. What does not count any more is
deleted by the next look at the key.

A Fair's slot is one that was let go and has not begun; `turns` says when its turn is. Whatever else it waits for then
is ordered by that instant alone, until a claim gives it back its own.

Tokens are those of GCRA, charged when an execution is claimed. Until then they are reserved, as if it began at each
look: so however late it begins, no span of time sees more than its share of the rate and the burst.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence

import msgspec

from hydra.execution import Status
from hydra.limit_keys import FAIR, RATE, WEIGHT_UNIT, interval_us, split_key, virtual_time_key
from hydra.stores.turns import Turns, VirtualTime, window

NEVER = (1 << 63) - 1  # the timer of what a limit holds back: no clock makes it due
LOOK_AHEAD = 64  # past those who may begin by a rate, in case some lack another
SPARE = 8  # past those there is room for, in case others hold some
POLL_US = 10_000  # while a burst was let go and nothing of it was claimed yet
LATE_SHARE = 4  # a quarter of a burst is room for what begins some time after its claim
BUSY_US = 5_000  # until the next look where somebody else holds a row of it


class Bound(msgspec.Struct, frozen=True):
    """What a limit is at the moment: its code's numbers, or the operator's."""

    count: int
    per_us: int = 0
    burst: int = 0


class Slot(msgspec.Struct, array_like=True, frozen=True):
    """Who holds, or has held, a place of a key: its execution as it is now; nothing of it where that is gone."""

    execution_id: str
    status: str | None
    wake_at: int | None
    gate: str | None
    claimed_at: int | None
    bound: int = 0  # of a Fair: when its turn starts; 0 once it waits again

    def is_ready(self) -> bool:
        """It may run, and nobody has claimed it."""
        return self.status == Status.PENDING and self.wake_at is None

    def is_held(self, key: str) -> bool:
        if self.status == Status.RUNNING:
            return split_key(key)[0] != FAIR
        if self.is_ready():
            return True
        waits_later = self.gate is not None and key < self.gate  # guard R29: a slot is held while waiting further on
        return self.status == Status.PENDING and self.wake_at == NEVER and waits_later


class Waiting(msgspec.Struct, array_like=True, frozen=True):
    """An execution that waits at a key; all its keys, sorted."""

    execution_id: str
    keys: Sequence[str]
    is_free: bool = True  # nobody else holds its row
    is_damaged: bool = False  # which keys it has cannot be read: it is parked, and others go on


class KeyState(msgspec.Struct):
    """One key under its lock. `due_at` is the instant at which the next one would be within the rate (GCRA's tat)."""

    key: str
    bound: Bound | None  # None: no node has registered such a limit yet
    due_at: int = 0
    look_at: int | None = None  # when somebody is to look at it, as far as that was known before
    paused_until: int | None = None  # None: it is not paused; NEVER: until somebody resumes it
    slots: list[Slot] = []
    queue: list[Waiting] = []  # the first of it
    is_all: bool = True  # the queue is no longer than that
    elders: list[Waiting] = []  # of a Fair: who waits longest, whatever its priority
    weight: int = WEIGHT_UNIT  # of a Fair's value
    is_busy: bool = True  # of a virtual time: something was let go and has not begun

    @property
    def is_fair(self) -> bool:
        return split_key(self.key)[0] == FAIR

    def held_count(self) -> int:
        return sum(slot.is_held(self.key) for slot in self.slots)

    def begun(self) -> list[Slot]:
        """Of a Fair: whose turn was used since the look before."""
        return [slot for slot in self.slots if slot.bound and slot.claimed_at and not slot.is_held(self.key)]

    @property
    def is_rate(self) -> bool:
        return split_key(self.key)[0] == RATE

    def is_paused(self, now: int) -> bool:
        return self.paused_until is not None and self.paused_until > now


class Moves(msgspec.Struct):
    """What one transaction writes."""

    ready: list[tuple[str, str]] = []  # execution, and the first of its keys: where it waits next time
    gates: list[tuple[str, str]] = []  # execution, and the key at which it waits from now on
    taken: list[tuple[str, str, int]] = []  # key, execution, and how many might hold one
    dropped: list[tuple[str, str]] = []  # key, execution
    clocks: list[tuple[str, int, int | None]] = []  # key, its `due_at` and `look_at`
    turns: list[tuple[str, int]] = []  # execution, and since when it is due by its turn; its priority counts no more
    calls: set[str] = set()  # keys to look at again as soon as this is written
    looks: dict[str, int] = {}
    resumed: list[str] = []  # keys whose pause is over

    def look(self, key: str, at: int) -> None:
        """Somebody is to look at this key, which is locked, at that instant."""
        if at != NEVER:  # whoever resumes a key calls
            self.looks[key] = min(at, self.looks.get(key, at))


def room_of(state: KeyState, now: int) -> int:
    """How many of the queue are worth reading."""
    if state.bound is None or state.is_paused(now):
        return 0
    if state.is_rate:
        rate = _Rate(state, now)
        return rate.room() + LOOK_AHEAD if rate.room() else LOOK_AHEAD
    most = window(len(state.begun())) if state.is_fair else state.bound.count
    free = most - state.held_count()
    return 0 if free <= 0 else free + (SPARE if most > 1 else 0)


def keys_beside(states: Collection[KeyState]) -> set[str]:
    """The rates whose tokens are needed beside those that are here: they are looked at only if they are free."""
    here = {state.key for state in states}
    rates = (key for state in states if state.is_rate for each in state.queue for key in each.keys)
    return {key for key in rates if split_key(key)[0] == RATE} - here


def admit(states: Mapping[str, KeyState], beside: Mapping[str, KeyState], now: int) -> Moves:
    """`states`: the keys that were called, whose queues are known; `beside`: other rates of those who wait."""
    moves = Moves()
    rates = {state.key: _Rate(state, now) for state in (*states.values(), *beside.values()) if state.is_rate}
    for rate in rates.values():
        moves.dropped += [(rate.key, slot.execution_id) for slot in rate.settled]
    times = _virtual_times(states, now)
    due_ats = {key: time.at_ns for key, time in times.items() if key in states}
    for key in sorted(states):
        state = states[key]
        if state.paused_until is not None and not state.is_paused(now):
            moves.resumed.append(key)
        if state.paused_until is not None and state.is_paused(now):  # guard R29: a paused key lets nobody go on
            moves.look(key, state.paused_until)
            continue
        if state.bound is None:
            continue  # whoever registers the limit calls
        if state.is_rate:
            _let_begin(state, rates, moves, now)
        elif state.is_fair:
            due_ats[key] = _give_turns(state, times[virtual_time_key(key)], moves, now)
        else:
            _give_slots(state, moves, now)
    for state in (*states.values(), *beside.values()):
        due_at = rates[state.key].due_at if state.key in rates else due_ats.get(state.key, state.due_at)
        look_at = moves.looks.get(state.key)
        if state.key in beside and state.look_at is not None:  # its queue was not read
            look_at = min(state.look_at, state.look_at if look_at is None else look_at)
        if (due_at, look_at) != (state.due_at, state.look_at):
            moves.clocks.append((state.key, due_at, look_at))
    return moves


def virtual_times_behind(states: Mapping[str, KeyState], now: int) -> list[str]:
    """The Fairs whose virtual time may be that of an idle key: whether it is, is to be read."""
    return sorted(key for key, time in _virtual_times(states, now).items() if time.is_behind())


def _virtual_times(states: Mapping[str, KeyState], now: int) -> dict[str, VirtualTime]:
    """Of each Fair here, after the turns that were used."""
    times: dict[str, VirtualTime] = {}
    for state in states.values():
        if state.is_fair:
            key = virtual_time_key(state.key)
            if key not in times:
                known = states.get(key)
                times[key] = VirtualTime(0 if known is None else known.due_at, now)
            for slot in state.begun():
                times[key].used(slot.bound)
    for key, time in times.items():
        if key in states and not states[key].is_busy:
            time.skip_idle_time()
    return times


def _give_turns(state: KeyState, time: VirtualTime, moves: Moves, now: int) -> int:
    """When the value's last turn finishes."""
    assert state.bound is not None
    moves.dropped += [(state.key, slot.execution_id) for slot in state.slots if not slot.is_held(state.key)]
    free = window(len(state.begun())) - state.held_count()  # guard R29: a few of a value are let go before they begin
    turns = Turns(state.due_at, state.weight, time)
    urgent = deque(each for each in state.queue if each.is_free)
    eldest = deque(each for each in state.elders if each.is_free)
    if free > 0 and len(urgent) < len(state.queue):
        moves.look(state.key, now + BUSY_US)
    given: set[str] = set()
    while free > 0 and (urgent or eldest):
        waiting = (eldest if eldest and (turns.is_eldests() or not urgent) else urgent).popleft()
        if waiting.execution_id in given:
            continue
        free -= 1
        given.add(waiting.execution_id)
        start_ns = turns.take()
        moves.taken.append((state.key, waiting.execution_id, start_ns))
        moves.turns.append((waiting.execution_id, start_ns // 1000))
        later = [key for key in waiting.keys if key > state.key]
        if later:
            moves.gates.append((waiting.execution_id, later[0]))
            moves.calls.add(later[0])
        else:
            moves.ready.append((waiting.execution_id, waiting.keys[0]))
    if free > 0 and not state.is_all:
        moves.calls.add(state.key)
    return turns.finish_ns


def _give_slots(state: KeyState, moves: Moves, now: int) -> None:
    assert state.bound is not None
    held = [slot for slot in state.slots if slot.is_held(state.key)]
    # only so that the rows of a key stay few: what waits again has lost them
    moves.dropped += [(state.key, slot.execution_id) for slot in state.slots if not slot.is_held(state.key)]
    free = state.bound.count - len(held)  # guard R29: no more slots are given than are free
    for waiting in state.queue:
        if free <= 0:
            return
        if not waiting.is_free:
            moves.look(state.key, now + BUSY_US)
            if state.bound.count == 1:  # guard R29: with a count of 1 nobody overtakes
                return
            continue
        free -= 1
        moves.taken.append((state.key, waiting.execution_id, state.bound.count))
        later = [key for key in waiting.keys if key > state.key]
        if later:
            moves.gates.append((waiting.execution_id, later[0]))
            moves.calls.add(later[0])
        else:
            moves.ready.append((waiting.execution_id, waiting.keys[0]))
    if free > 0 and not state.is_all:
        moves.calls.add(state.key)


def _let_begin(state: KeyState, rates: Mapping[str, _Rate], moves: Moves, now: int) -> None:
    """The tokens of all its rates are taken together, and close to the start: none is held while another is lacking."""
    for waiting in state.queue:
        needed = [key for key in waiting.keys if split_key(key)[0] == RATE]
        if not waiting.is_free or any(key not in rates for key in needed):
            moves.look(state.key, now + BUSY_US)
            return
        if any(rates[key].bound is None for key in needed):
            return
        lacking = max(needed, key=lambda key: (rates[key].next_at(), key == state.key))
        if rates[lacking].next_at() > now:  # guard R29: nobody begins before the rate's next token
            if lacking == state.key:
                moves.look(state.key, rates[lacking].next_at())
                return
            moves.gates.append((waiting.execution_id, lacking))
            moves.look(lacking, rates[lacking].next_at())
            continue
        for key in needed:
            rates[key].reserve()
            bound = rates[key].bound
            assert bound is not None
            moves.taken.append((key, waiting.execution_id, bound.burst))
        moves.ready.append((waiting.execution_id, waiting.keys[0]))
    if not state.is_all:
        moves.look(state.key, rates[state.key].next_at())


class _Rate:
    """A rate's tokens: what began is charged when it began, what may begin is reserved as if it began now."""

    def __init__(self, state: KeyState, now: int) -> None:
        self.key = state.key
        self.bound = state.bound
        self.due_at = state.due_at
        self._paused_until = state.paused_until if state.is_paused(now) else None
        self._now = now
        self.interval_us = 0 if state.bound is None else interval_us(state.bound.count, state.bound.per_us)
        self._burst = 0 if state.bound is None else state.bound.burst - state.bound.burst // LATE_SHARE
        if state.bound is not None:  # guard R29: a rate that was raised forgets what the slower one still owed
            self.due_at = min(self.due_at, now + state.bound.burst * self.interval_us)
        self.settled: list[Slot] = [] if state.bound is None else [s for s in state.slots if not s.is_ready()]
        self.reserved_count = len(state.slots) - len(self.settled)
        began = sorted(slot.claimed_at for slot in self.settled if slot.claimed_at is not None)
        for at in began:
            self.due_at = max(self.due_at, at) + self.interval_us

    def reserve(self) -> None:
        self.reserved_count += 1

    def next_at(self) -> int:
        """When one more may begin; now, or later."""
        if self.bound is None:
            return NEVER
        if self._paused_until is not None:  # guard R29: a paused rate has no tokens
            return self._paused_until
        # guard R29: what was let go and has not begun keeps its tokens
        spare = self._burst - self.reserved_count - 1
        if spare < 0:
            return self._now + max(self.interval_us, POLL_US)
        return max(self._now, self.due_at - spare * self.interval_us)

    def room(self) -> int:
        """How many may begin now."""
        if self.bound is None:
            return 0
        ahead = max(0, self.due_at - self._now)
        return max(0, self._burst - self.reserved_count - -(-ahead // max(1, self.interval_us)))


def effective(
    count: int, per_us: int, burst: int, set_count: int | None, set_per_us: int | None, set_burst: int | None
) -> Bound:
    """An operator's number wins over the code's."""
    return Bound(
        count if set_count is None else set_count,
        per_us if set_per_us is None else set_per_us,
        burst if set_burst is None else set_burst,
    )


def most_moved(states: Sequence[KeyState], most: int, now: int) -> dict[str, int]:
    """How many of each queue to read, at most so many in all; one at least where there is room."""
    rooms = {state.key: room_of(state, now) for state in states}
    total = sum(rooms.values())
    if total <= most:
        return rooms
    return {key: min(room, max(1, room * most // total)) for key, room in rooms.items()}
