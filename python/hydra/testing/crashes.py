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

from hydra.client.handle import Handle
from hydra.definitions import BoundWorkflow
from hydra.errors import HydraError, WorkflowFailed
from hydra.testing.harness import Harness

R = TypeVar("R")

BOUNDARIES_MAXIMUM = 10_000
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Crash(BaseException):
    """The end of a node, raised where it happens."""


@dataclass
class CrashReport:
    """What the matrix has shown. `repeated` counts the steps that ran again: their record was not durable."""

    result: Any
    boundaries: list[str] = field(default_factory=list)
    repeated: Counter[str] = field(default_factory=Counter)

    @property
    def crash_count(self) -> int:
        return len(self.boundaries)


def crash_matrix(
    bound: BoundWorkflow[R],
    *,
    effects: Callable[[], Any] | None = None,
    setup: Callable[[Harness], object] | None = None,
    submitted: Callable[[Handle[R]], object] | None = None,
) -> CrashReport:
    """Run `bound` with a crash at every boundary; an AssertionError names the first one after which something differs.

    `effects` is asked after each run what the world looks like, and must say the same after every run as after the one
    without a crash; make it count what the outside saw (by idempotency key, as the outside would). `setup` prepares
    each run's harness, for example by submitting what the workflow needs. `submitted` is called with each run's handle
    before anything runs, for example to signal what the workflow will wait for.
    """
    baseline = _run(bound, None, effects, setup, submitted)
    if len(baseline.reached) > BOUNDARIES_MAXIMUM:
        raise HydraError(f"`{bound.name}` has more than {BOUNDARIES_MAXIMUM} boundaries; give it a smaller input.")
    report = CrashReport(baseline.outcome, baseline.reached)
    for index, boundary in enumerate(baseline.reached):
        run = _run(bound, index, effects, setup, submitted)
        where = f"after a crash at boundary {index + 1} of {len(baseline.reached)} ({boundary}), `{bound.name}`"
        if run.reached[: index + 1] != baseline.reached[: index + 1]:
            raise AssertionError(f"{where} did not even begin alike: {run.reached[: index + 1]}")
        if run.outcome != baseline.outcome:
            raise AssertionError(f"{where} ended with {run.outcome!r}, not with {baseline.outcome!r}")
        if run.steps != baseline.steps:
            raise AssertionError(f"{where} recorded {run.steps!r}, not {baseline.steps!r}")
        if run.effects != baseline.effects:
            raise AssertionError(f"{where} left the effects {run.effects!r}, not {baseline.effects!r}")
        report.repeated += run.started - baseline.started
    return report


@dataclass
class _Run:
    reached: list[str] = field(default_factory=list)
    outcome: Any = None
    steps: list[tuple[str, str]] = field(default_factory=list)
    effects: Any = None

    @property
    def started(self) -> Counter[str]:
        return Counter(boundary for boundary in self.reached if boundary.startswith("before step "))


def _run(
    bound: BoundWorkflow[Any],
    crash_at: int | None,
    effects: Callable[[], Any] | None,
    setup: Callable[[Harness], object] | None,
    submitted: Callable[[Handle[Any]], object] | None,
) -> _Run:
    run = _Run()

    def watch(boundary: str) -> None:
        boundary = _ID.sub("…", boundary)  # a child's id, which each run makes anew
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
        run.steps = sorted((step.name, step.status) for step in handle.steps())
        broken = harness.engine.audit()
        if broken:
            raise AssertionError(f"the database shows a broken promise: {broken}")
        if effects is not None:
            run.effects = effects()
    return run


def _outcome(harness: Harness, handle: Any) -> Any:
    try:
        return harness.run_until_done(handle)
    except WorkflowFailed as failure:
        return str(failure).replace(handle.id, "…")
