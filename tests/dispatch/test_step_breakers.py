"""The breakers of steps on a node: who may call, who waits, who is told."""

from __future__ import annotations

import msgspec
from hydra import Breaker
from hydra.circuit_breaker import CircuitState
from hydra.dispatch import events
from hydra.dispatch.health import why_not_ready
from hydra.frames import AskBreaker, BreakerAnswer, BreakerIs, Tried

from tests.dispatch.driver import KILLED, MS, SECOND, TTL, Driver

PSP = Breaker("psp", min_calls=2, max_calls=4, good_probes=1, wait=1.0, max_wait=60.0)


def node_with(slots: int = 2) -> Driver:
    node = Driver(slots=slots).join().run()
    if node.claims():
        node.run()
    return node


def ask(node: Driver, slot: int, number: int, breaker: Breaker = PSP) -> int:
    """For how long the worker is told to wait, in microseconds."""
    node.receive(slot, AskBreaker(number, breaker.name, breaker.settings, node.now // 1000))
    (answer,) = [frame for frame in frames(node, slot) if isinstance(frame, BreakerAnswer)]
    assert answer.number == number
    return answer.wait_us


def tried(node: Driver, number: int, is_good: bool | None, took_us: int) -> Tried:
    return Tried(number, "psp", is_good, took_us, node.now // 1000)


def frames(node: Driver, slot: int) -> list[object]:
    return [frame for action in node.wants(events.ToSlot) if action.slot == slot for frame in action.frames]


def opened(node: Driver) -> None:
    assert ask(node, 0, 1) == ask(node, 0, 2) == 0
    node.receive(0, tried(node, 1, False, 10))
    node.receive(0, tried(node, 2, False, 10))


def states(node: Driver) -> dict[str, CircuitState]:
    return {each.circuit: each.state for each in node.dispatcher.standing().circuits if "breaker" in each.circuit}


def test_calls_that_fail_open_it_and_every_worker_and_the_database_are_told() -> None:
    node = node_with()
    opened(node)
    assert states(node) == {"breaker:psp": CircuitState.OPEN}
    (action,) = node.wants(events.BreakerOpened)
    assert (action.name, action.reason) == ("psp", "2 of the last 2 calls failed")
    assert 0 < action.until - node.now // 1000 <= 1_000_000
    for slot in (0, 1):
        (told,) = frames(node, slot)
        assert isinstance(told, BreakerIs) and told.wait_us > 0
    assert ask(node, 1, 1) > 0


def test_after_its_pause_one_probe_calls_and_a_good_one_closes_it() -> None:
    node = node_with()
    opened(node)
    node.now += SECOND
    assert ask(node, 1, 1) == 0
    assert ask(node, 0, 3) > 0  # one at a time
    assert not node.wants(events.BreakerOpened)
    node.receive(1, tried(node, 1, True, 10))
    assert [action.name for action in node.wants(events.BreakerClosed)] == ["psp"]
    assert frames(node, 0) == frames(node, 1) == [BreakerIs("psp", 0)]
    assert ask(node, 0, 4) == 0


def test_a_bad_probe_opens_it_for_longer() -> None:
    node = node_with()
    opened(node)
    node.now += SECOND
    assert ask(node, 1, 1) == 0
    node.receive(1, tried(node, 1, False, 10))
    (action,) = node.wants(events.BreakerOpened)
    assert action.until - node.now // 1000 >= 1_000_000
    assert states(node) == {"breaker:psp": CircuitState.OPEN}


def test_a_probe_whose_worker_dies_makes_room_for_another() -> None:
    node = node_with()
    opened(node)
    node.now += SECOND
    assert ask(node, 1, 1) == 0
    assert ask(node, 0, 3) > 0
    node.die(1, reason=KILLED)
    assert ask(node, 0, 4) == 0


def test_what_says_nothing_of_the_provider_makes_room_and_counts_nothing() -> None:
    node = node_with()
    opened(node)
    node.now += SECOND
    assert ask(node, 0, 3) == 0
    node.receive(0, tried(node, 3, None, 0))
    assert states(node) == {"breaker:psp": CircuitState.HALF_OPEN}
    assert ask(node, 0, 4) == 0


def test_calls_that_ask_nothing_count_while_it_is_closed_and_not_after() -> None:
    node = node_with()
    assert ask(node, 0, 1) == 0
    node.receive(0, tried(node, 1, True, 10))
    for _ in range(3):
        node.receive(0, tried(node, 0, False, 10))
    assert states(node) == {"breaker:psp": CircuitState.OPEN}
    assert len(node.wants(events.BreakerOpened)) in (0, 1)
    node.receive(0, tried(node, 0, True, 10))
    assert states(node) == {"breaker:psp": CircuitState.OPEN}


def test_it_opens_where_another_node_says_so_and_probes_when_that_says_it_is_closed() -> None:
    node = node_with()
    node.receive(0, AskBreaker(1, "psp", PSP.settings, node.now // 1000))
    assert node.wants(events.WatchBreakers)
    node.receive(0, tried(node, 1, True, 10))
    now = node.now // 1000
    node.tell(
        events.BreakersSeen(
            {"psp": (now + 30_000_000, "5 of the last 9 calls failed"), "other": (now + 1, "slow")}, now
        )
    )
    assert states(node) == {"breaker:psp": CircuitState.OPEN}
    assert not node.wants(events.BreakerOpened)  # it is told already
    assert ask(node, 0, 2) >= 30 * 1_000_000
    node.now += MS
    node.tell(events.BreakersSeen({}, node.now // 1000))
    assert ask(node, 0, 3) == 0
    node.receive(0, tried(node, 3, True, 10))
    assert states(node) == {"breaker:psp": CircuitState.CLOSED}


def test_other_numbers_of_new_code_begin_again_and_an_open_one_keeps_no_node_from_being_ready() -> None:
    node = node_with()
    opened(node)
    standing = node.dispatcher.standing()
    standing = msgspec.structs.replace(standing, workers=[("up", True)], lease_deadline_ns=node.now + TTL)
    assert why_not_ready(standing, node.now, TTL, node.now) is None
    assert ask(node, 0, 9, Breaker("psp", min_calls=3)) == 0
