"""Who goes on at a limit (R29): decided from rows alone, whatever they are."""

from __future__ import annotations

from typing import Any

from hydra.execution import Status
from hydra.limit_keys import interval_us
from hydra.stores.admission import (
    BUSY_US,
    NEVER,
    Bound,
    KeyState,
    Moves,
    Slot,
    Waiting,
    admit,
    keys_beside,
    most_moved,
    room_of,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000_000_000
ONE, TWO = "concurrency:a:x", "concurrency:b:x"
FAST, SLOW = "rate:fast:x", "rate:slow:x"
HELD = [
    (Status.RUNNING, None, ONE),
    (Status.PENDING, None, ONE),
    (Status.PENDING, NEVER, TWO),
]
NOT_HELD = [
    (None, None, None),
    (Status.PENDING, NEVER, ONE),
    (Status.PENDING, NOW + 1, ONE),
    (Status.SLEEPING, NOW + 1, ONE),
    (Status.WAITING, None, ONE),
    (Status.PARKED, None, ONE),
    (Status.COMPLETED, None, ONE),
]


def slots(*rows: tuple[Any, ...]) -> list[Slot]:
    return [Slot(f"s{number}", *row, None) for number, row in enumerate(rows)]


def waiting(count: int, *keys: str) -> list[Waiting]:
    return [Waiting(f"w{number}", keys) for number in range(count)]


def look(*states: KeyState, now: int = NOW, beside: tuple[KeyState, ...] = ()) -> Moves:
    return admit({state.key: state for state in states}, {state.key: state for state in beside}, now)


@given(
    count=st.integers(1, 6),
    rows=st.lists(st.sampled_from([*HELD, *NOT_HELD]), max_size=8),
    queue=st.integers(0, 8),
    held_by_others=st.sets(st.integers(0, 7)),
)
def test_r29_no_more_slots_are_given_than_are_free_and_in_the_order_of_the_queue(
    count: int, rows: list[tuple[Any, ...]], queue: int, held_by_others: set[int]
) -> None:
    line = [Waiting(f"w{n}", (ONE,), n not in held_by_others) for n in range(queue)]
    moves = look(KeyState(ONE, Bound(count), slots=slots(*rows), queue=line))
    held = sum(row in HELD for row in rows)
    free = max(0, count - held)
    free_ones = [each.execution_id for each in line if each.is_free]
    if count == 1 and free and line and not line[0].is_free:
        free_ones = []  # nobody overtakes
    assert [id for id, _ in moves.ready] == free_ones[:free]
    assert moves.taken == [(ONE, id, count) for id, _ in moves.ready]
    assert {id for _, id in moves.dropped} == {f"s{n}" for n, row in enumerate(rows) if row not in HELD}
    if len(moves.ready) < free and any(not each.is_free for each in line):
        assert moves.looks == {ONE: NOW + BUSY_US}  # somebody comes back for those that others hold


def test_r29_with_a_count_of_1_nobody_overtakes_who_is_held_by_somebody_else() -> None:
    line = [Waiting("w0", (ONE,), False), Waiting("w1", (ONE,))]
    assert look(KeyState(ONE, Bound(1), queue=line)).ready == []
    assert look(KeyState(ONE, Bound(2), queue=line)).ready == [("w1", ONE)]


def test_r29_a_slot_is_held_while_its_execution_waits_further_on() -> None:
    moves = look(KeyState(ONE, Bound(1), slots=slots((Status.PENDING, NEVER, TWO)), queue=waiting(1, ONE)))
    assert (moves.ready, moves.gates) == ([], [])


def test_r29_who_has_its_first_slot_waits_for_the_next_in_the_order_of_the_keys() -> None:
    moves = look(KeyState(ONE, Bound(1), queue=waiting(2, ONE, TWO, FAST)))
    assert (moves.ready, moves.gates, moves.calls) == ([], [("w0", TWO)], {TWO})
    moves = look(KeyState(TWO, Bound(1), queue=waiting(1, ONE, TWO)))
    assert moves.ready == [("w0", ONE)]  # where it waits after a sleep is the first one again


def test_r29_a_limit_that_nobody_has_registered_lets_nobody_go() -> None:
    assert look(KeyState(ONE, None, queue=waiting(3, ONE))).ready == []
    assert look(KeyState(FAST, None, queue=waiting(3, FAST))).ready == []


def test_r29_a_paused_key_lets_nobody_go_and_is_looked_at_when_that_is_over() -> None:
    for key in (ONE, FAST):
        until = KeyState(key, Bound(3, 1_000_000, 3), paused_until=NOW + 5, queue=waiting(3, key))
        moves = look(until)
        assert (moves.ready, moves.looks, moves.resumed) == ([], {key: NOW + 5}, [])
        assert room_of(until, NOW) == 0
        moves = look(until, now=NOW + 5)
        assert (len(moves.ready), moves.resumed) == (3, [key])
        moves = look(KeyState(key, Bound(3, 1_000_000, 3), paused_until=NEVER, queue=waiting(3, key)))
        assert (moves.ready, moves.looks) == ([], {})  # whoever resumes it calls


def test_r29_what_needs_a_paused_rate_beside_its_own_waits_there() -> None:
    line = [Waiting("w0", (FAST, SLOW)), Waiting("w1", (FAST,))]
    beside = KeyState(SLOW, Bound(5, 1_000_000, 5), paused_until=NEVER)
    moves = look(KeyState(FAST, Bound(5, 1_000_000, 5), queue=line), beside=(beside,))
    assert (moves.ready, moves.gates) == ([("w1", FAST)], [("w0", SLOW)])


@given(
    count=st.integers(1, 20),
    burst=st.integers(1, 5),
    starts=st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 300_000)), min_size=1, max_size=40),
)
def test_r29_however_late_they_begin_no_span_sees_more_than_its_share_of_a_rate_and_the_burst(
    count: int, burst: int, starts: list[tuple[int, int]]
) -> None:
    """Looks at any instants; what was let go is claimed some time after, or later still."""
    bound = Bound(count, 1_000_000, burst)
    due_at, now = 0, NOW
    open_ones: dict[str, int] = {}  # let go, and when each will be claimed
    claims: list[int] = []
    number = 0
    for pause, delay in starts:
        now += pause
        begun = sorted((at, id) for id, at in open_ones.items() if at <= now)
        rows = [
            Slot(id, Status.RUNNING, None, FAST, at) if at <= now else Slot(id, Status.PENDING, None, FAST, None)
            for id, at in open_ones.items()
        ]
        line = [Waiting(f"w{number + n}", (FAST,)) for n in range(10)]
        state = KeyState(FAST, bound, due_at, slots=rows, queue=line, is_all=False)
        moves = look(state, now=now)
        assert len(moves.ready) == min(10, _room(state, now))
        claims += [at for at, _ in begun]
        for _, id in begun:
            del open_ones[id]
        for id, _ in moves.ready:
            open_ones[id] = now + delay
            number += 1
        due_at = next((at for key, at, _ in moves.clocks if key == FAST), due_at)
        assert moves.ready or moves.looks[FAST] > now
    claims = sorted([*claims, *open_ones.values()])
    interval = interval_us(count, 1_000_000)
    for first, begin in enumerate(claims):
        for last in range(first, len(claims)):
            assert last - first + 1 <= (claims[last] - begin) / interval + burst


