"""Turns between the values of a key: start-time fair queueing, decided from numbers alone."""

from __future__ import annotations

import heapq

import pytest
from hydra.execution import Status
from hydra.limits import WINDOW
from hydra.stores.admission import BUSY_US, NEVER, Bound, KeyState, Moves, Slot, Waiting, admit
from hydra.stores.turns import AGED_TURN, MAX_WINDOW, Turns, VirtualTime, elder_count, window
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000_000_000
A, B, TIME = "by_turns:fair:a", "by_turns:fair:b", "turns_at:fair:"
CONCURRENCY = "concurrency:one:x"


class Server:
    """Values with backlogs, one place where executions begin, and looks between so many of them."""

    def __init__(self, weights: dict[str, int], counts: dict[str, int], pause_us: int = 1) -> None:
        self.pause_us = pause_us
        self.weights = weights
        self.counts = counts
        self.finishes = dict.fromkeys(weights, 0)
        self.open: dict[str, list[int]] = {value: [] for value in weights}
        self.begun: dict[str, list[int]] = {value: [] for value in weights}
        self.at_ns = 0
        self.ready: list[tuple[int, str]] = []
        self.order: list[str] = []
        self.now = NOW

    def look(self) -> None:
        self.now += self.pause_us
        time = VirtualTime(self.at_ns, self.now)
        for starts in self.begun.values():
            for start in starts:
                time.used(start)
        self.at_ns = time.at_ns
        for value in self.weights:
            turns = Turns(self.finishes[value], self.weights[value], time)
            room = window(len(self.begun[value])) - len(self.open[value])
            self.begun[value] = []
            for _ in range(min(room, self.counts[value])):
                start = turns.take()
                self.counts[value] -= 1
                self.open[value].append(start)
                heapq.heappush(self.ready, (start, value))
            self.finishes[value] = turns.finish_ns

    def serve(self, count: int) -> None:
        for _ in range(min(count, len(self.ready))):
            start, value = heapq.heappop(self.ready)
            self.open[value].remove(start)
            self.begun[value].append(start)
            self.order.append(value)


@given(
    weights=st.lists(st.sampled_from([250, 500, 1000, 2000, 4000]), min_size=2, max_size=6),
    between=st.integers(1, 40),
)
def test_values_that_wait_get_turns_by_their_weights(weights: list[int], between: int) -> None:
    values = {f"v{number}": weight for number, weight in enumerate(weights)}
    server = Server(values, dict.fromkeys(values, 1_000_000))
    while len(server.order) < 2000:
        server.look()
        server.serve(between)
    for value, weight in values.items():
        share = len(server.order) * weight / sum(values.values())
        # what is let go at once of each is the most that it may be ahead or behind
        assert abs(server.order.count(value) - share) <= 2 * between + 2 * WINDOW + 2


@pytest.mark.parametrize("pause_us", [100, 10_000, 1_000_000])
@pytest.mark.parametrize(("weights", "between"), [((250, 4000), 3), ((1000, 3000), 10), ((500, 500, 2000), 1)])
def test_shares_are_exact_once_the_virtual_time_keeps_up_with_a_clock_that_is_faster(
    pause_us: int, weights: tuple[int, ...], between: int
) -> None:
    values = {f"v{number}": weight for number, weight in enumerate(weights)}
    server = Server(values, dict.fromkeys(values, 1_000_000), pause_us)
    while len(server.order) < 8000:
        server.look()
        server.serve(between)
    settled = server.order[4000:8000]
    for value, weight in values.items():
        assert settled.count(value) == pytest.approx(4000 * weight / sum(weights), rel=0.05)


@given(backlog=st.integers(1000, 100_000), between=st.integers(1, 40), before=st.integers(0, 500))
def test_who_comes_late_is_behind_nobodys_backlog(backlog: int, between: int, before: int) -> None:
    server = Server({"a": 1000, "b": 1000}, {"a": backlog, "b": 0})
    while len(server.order) < min(before, backlog - 200):
        server.look()
        server.serve(between)
    server.counts["b"] = 10
    came = len(server.order)
    while server.order.count("b") < 10:
        server.look()
        server.serve(between)
    last = max(place for place, value in enumerate(server.order) if value == "b")
    # its ten, as many of the other's, and what one look had let begin before anybody counted it
    assert last - came <= 20 + 2 * between


