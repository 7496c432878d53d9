"""When a node asks for work, and for how much."""

from __future__ import annotations

import pytest
from hydra.dispatch import events
from hydra.dispatch.claim_limit import ClaimLimit
from hydra.execution import Ending
from hydra.frames import Recycle
from hypothesis import given
from hypothesis import strategies as st

from tests.dispatch.driver import KILLED, MS, SECOND, Driver, claimed, ended


def busy(free: int, concurrency: int = 64) -> Driver:
    """One worker with so many free places; nothing is under way and no poll is due."""
    node = Driver(concurrency=concurrency).join()
    node.run(*[f"e{number}" for number in range(concurrency - free)])
    return node


def test_an_idle_node_claims_for_all_its_places_at_once() -> None:
    node = Driver(slots=2, concurrency=8)
    node.tick()
    node.registered()
    node.tell(events.WorkerStarted(0))
    assert node.claims() == 8
    node.tell(events.WorkerStarted(1))
    assert node.claims() == 0
    node.run()
    node.tell(events.WorkHint())
    node.tick(MS)
    assert node.claims() == 16


def test_one_claim_is_under_way_at_a_time() -> None:
    node = Driver().join()
    node.tell(events.WorkHint())
    node.tick(SECOND)
    assert not node.claims()


def test_after_a_full_batch_it_asks_again_at_once() -> None:
    node = Driver(slots=2, concurrency=2)
    node.tick()
    node.registered()
    node.tell(events.WorkerStarted(0))
    node.tell(events.WorkerStarted(1))
    node.run("a", "b")
    assert node.claims() == 2


def test_after_a_partial_batch_it_waits_for_a_hint() -> None:
    node = Driver().join().run("a")
    assert not node.claims()
    node.tell(events.WorkHint())
    assert node.claims() == 3


def test_a_hint_during_a_claim_is_not_forgotten() -> None:
    node = Driver().join()
    node.tell(events.WorkHint())
    node.run("a")
    assert node.claims() == 3


def test_without_hints_it_polls_less_and_less_often_up_to_a_limit() -> None:
    node = Driver().join()
    pauses = []
    for _ in range(12):
        asked_at = node.now
        node.run()
        while not node.claims():
            node.tick(10 * MS)
            if node.wants(events.SendBeat):
                node.beaten()
        pauses.append(node.now - asked_at)
    assert pauses[0] < 300 * MS
    assert max(pauses) <= 2_600 * MS
    assert len(set(pauses[-6:])) > 1, "polls are jittered"


def test_hints_that_lead_to_nothing_cost_fewer_and_fewer_claims() -> None:
    node = Driver().join()
    node.run()
    claims = 0
    for _ in range(1000):
        node.now += MS
        node.tell(events.WorkHint())
        if node.claims():
            claims += 1
            node.run()
    assert 20 < claims < 200


def test_a_hint_after_a_quiet_time_is_followed_at_once() -> None:
    node = Driver().join()
    for _ in range(5):
        node.run()
        node.now += SECOND
        node.tell(events.WorkHint())
        assert node.claims() == 4


def test_few_free_places_of_a_busy_node_wait_a_moment_for_more() -> None:
    node = busy(free=1)
    node.tell(events.WorkHint())
    assert not node.claims()
    node.tick(4 * MS)
    assert node.claims() == 1


def test_many_free_places_of_a_busy_node_do_not_wait() -> None:
    node = busy(free=10)
    node.tell(events.WorkHint())
    assert node.claims() == 10


def test_the_end_of_executions_and_the_next_claim_leave_together() -> None:
    node = busy(free=0)
    node.tick(MS)
    node.receive(0, *[ended(node.tokens[f"e{number}"]) for number in range(32)])
    assert len(node.committed()) == 32
    assert node.claims() == 64, "as many places as are free, and as many more as ended since the last claim"


def test_executions_a_worker_hands_back_are_left_to_other_nodes_for_a_moment() -> None:
    node = busy(free=0)
    node.tick(MS)
    node.receive(0, *[ended(node.tokens[f"e{number}"], Ending.RELEASED) for number in range(32)])
    assert not node.claims()
    node.written()
    node.tell(events.WorkHint())
    assert not node.claims()
    node.tick(200 * MS)
    assert node.claims() == 32