def _room(state: KeyState, now: int) -> int:
    room = room_of(state, now) - 64
    return max(0, room)


def test_r29_an_idle_rate_lets_its_burst_go_at_once_and_then_one_at_a_time() -> None:
    moves = look(KeyState(FAST, Bound(10, 1_000_000, 3), queue=waiting(9, FAST), is_all=False))
    assert len(moves.ready) == 3
    rows = [Slot(id, Status.RUNNING, None, FAST, NOW) for id, _ in moves.ready]
    moves = look(KeyState(FAST, Bound(10, 1_000_000, 3), slots=rows, queue=waiting(9, FAST)), now=NOW + 1)
    assert (moves.ready, moves.looks) == ([], {FAST: NOW + 100_000})


def test_r29_a_rate_that_is_raised_forgets_what_the_slower_one_still_owed() -> None:
    state = KeyState(FAST, Bound(10, 1_000_000, 1), due_at=NOW + 3_600_000_000, queue=waiting(2, FAST))
    moves = look(state)
    assert (moves.ready, moves.looks) == ([], {FAST: NOW + 100_000})
    assert moves.clocks == [(FAST, NOW + 100_000, NOW + 100_000)]


def test_r29_two_rates_are_taken_at_once_so_that_no_token_grows_old() -> None:
    fast = KeyState(FAST, Bound(100, 1_000_000, 10), queue=waiting(1, FAST, SLOW))
    assert keys_beside([fast]) == {SLOW}
    slow = KeyState(SLOW, Bound(1, 1_000_000, 1), due_at=NOW + 700_000)
    moves = look(fast, beside=(slow,))
    assert (moves.ready, moves.taken, moves.gates) == ([], [], [("w0", SLOW)])  # it waits where the token is lacking
    assert moves.looks == {SLOW: NOW + 700_000}
    slow = KeyState(SLOW, Bound(1, 1_000_000, 1), queue=waiting(1, FAST, SLOW))
    moves = look(slow, beside=(KeyState(FAST, Bound(100, 1_000_000, 10)),))
    assert [key for key, _, _ in moves.taken] == [FAST, SLOW]
    assert moves.ready == [("w0", FAST)]


def test_r29_a_rate_whose_other_keys_somebody_holds_is_looked_at_again_soon() -> None:
    moves = look(KeyState(FAST, Bound(100, 1_000_000, 10), queue=waiting(1, FAST, SLOW)))
    assert (moves.ready, moves.looks) == ([], {FAST: NOW + BUSY_US})


def test_one_look_moves_no_more_than_it_may_and_somebody_looks_again() -> None:
    many = [KeyState(f"concurrency:a:{n}", Bound(1000)) for n in range(4)]
    rooms = most_moved(many, 100, NOW)
    assert sum(rooms.values()) <= 100
    state = KeyState(ONE, Bound(1000), queue=waiting(5, ONE), is_all=False)
    assert look(state).calls == {ONE}