@given(st.integers(0, 1 << 62), st.sampled_from([10, 1000, 100_000]), st.integers(0, 1 << 62))
def test_a_turn_never_starts_before_the_one_before_it_and_each_eighth_is_the_eldests(
    finish: int, weight: int, at_ns: int
) -> None:
    turns = Turns(finish, weight, VirtualTime(at_ns, NOW))
    starts, eldests = [], 0
    for _ in range(2 * AGED_TURN):
        eldests += turns.is_eldests()
        starts.append(turns.take())
    assert starts == sorted(set(starts))
    assert eldests == 2


def test_the_virtual_time_never_goes_back_and_skips_what_was_idle() -> None:
    time = VirtualTime(NOW * 1000 - 5_000_000_000, NOW)
    assert time.is_behind()
    time.used(1)
    assert time.at_ns == NOW * 1000 - 5_000_000_000
    time.skip_idle_time()
    assert (time.at_ns, time.is_behind()) == (NOW * 1000, False)
    assert VirtualTime(0, NOW).at_ns == NOW * 1000


def test_a_window_grows_with_what_began_and_has_an_end() -> None:
    assert [window(count) for count in (0, 4, 5, 100, 10_000)] == [WINDOW, WINDOW, 10, 200, MAX_WINDOW]
    assert elder_count(WINDOW) == 2


# what a look does with it


def look(*states: KeyState) -> Moves:
    return admit({state.key: state for state in states}, {}, NOW)


def waiting(name: str, count: int, *keys: str) -> list[Waiting]:
    return [Waiting(f"{name}{number}", keys) for number in range(count)]


def test_r29_no_more_of_a_value_are_let_go_than_its_window() -> None:
    state = KeyState(A, Bound(WINDOW), queue=waiting("a", 20, A))
    moves = look(state, KeyState(TIME, None))
    assert [id for id, _ in moves.ready] == [f"a{number}" for number in range(WINDOW)]
    assert [id for _, id, _ in moves.taken] == [id for id, _ in moves.turns] == [id for id, _ in moves.ready]
    assert {key for key, _, _ in moves.clocks} == {A, TIME}
    open_ones = [Slot(f"o{number}", Status.PENDING, None, A, None, 8) for number in range(WINDOW - 1)]
    held_up = [Slot("h", Status.PENDING, NEVER, CONCURRENCY, None, 8)]
    assert look(KeyState(A, Bound(WINDOW), queue=waiting("a", 3, A), slots=[*open_ones, *held_up])).ready == []


def test_r29_what_has_begun_leaves_room_for_the_next_and_moves_the_virtual_time() -> None:
    begun = [Slot(f"o{number}", Status.RUNNING, None, A, NOW, (NOW + number) * 1000) for number in range(WINDOW)]
    moves = look(KeyState(A, Bound(WINDOW), queue=waiting("a", 30, A), slots=begun), KeyState(TIME, None, due_at=8))
    assert len(moves.ready) == 2 * WINDOW
    assert moves.dropped == [(A, f"o{number}") for number in range(WINDOW)]
    assert (TIME, (NOW + WINDOW - 1) * 1000, None) in moves.clocks


def test_r29_each_eighth_turn_is_the_eldests_whatever_its_priority() -> None:
    elders = waiting("old", 3, A)
    moves = look(KeyState(A, Bound(WINDOW), queue=waiting("urgent", 20, A), elders=elders))
    assert [id for id, _ in moves.ready].count("old0") == 1
    assert len(moves.ready) == WINDOW


def test_r29_who_has_a_turn_waits_at_its_next_limit_in_its_order() -> None:
    moves = look(KeyState(A, Bound(WINDOW), queue=waiting("a", 2, A, CONCURRENCY)))
    assert (moves.ready, moves.gates) == ([], [("a0", CONCURRENCY), ("a1", CONCURRENCY)])
    assert moves.calls == {CONCURRENCY}
    assert moves.turns[0][1] < moves.turns[1][1]


def test_r29_who_is_held_by_somebody_else_is_passed_over_and_looked_at_again() -> None:
    moves = look(KeyState(A, Bound(WINDOW), queue=[Waiting("a0", [A], False), Waiting("a1", [A])]))
    assert [id for id, _ in moves.ready] == ["a1"]
    assert moves.looks == {A: NOW + BUSY_US}
