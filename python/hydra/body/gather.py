"""`hydra.gather`: parallel steps, each a strand and a branch of its own."""

from __future__ import annotations

from typing import Any

from hydra.body import steps
from hydra.body.protocol import RunningExecution
from hydra.body.step_call import CalledStep
from hydra.body.strand import running
from hydra.definitions import BoundStep


def gather(
    execution: RunningExecution,
    prefix: str,
    bound: tuple[BoundStep[Any], ...],
    digests: list[bytes],
    concurrency: int | None,
) -> tuple[Any, ...]:
    """Each call in a branch of its own; at most `concurrency` of them begun and not ended."""
    if execution.stopping is not None:
        execution.interrupt()
    results: list[Any] = [None] * len(bound)
    errors: list[BaseException | None] = [None] * len(bound)
    parent = running()
    left_count = len(bound) if concurrency is None else min(concurrency, len(bound))
    indices = iter(range(len(bound)))

    def run() -> None:
        nonlocal left_count
        needed = 0
        for index in indices:
            each = bound[index]
            try:
                while execution.log.durable < needed:
                    execution.strands.wait()  # a cancel that its commit tells of comes first
                called = CalledStep.of(f"{prefix}.{index}", 0, each, digests[index])
                results[index] = steps.run_step(execution, called)
            except BaseException as error:
                errors[index] = error
            if execution.stopping is not None or parent.is_given_up:
                break
            needed = execution.log.seq
        parent.had(running().outcome_at, running().outcome_seq)
        left_count -= 1
        if left_count == 0:
            execution.host.resume_next(parent)

    for _ in range(left_count):
        execution.strands.start_part(run)
    while left_count:
        execution.strands.wait_idle(execution.host.now(), 0)
    execution.log.hand_out()
    failed = [error for error in errors if error is not None]
    if failed:
        execution.causes.note_beside(failed[0], failed[1:])
        raise failed[0]
    return tuple(results)