def test_g8_what_finds_no_place_goes_back_to_the_queue() -> None:
    node = Driver(concurrency=2).join().run("a", "b", "c")
    assert node.dispatcher.waiting_count == 1
    node.tick(SECOND)
    assert node.committed()["c"].end.kind == Ending.RELEASED
    node.written()
    assert node.dispatcher.owned_count == 2


@pytest.mark.parametrize(
    "event",
    [
        events.WorkerStalled(0, True),
        events.WorkerGone(0, KILLED, []),
        events.DrainAsked(),
        events.OutcomeUnknown("connection reset"),
        events.Received(0, [Recycle("a step does not end", 1 << 62)]),
    ],
    ids=lambda event: type(event).__name__,
)
def test_no_claim_without_a_worker_that_may_take_work(event: events.Event) -> None:
    node = Driver().join().run("a", "b")
    node.tell(event)
    node.tell(events.WorkHint())
    node.tick(SECOND)
    assert not node.claims()


def test_a_worker_that_stalled_takes_work_again_when_it_yields() -> None:
    node = Driver().join().run()
    node.tell(events.WorkerStalled(0, True))
    node.tell(events.WorkHint())
    assert not node.claims()
    node.now += MS
    node.tell(events.WorkerStalled(0, False))
    assert node.claims() == 4


def test_a_failed_claim_is_repeated_later_and_at_once_when_the_database_answers_again() -> None:
    node = Driver().join()
    node.tell(events.ClaimFailed("down"))
    assert not node.claims()
    node.beaten()
    assert node.claims() == 4


def test_b2_nothing_is_claimed_while_commits_fail() -> None:
    node = Driver().join().run("a")
    node.receive(0, ended(node.tokens["a"]))
    node.run()
    node.fail()
    node.tell(events.WorkHint())
    assert not node.claims()


def claims_of(node: Driver, took: int, count: int) -> tuple[list[int], int]:
    """What so many claims ask for, each answered after that time and followed by a hint, and how long it all takes."""
    began, sizes = node.now, []
    for _ in range(count):
        while not node.asked:
            node.now += 10 * MS
            node.tell(events.WorkHint())
            if not node.asked:
                node.beaten()
        sizes.append(node.asked)
        node.now += took
        node.run()
    return sizes, node.now - began


def test_b2_a_node_claims_less_and_less_often_while_claims_take_longer_than_they_did() -> None:
    node = Driver(concurrency=64).join()
    quick, _ = claims_of(node, 5 * MS, 20)
    assert set(quick) == {64}
    slow, took = claims_of(node, 800 * MS, 20)
    assert max(slow[8:]) <= 64 // 8 + 1, "an eighth of its places"
    assert took >= 19 * 1600 * MS, "and as long a pause after each as it took"
    again, _ = claims_of(node, 5 * MS, 40)
    assert set(again[20:]) == {64}


def test_b2_a_database_that_is_far_away_is_not_throttled_for_ever() -> None:
    limit = ClaimLimit()
    for _ in range(500):
        limit = limit.after(300 * MS)
    assert limit.share == 2.0
    assert limit.pause_ns == 0


@given(st.lists(st.integers(0, 100 * SECOND), max_size=50), st.integers(1, 10_000), st.integers(1, 10_000))
def test_b2_whatever_claims_took_one_may_always_be_claimed_and_never_more_than_wanted(
    times: list[int], wanted: int, capacity: int
) -> None:
    limit = ClaimLimit()
    for took in times:
        limit = limit.after(took)
    assert 1 <= limit.allowed(wanted, capacity) <= wanted
    assert limit.share >= 1 / 16
    assert 0 <= limit.pause_ns <= SECOND


def test_executions_go_to_the_least_loaded_worker() -> None:
    node = Driver(slots=3, concurrency=4).join()
    node.run(*[claimed(f"e{number}") for number in range(4)])
    node.run(*[claimed(f"f{number}") for number in range(5)])
    loads = [sum(slot == number for slot in node.slots.values()) for number in range(3)]
    assert loads == [3, 3, 3]
