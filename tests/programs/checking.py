"""What must hold of a program: on hydra it is what it is in plain asyncio, whatever goes wrong on the way.

plain asyncio ══ a run without faults ══ with a crash or an eviction anywhere, outside time being the same
                                      └─ with other times after the fault: what was decided stays decided
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hydra.testing import Harness

from tests.programs.grammar import Program
from tests.programs.reference import Model, Order, Tie
from tests.programs.running import Plan, Run

Final = dict[str, tuple[Any, list[str], list[str]]]
CANCELLED = ("cancelled", None)
MAX_ORDERS = 400  # of the ties of one program, that are tried
MAX_TIES = 40  # ahead of those that went otherwise


@dataclass(frozen=True)
class Failure:
    """The first thing that did not hold."""

    what: str
    plan: Plan

    def __str__(self) -> str:
        return f"{self.what}\n    with the plan: {self.plan}"


class Useless(Exception):
    """The program waits for itself for ever, in plain asyncio, too."""


def reference_of(program: Program) -> Model:
    model = Model(program)
    if not model.run():
        raise Useless
    return model


def check(program: Program, harness: Harness, seed: int, plan_count: int | None = None) -> Failure | None:
    """All plans, or so many of them, by the seed."""
    model = reference_of(program)
    baseline = Run(program, Plan(), harness).run()
    other = Model(program, (Tie.MESSAGE,))
    other.run()
    unsure = model.unsure | other.unsure
    legal = [canonical(without(each.final(), unsure)) for each in (model, other)]
    late = {each.who for each in model.executions if program.is_ended_by_cancel and each.end != CANCELLED}
    expected = without(baseline.final(), unsure)
    theirs = legal[1] if canonical(expected) == legal[1] else legal[0]
    failure = judge(baseline, Plan(), theirs, canonical(expected), "plain asyncio", late)
    if failure and not is_tie(program, baseline, canonical(expected), unsure):
        return failure
    for plan in plans(baseline, seed, plan_count):
        run = Run(program, plan, harness).run()
        final = without(run.final(), unsure)
        failure = judge(run, plan, expected, final, "the run without a fault", late)
        # A tie within one instant may go otherwise, as long as nothing was decided by it.
        if failure and canonical(final) not in legal and not is_tie(program, run, canonical(final), unsure):
            return failure
        if failure and run.recording.inconsistencies():
            return failure
    return None


def is_tie(program: Program, run: Run, final: Final, unsure: set[tuple[str, str]]) -> bool:
    """Whether plain asyncio comes to the same, if ties within one instant go otherwise: each is tried both ways."""
    if run.recording.inconsistencies():
        return False
    orders: deque[Order] = deque([()])
    for _ in range(MAX_ORDERS):
        if not orders:
            break
        order = orders.popleft()
        model = Model(program, (*order, Tie.OUTCOME))
        model.run()
        if canonical(without(model.final(), unsure)) == final:
            return True
        ahead = range(len(order), min(model.loop.tie_count, len(order) + MAX_TIES))
        tied = [(*order, *[Tie.OUTCOME] * (at - len(order)), tie) for at in ahead for tie in (Tie.MESSAGE, Tie.BEHIND)]
        orders.extend(tied)
    return False


def plans(baseline: Run, seed: int, plan_count: int | None) -> Iterator[Plan]:
    """A fault at each record of one kind, at each boundary by itself, and some with other times after it.

    One alone is of the kind that is the seed's turn: programs one after the other have all kinds.
    """
    chance = random.Random(seed)
    count = len(baseline.boundaries)
    kinds = [
        [Plan("crash", after="after the commit")],
        [Plan("crash", after="after step")],
        [Plan("evict", after="after the commit")],
        [Plan("crash", after="after the commit", seed=seed)],
        [Plan("crash", frozenset([at])) for at in range(count)],
        [Plan("evict", frozenset([at])) for at in range(count) if "the commit" in baseline.boundaries[at]],
        [Plan("crash", frozenset([at]), seed=seed + at) for at in range(count)],
    ]
    every = list(itertools.chain.from_iterable(kinds))
    if plan_count is None:
        yield from every
    elif plan_count == 1:
        yield chance.choice(kinds[seed % len(kinds)])
    else:
        yield from every[:1]
        yield from chance.sample(every[1:4], min(2, plan_count - 1))
        yield from chance.sample(every[4:], min(max(0, plan_count - 3), len(every) - 4))


def judge(run: Run, plan: Plan, expected: Final, final: Final, what: str, late: set[str]) -> Failure | None:
    found = run.recording.inconsistencies()
    if found:
        return Failure(found[0], plan)
    if not plan.is_steady:
        return None
    for who, theirs in expected.items():
        mine = final.get(who)
        if mine is None:
            return Failure(f"execution {who!r} never began", plan)
        if who in late and CANCELLED in (mine[0], theirs[0]):
            continue  # its body was over, but a step that nobody waits for kept it open: both ends are true
        for name, left, right in zip(("end", "notes", "undo"), mine, theirs, strict=True):
            if name == "notes" and theirs[0] == CANCELLED:
                continue  # where exactly a body stands when it is told is nobody's business
            if name == "notes" and mine[2] and left == right[: len(left)]:
                continue  # once its end is sealed a body is replayed as far as its records go: a timer may come behind
            if left != right:
                return Failure(f"{name} of {who!r} differ from {what}:\n{difference(left, right)}", plan)
    return None


def without(final: Final, unsure: set[tuple[str, str]]) -> Final:
    """But for what undoes a call that was cancelled while it registered that: it may have been recorded by then."""
    return {
        who: (end, notes, [label for label in undo if (who, label) not in unsure])
        for who, (end, notes, undo) in final.items()
    }


def canonical(final: Final) -> Final:
    """asyncio cancels the tasks of a set in whatever order the set has them."""
    return {who: (end, sorted_cancels(notes), undo) for who, (end, notes, undo) in final.items()}


def sorted_cancels(notes: list[str]) -> list[str]:
    return [
        note
        for is_cancel, group in itertools.groupby(notes, lambda note: note.endswith("raised CancelledError"))
        for note in (sorted(group) if is_cancel else group)
    ]


def difference(mine: object, theirs: object) -> str:
    if isinstance(mine, list) and isinstance(theirs, list):
        at = next(
            (at for at, (left, right) in enumerate(zip(mine, theirs, strict=False)) if left != right),
            min(len(mine), len(theirs)),
        )
        return f"    at {at}: {mine[at : at + 4]}\n    not   {theirs[at : at + 4]}"
    return f"    {mine}\n    not {theirs}"
