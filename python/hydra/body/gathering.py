"""`hydra.gather`: parallel steps, each a strand and a branch of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hydra.body import steps
from hydra.body.host import running
from hydra.definitions import BoundStep

if TYPE_CHECKING:
    from hydra.body.executor import Execution


def gather(
    execution: Execution, prefix: str, bound: tuple[BoundStep[Any], ...], digests: list[bytes], concurrency: int | None
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
        for index in indices:
            each = bound[index]
            try:
                results[index] = steps.run_step(
                    execution, f"{prefix}.{index}", each.step, 0, digests[index], each.args, each.kwargs
                )
            except BaseException as error:
                errors[index] = error
            if execution.stopping is not None:
                break
        left_count -= 1
        if left_count == 0:
            execution.host.resume(parent)
        execution.strand_ended()

    execution.live_count += left_count
    for _ in range(left_count):
        execution.host.start(run)
    while left_count:
        execution.wait_idle(execution.host.now(), 0)
    execution.handed = execution.seq
    for error in errors:
        if error is not None:
            raise error
    return tuple(results)
