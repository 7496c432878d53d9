"""The call of a body: the arguments it gets, and the end that follows from what it returns or raises."""

from __future__ import annotations

from typing import Any

import msgspec

from hydra import codec, middleware
from hydra.body import endings, steps
from hydra.body.calls import Branch
from hydra.body.endings import Difference
from hydra.body.exhausted import park_attempt
from hydra.body.protocol import RunningExecution
from hydra.body.retrying import judge_attempt
from hydra.body.source_places import place_of_error, place_of_function
from hydra.body.step_call import CalledStep
from hydra.definitions import caller
from hydra.errors import HydraError
from hydra.execution import End, Ending


class BodyCall:
    """Of one claim. Where the execution stops already, how its body ends decides nothing."""

    def __init__(self, execution: RunningExecution) -> None:
        self.execution = execution

    def run(self) -> None:
        """A sync body, in the running strand; an async one has an `AsyncBody`."""
        execution = self.execution
        end = None if execution.stopping is not None else self._run()
        if end is not None:
            execution.stop(end)

    def _run(self) -> End | None:
        arguments = self.arguments()
        if isinstance(arguments, End):
            return arguments
        args, kwargs = arguments
        around = self.enter_hooks() if middleware.execution_hooks else None
        caller.set(Branch(self.execution, ""))
        workflow = self.execution.workflow
        try:
            value = workflow.function(*args, **kwargs) if workflow.step is None else self._run_step(args, kwargs)
        except BaseException as error:
            end = self.raised(error)
            if around is not None:
                self.leave_hooks(around, end, error)
            return end
        end = self.returned(value)
        if around is not None:
            self.leave_hooks(around, end, None)
        return end

    def enter_hooks(self) -> middleware.Around | None:
        """Around this run of the body; None for the execution of a step, which has hooks of its own."""
        execution = self.execution
        claimed = execution.claimed
        if execution.workflow.step is not None or not execution.host.has_hooks:
            return None
        who = (claimed.id, claimed.workflow, claimed.key, execution.host.namespace, claimed.tags)
        run = middleware.ExecutionRun(*who, claimed.attempt, claimed.epoch)
        return middleware.Around(run).enter(middleware.execution_hooks)

    def leave_hooks(self, around: middleware.Around, end: End | None, error: BaseException | None) -> None:
        caller.set(None)  # hooks are no part of the body
        stopping = self.execution.stopping or end
        around.leave("" if stopping is None else str(stopping.kind), error)

    def _run_step(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """In an execution of its own: that is its whole body."""
        execution = self.execution
        step = execution.workflow.step
        if step is None or execution.place is None:
            raise HydraError(f"the input of execution `{execution.claimed.id}` does not say whose step it is")
        digest, is_fixed = codec.digest_of_call(args, kwargs)
        value = steps.run_step(execution, CalledStep(("", step.name, 0), step, digest, args, kwargs, is_fixed))
        execution.log.hand_out()
        return value

    def arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]] | End:
        """What the body is called with, or the end of an execution whose input does not fit."""
        execution = self.execution
        workflow = execution.workflow
        try:
            args, kwargs = workflow.types.decode_arguments(execution.claimed.input)
            workflow.check_call(args, kwargs)
        except BaseException as error:  # user classes take part in decoding
            if execution.history is None:
                return endings.unfit_input(execution.claimed, error)
            # Other code began it, with this input: it must not end for what has changed since.
            place = place_of_function(workflow.function)
            sentence = f"its input does not fit the code's parameters: {codec.message_of(error)}"
            return execution.recorded.diverged(Difference(sentence, "its parameters", "its input", place))
        return args, kwargs

    def returned(self, value: Any) -> End | None:
        execution = self.execution
        if execution.stopping is not None:
            return execution.unwinding
        if (end := execution.recorded.left_over("the code returned", "a return")) is not None:
            return end
        return execution.unwinding or endings.returned(value, codec.Signature.of(execution.workflow.function))

    def raised(self, error: BaseException) -> End | None:
        execution = self.execution
        if execution.stopping is not None:
            return execution.unwinding
        raised = codec.told_error(error)
        place = place_of_error(error)
        if (end := execution.recorded.left_over(f"the code raised {raised:.500}", raised, place)) is not None:
            return end
        return execution.unwinding or self._failed(error)

    def _failed(self, error: BaseException) -> End:
        """Another attempt, the park of one that has none left, or the failure; with the records that caused it."""
        execution = self.execution
        workflow, claimed, history = execution.workflow, execution.claimed, execution.history
        failed, children = execution.causes.of(error, set(execution.mailbox.child_seqs.values()))
        payload = codec.encode_failure(error)
        attempt = claimed.attempt - (0 if history is None else history.forgiven_count)
        verdict = judge_attempt(workflow, error, attempt, execution.host.random())
        end = endings.raised(payload, verdict, failed[0] if failed else 0, execution.host.now())
        if verdict.is_exhausted and workflow.retry.parks and not children:
            end = park_attempt(claimed, payload)
        if end.kind == Ending.FAILED and children:
            end = msgspec.structs.replace(end, cause_seq=(failed + children)[0])
        elif end.kind == Ending.RETRY:
            children = []  # what a child said stands, until a person has seen to the child
        execution.causes.set(failed, children)
        return end
