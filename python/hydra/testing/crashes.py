"""`crash_matrix`: a workflow run again and again, each time with a crash at another boundary; all must end alike.

baseline ──► its boundaries: before and after each step, before and after each transaction with records
    └──► for each of them: run ──► crash there, all memory lost ──► a new node ──► result and effects alike?
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hydra.body.replay import Key
from hydra.client.handle import Handle
from hydra.definitions import BoundWorkflow
from hydra.errors import HydraError, WorkflowCancelled, WorkflowFailed
from hydra.execution import Status
from hydra.testing.harness import Harness

R = TypeVar("R")

MAX_BOUNDARIES = 10_000
_WITHOUT_END = (None, "crashed", "running", "started")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Crash(BaseException):
    """The end of a node, raised where it happens."""


@dataclass
class CrashReport:
    """What the matrix has shown. `result` is what the workflow returned, or how it failed or was cancelled, as a text;
    `repeated` counts the steps that ran again: their record was not durable.
    """

    result: Any
    boundaries: list[str] = field(default_factory=list)
    repeated: Counter[str] = field(default_factory=Counter)

    @property
    def crash_count(self) -> int:
        """How many runs ended in a crash: one for each boundary."""
        return len(self.boundaries)


def crash_matrix(
    bound: BoundWorkflow[R],
    *,
    effects: Callable[[], Any] | None = None,
    setup: Callable[[Harness], object] | None = None,
    submitted: Callable[[Handle[R]], object] | None = None,
) -> CrashReport:
    """Run `bound` with a crash at every boundary: before and after each step, before and after each transaction with
    records.

        report = crash_matrix(bill.bind("visa-1", 1999), effects=provider.charges_by_key)
        assert report.result == "paid"

    Args:
        bound: a workflow with its arguments.
        effects: asked after each run what the world looks like; it must say the same after every run as after the one
            without a crash. Make it count what the outside saw, by idempotency key, as the outside would.
        setup: prepares each run's harness, for example by submitting what the workflow needs.
        submitted: called with each run's handle before anything runs, for example to signal what will be waited for.

    Raises:
        AssertionError: names the first boundary after which something differs.
    """
    baseline = _run(bound, None, effects, setup, submitted)
    if len(baseline.reached) > MAX_BOUNDARIES:
        raise HydraError(f"`{bound.name}` has more than {MAX_BOUNDARIES} boundaries; give it a smaller input")
    report = CrashReport(baseline.outcome, baseline.reached)
    for index, boundary in enumerate(baseline.reached):
        run = _run(bound, index, effects, setup, submitted)
        where = f"after a crash at boundary {index + 1} of {len(baseline.reached)} ({boundary}), `{bound.name}`"
        losers = Losers.of(baseline, run)
        if not losers.begin_alike(baseline.reached[: index + 1], run.reached[: index + 1]):
            raise AssertionError(f"{where} did not even begin alike: {run.reached[: index + 1]}")
        if run.outcome != baseline.outcome:
            raise AssertionError(f"{where} ended with {run.outcome!r}, not with {baseline.outcome!r}")
        if differing := losers.differing(baseline.steps, run.steps):
            told = [{key: steps.get(key) for key in differing} for steps in (run.steps, baseline.steps)]
            raise AssertionError(f"{where} recorded {told[0]!r}, not {told[1]!r}")
        if run.effects != baseline.effects:
            raise AssertionError(f"{where} left the effects {run.effects!r}, not {baseline.effects!r}")
        report.repeated += run.started - baseline.started
    return report


@dataclass
class _Run:
    reached: list[str] = field(default_factory=list)
    outcome: Any = None
    steps: dict[Key, str] = field(default_factory=dict)  # how each ended, as far as it has
    given_up: set[tuple[str, Key]] = field(default_factory=set)  # the line of calls, what it had asked for
    is_cancelled: bool = False
    effects: Any = None

    @property
    def started(self) -> Counter[str]:
        return Counter(boundary for boundary in self.reached if boundary.startswith("before step "))


@dataclass
class Losers:
    """What the body gave up in either of two runs: chance decides how far that came, and what its line did before.
    Where the execution is cancelled, chance decides how far each step came.
    """

    keys: set[Key]
    lines: set[str]
    names: set[str]  # of the steps of those lines
    is_cancelled: bool

    @classmethod
    def of(cls, baseline: _Run, run: _Run) -> Losers:
        given_up = baseline.given_up | run.given_up
        keys = {key for _, key in given_up}
        lines = {line for line, _ in given_up} | {branch for branch, name, _ in keys if branch and not name}
        losers = cls(keys, lines, set(), baseline.is_cancelled)
        losers.names = {key[1] for key in {*keys, *baseline.steps, *run.steps} if key in keys or losers.has(key[0])}
        return losers

    def has(self, branch: str) -> bool:
        return any(branch == line or (line and branch.startswith((f"{line}/", f"{line}."))) for line in self.lines)

    def differing(self, baseline: dict[Key, str], run: dict[Key, str]) -> list[Key]:
        """The steps that ended otherwise, and not by chance."""
        return [key for key in sorted({*baseline, *run}) if not self._are_alike(key, baseline.get(key), run.get(key))]

    def _are_alike(self, key: Key, before: str | None, after: str | None) -> bool:
        if before == after or key in self.keys:
            return True
        is_missing = before in _WITHOUT_END or after in _WITHOUT_END
        is_chance = self.is_cancelled or self.has(key[0])
        return is_missing and (is_chance or (before in _WITHOUT_END and after in _WITHOUT_END))

    def begin_alike(self, baseline: list[str], run: list[str]) -> bool:
        """Up to where `run` was ended; without what the losers came to, and the transactions it may be in."""
        if not self.lines:
            return run == baseline
        run, baseline = self._without(run), self._without(baseline)
        return all(one == other for one, other in zip(run, baseline, strict=False))

    def _without(self, boundaries: list[str]) -> list[str]:
        gone = {f"{place} step {name}" for name in self.names for place in ("before", "after")}
        return [boundary for boundary in boundaries if boundary not in gone and " step " in boundary]


def _run(
    bound: BoundWorkflow[Any],
    crash_at: int | None,
    effects: Callable[[], Any] | None,
    setup: Callable[[Harness], object] | None,
    submitted: Callable[[Handle[Any]], object] | None,
) -> _Run:
    run = _Run()

    def watch(boundary: str) -> None:
        boundary = _ID.sub("…", boundary)  # a child's id, which each run makes again
        run.reached.append(boundary)
        if len(run.reached) - 1 == crash_at:
            raise Crash(boundary)

    with Harness() as harness:
        if setup is not None:
            setup(harness)
        handle = harness.submit(bound)
        if submitted is not None:
            submitted(handle)
        harness.watch(watch)
        try:
            run.outcome = _outcome(harness, handle)
        except Crash:
            harness.crash()
            run.outcome = _outcome(harness, handle)
        harness.watch(None)
        run.is_cancelled = handle.status() is Status.CANCELLED
        run.steps = {(step.branch, step.name, step.ordinal): step.status for step in handle.steps()}
        run.given_up = {(line, key) for id, line, key in harness.given_up if id == handle.id}
        broken = harness.engine.audit()
        if broken:
            raise AssertionError(f"the database shows a broken promise: {broken}")
        if effects is not None:
            run.effects = effects()
    return run


def _outcome(harness: Harness, handle: Any) -> Any:
    try:
        return harness.run_until_done(handle)
    except (WorkflowFailed, WorkflowCancelled) as end:
        return str(end).replace(handle.id, "…")
