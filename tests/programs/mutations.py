"""What keeps a decided race decided, taken out one at a time: each must be found by a random program.

`python -m tests.programs.mutations` looks for the first seed that finds each, which `SEEDS` holds for the tests.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from hydra.body.async_body import AsyncBody
from hydra.body.loop import BodyLoop
from hydra.body.replay_order import Order
from hydra.execution import RecordKind

from tests.programs.generating import EXTRAS, KINDS
from tests.programs.programs import quieten, run_seeds

SEARCH_PROGRAMS = 2_000
PLANS = 6

wait_turn, is_pending = Order.wait_turn, BodyLoop.is_pending


def answers_at_once(is_meant: Callable[[Any, Any], bool]) -> Any:
    """In the order of asking, not of the log: what is meant, by its key and what is known of it."""

    def ask(self: Order, key: Any, past: Any) -> None:
        if is_meant(key, past):
            self._asked.add(key)
        else:
            wait_turn(self, key, past)

    return ask


def is_outcome(*kinds: str) -> Callable[[Any, Any], bool]:
    return lambda key, past: past is not None and past.outcome is not None and past.outcome.kind in kinds


def fires_unrecorded(self: AsyncBody, timer: Any, now: int) -> None:
    self.fire(timer.key, 0)


def gives_up_nothing(self: AsyncBody, request: Any) -> None:
    """What was cancelled goes on."""


def has_no_timer(self: BodyLoop, excluded: Any = None) -> None:
    return None


class Mutation(NamedTuple):
    owner: Any
    attribute: str
    replacement: Any
    kinds: str  # of statements that the case is made of


ORDER = Order, "wait_turn", answers_at_once(lambda key, past: past is not None and past.outcome is not None)
TOLD_TOO_SOON = Order, "wait_turn", answers_at_once(lambda key, past: past is None or past.outcome is None)

# The number is the case's in the issue that asked for all this: what a user saw.
MUTATIONS: dict[str, Mutation] = {
    "1 the first of several decides, and after a crash another does": Mutation(*ORDER, "act as_completed"),
    "2 a timer that won a race does not win it again": Mutation(
        AsyncBody, "_fire", fires_unrecorded, "act sleep event wait_tasks"
    ),
    "3 children that end later are told with the first": Mutation(*TOLD_TOO_SOON, "act spawn as_completed"),
    "4 undo steps of tasks are registered in another order": Mutation(*ORDER, "act undo gather fail"),
    "5 another failure is the first": Mutation(
        Order, "wait_turn", answers_at_once(is_outcome(RecordKind.FAILURE)), "act attempt gather"
    ),
    "6 what is appended in the order of completion is another list": Mutation(*ORDER, "act gather"),
    "7 a time-out of asyncio's never comes": Mutation(BodyLoop, "first_timer", has_no_timer, "act timeout event"),
    "7 a step that ran out of its task's time goes on": Mutation(
        AsyncBody, "_give_up", gives_up_nothing, "act wait_for"
    ),
    "8 what was given up keeps its execution's place": Mutation(
        AsyncBody, "_give_up", gives_up_nothing, "act event cancel sleep"
    ),
}

SEEDS = {
    "1 the first of several decides, and after a crash another does": 1,
    "2 a timer that won a race does not win it again": 17,
    "3 children that end later are told with the first": 1,
    "4 undo steps of tasks are registered in another order": 1,
    "5 another failure is the first": 1,
    "6 what is appended in the order of completion is another list": 1,
    "7 a time-out of asyncio's never comes": 0,
    "7 a step that ran out of its task's time goes on": 0,
    "8 what was given up keeps its execution's place": 5,
}  # each program is right with everything in its place, and is not with that taken out


def without(name: str) -> frozenset[str]:
    return EXTRAS | (KINDS - frozenset(MUTATIONS[name].kinds.split()))


@contextmanager
def taken_out(name: str) -> Iterator[None]:
    owner, attribute, replacement, _ = MUTATIONS[name]
    own = getattr(owner, attribute)
    setattr(owner, attribute, replacement)
    try:
        yield
    finally:
        setattr(owner, attribute, own)


def main() -> int:
    quieten()
    not_found = 0
    for name in MUTATIONS:
        with taken_out(name):
            seed, failure = next(run_seeds(range(SEARCH_PROGRAMS), PLANS, without(name)), (None, None))
        not_found += seed is None
        print(f"    {name!r}: {seed},  # {str(failure).splitlines()[0][:120]}", flush=True)
    return min(1, not_found)


if __name__ == "__main__":
    sys.exit(main())
