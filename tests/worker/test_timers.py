"""What is due is called in the order of its instants; of two at one instant, the one that was asked first."""

from __future__ import annotations

from collections.abc import Callable

from hydra.body.step_call import NEVER_NS
from hydra.worker.timers import Timers


def noting(called: list[str], name: str) -> Callable[[], None]:
    return lambda: called.append(name)


def test_what_is_due_is_called_once_and_the_next_instant_is_known() -> None:
    timers, called = Timers(), list[str]()
    assert timers.next_ns == NEVER_NS
    for at_ns, name in ((30, "c"), (10, "a"), (20, "b"), (10, "a2")):
        timers.call_at(at_ns, noting(called, name))
    timers.run(9)
    assert called == [] and timers.next_ns == 10
    timers.run(20)
    assert called == ["a", "a2", "b"] and timers.next_ns == 30
    timers.run(30)
    timers.run(30)
    assert called == ["a", "a2", "b", "c"] and timers.next_ns == NEVER_NS


def test_what_a_timer_asks_for_is_called_in_the_same_turn_if_it_is_due() -> None:
    timers, called = Timers(), list[str]()
    timers.call_at(10, lambda: (timers.call_at(5, noting(called, "now")), timers.call_at(11, noting(called, "later"))))
    timers.run(10)
    assert called == ["now"] and timers.next_ns == 11
    timers.clear()
    timers.run(11)
    assert called == ["now"] and timers.next_ns == NEVER_NS
