"""The generations of an execution: `hydra.continue_as_new` ends one, and the next begins without its records."""

from __future__ import annotations

from typing import Any, NoReturn

from hydra import codec
from hydra.body.endings import told
from hydra.body.protocol import RunningExecution
from hydra.definitions import BoundWorkflow, Workflow
from hydra.errors import HydraError
from hydra.execution import End, Ending


def next_call(
    workflow: Workflow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the next generation: given as such, or as a bound call of the same workflow."""
    if len(args) == 1 and not kwargs and isinstance(args[0], BoundWorkflow):
        bound: BoundWorkflow[Any] = args[0]
        if bound.name != workflow.name:
            raise HydraError(
                f"workflow `{workflow.name}` cannot continue as workflow `{bound.name}`; begin that with `hydra.spawn`"
            )
        args, kwargs = bound.args, bound.kwargs
    workflow.check_call(args, kwargs)
    return workflow.fit_call(args, kwargs)


def begin_next(execution: RunningExecution, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
    """End this generation; the next one begins with these arguments."""
    if execution.stopping is not None:
        execution.interrupt()
    left = execution.history.unasked() if execution.history is not None else None
    if left is not None:
        sentence = f"the code begins again, and never asked for {told(left)}, which is recorded"
        execution.recorded.diverge(sentence, "`hydra.continue_as_new`", told(left))
    if execution.unwinding is not None:
        execution.strands.stand_still()
    function, generation = execution.workflow.function, execution.generation + 1
    execution.stop(End(Ending.CONTINUED, codec.encode_generation(function, args, kwargs, generation)))
    execution.interrupt()
