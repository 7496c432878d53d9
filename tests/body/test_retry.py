"""When a failed step or body is tried again, and what a new attempt forgets."""

from __future__ import annotations

import pytest
from hydra import codec
from hydra.context import current
from hydra.errors import ConfigError, NonRetryable, PayloadError, StepFailed
from hydra.execution import Ending, Record, RecordKind
from hydra.retry import Backoff, RetryPolicy, Verdict
from hydra.workflow import step, workflow
from hypothesis import given
from hypothesis import strategies as st

from tests.body.supervising import Supervisor

AT_ONCE = Backoff(initial=0.0, maximum=0.0)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_delay_grows_by_its_factor_and_never_passes_its_maximum(attempt: int, random: float) -> None:
    backoff = Backoff(initial=1.0, factor=2.0, maximum=60.0, jitter=0.1)
    assert 0.9 <= backoff.delay(attempt, random) <= 60.0
    assert backoff.delay(1, 0.5) == 1.0
    assert backoff.delay(3, 0.5) == 4.0
    assert backoff.delay(10_000, 0.5) == 60.0


@pytest.mark.parametrize(
    "settings",
    [
        {"initial": -1},
        {"factor": 0.5},
        {"maximum": 0.1},
        {"jitter": 2},
        {"initial": "1"},
        {"maximum": float("inf")},
        {"initial": float("nan")},
    ],
)
def test_a_backoff_refuses_what_makes_no_sense(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Backoff(**settings)  # type: ignore[arg-type]


def test_a_policy_ends_with_its_attempts_with_nonretryable_and_with_what_it_does_not_name() -> None:
    policy = RetryPolicy(3, AT_ONCE, (ConnectionError,))
    assert policy.decide(ConnectionError(), 2, 0.5) == Verdict(0.0)
    assert policy.decide(ConnectionError(), 3, 0.5) == Verdict(None, is_exhausted=True)
    assert policy.decide(ValueError(), 1, 0.5) == Verdict(None)
    assert RetryPolicy(3).decide(NonRetryable(), 1, 0.5) == Verdict(None)
    assert RetryPolicy(3).decide(SystemExit(), 1, 0.5) == Verdict(None)


def test_g4_a_failed_try_is_recorded_and_repeated_as_often_as_the_policy_allows(supervisor: Supervisor) -> None:
    attempts: list[int] = []

    @step(max_attempts=3, backoff=AT_ONCE)
    def flaky() -> int:
        attempts.append(current().attempt)
        raise ConnectionError(f"try {current().attempt}")

    @workflow
    def keeps_trying() -> str:
        try:
            return str(flaky())
        except ConnectionError as error:
            return str(error)

    execution = supervisor.submit(keeps_trying.bind())
    supervisor.run()
    assert attempts == [1, 2, 3]
    assert execution.kinds() == ["try", "try", "failure"]
    assert [record.attempt for record in execution.records] == [1, 2, 3]
    assert execution.result() == "try 3"


def test_a_long_backoff_suspends_the_execution_and_a_short_one_does_not(supervisor: Supervisor) -> None:
    @step(max_attempts=2, backoff=Backoff(initial=30.0, jitter=0.0))
    def patient() -> int:
        if current().attempt == 1:
            raise ConnectionError
        return current().attempt

    @step(max_attempts=2, backoff=Backoff(initial=0.01, jitter=0.0))
    def brisk() -> int:
        return patient_attempts.pop(0)()

    def fail() -> int:
        raise ConnectionError

    patient_attempts = [fail, lambda: 5]

    @workflow
    def both() -> int:
        return brisk() + patient()

    execution = supervisor.submit(both.bind())
    supervisor.run()
    assert execution.kinds() == ["try", "step", "try"]
    assert execution.end.kind == Ending.SLEEPING
    assert execution.end.wake_at == execution.records[-1].due_at
    assert execution.end.wake_seq == execution.claimed.wake_seq
    supervisor.finish()
    assert execution.result() == 7


def test_g7_a_try_that_crashed_uses_up_no_attempt(supervisor: Supervisor) -> None:
    """Two tries crashed: what raises after them has still both its tries."""
    attempts: list[int] = []

    @step(max_attempts=2, backoff=Backoff(0.0, 1.0, 0.0, 0.0))
    def once() -> int:
        attempts.append(current().attempt)
        if len(attempts) == 1:
            raise ConnectionError("not yet")
        return 1

    @workflow
    def crashed() -> int:
        return once()

    execution = supervisor.submit(crashed.bind())
    for seq in (1, 2):
        reason = codec.encode("signal 9")
        execution.records.append(Record(seq, RecordKind.CRASH, "", "once", 0, seq, b"", reason, 0, 0))
    supervisor.run()
    assert attempts == [3, 4]
    assert execution.result() == 1


def test_g3_a_new_attempt_forgets_only_the_failure_that_left_the_body(supervisor: Supervisor) -> None:
    runs: list[str] = []

    @step
    def ship() -> str:
        runs.append("ship")
        return "shipped"

    @step
    def handled() -> None:
        runs.append("handled")
        raise KeyError("kept")

    @step(max_attempts=2, backoff=AT_ONCE)
    def charge() -> str:
        runs.append("charge")
        if runs.count("charge") <= 2:
            raise ConnectionError("down")
        return "charged"

    @workflow(max_attempts=2, backoff=AT_ONCE)
    def order() -> list[str]:
        result = [ship()]
        try:
            handled()
        except KeyError:
            result.append("handled")
        try:
            result.append(charge())
        except ConnectionError as error:
            raise RuntimeError("the charge failed") from error
        return result

    execution = supervisor.submit(order.bind())
    supervisor.run()
    assert execution.end.kind == Ending.RETRY
    assert execution.end.cause_seq == len(execution.records) == 4
    supervisor.finish()
    assert execution.result() == ["shipped", "handled", "charged"]
    assert runs == ["ship", "handled", "charge", "charge", "charge"]
    assert execution.kinds() == ["step", "failure", "try", "failure", "supersede", "step"]


def test_after_a_superseded_failure_the_code_may_take_another_path(supervisor: Supervisor) -> None:
    @step
    def charge() -> str:
        if current().execution_attempt == 1:
            raise ConnectionError("down")
        return "charged"

    @step
    def refund() -> str:
        return "refunded"

    @workflow(max_attempts=2, backoff=AT_ONCE)
    def order() -> str:
        try:
            return charge()
        except ConnectionError:
            refund()
            raise

    execution = supervisor.submit(order.bind())
    supervisor.finish()
    assert execution.result() == "charged"


def test_nonretryable_ends_the_step_and_the_workflow_at_once(supervisor: Supervisor) -> None:
    @step(max_attempts=5, backoff=AT_ONCE)
    def charge() -> None:
        raise NonRetryable("card stolen")

    @workflow(max_attempts=5, backoff=AT_ONCE)
    def bill() -> None:
        charge()

    execution = supervisor.submit(bill.bind())
    supervisor.run()
    assert execution.kinds() == ["failure"]
    assert execution.end.kind == Ending.FAILED
    assert execution.end.cause_seq == 1
    assert isinstance(execution.error(), NonRetryable)


def test_g7_a_result_that_cannot_be_kept_is_a_final_failure(supervisor: Supervisor) -> None:
    @step(max_attempts=5, backoff=AT_ONCE)
    def handle() -> object:
        return object()

    @workflow
    def keeps_handle() -> str:
        try:
            handle()
        except PayloadError as error:
            return f"refused: {error}"
        return "accepted"

    @workflow
    def returns_handle() -> object:
        return object()

    first = supervisor.submit(keeps_handle.bind())
    second = supervisor.submit(returns_handle.bind())
    supervisor.run()
    assert first.kinds() == ["failure"]
    assert first.result().startswith("refused: ")
    assert second.end.kind == Ending.FAILED
    assert isinstance(second.error(), PayloadError)


def test_g3_a_failure_is_rebuilt_with_its_arguments_cause_and_traceback(supervisor: Supervisor) -> None:
    seen: list[BaseException] = []

    @step
    def parse() -> None:
        try:
            int("seven")
        except ValueError as error:
            raise OSError(5, "bad line") from error

    @workflow(max_attempts=2, backoff=AT_ONCE)
    def reads() -> str:
        try:
            parse()
        except OSError as error:
            seen.append(error)
        raise RuntimeError("body fails after it")

    execution = supervisor.submit(reads.bind())
    supervisor.finish()
    live, replayed = seen
    for error in seen:
        assert isinstance(error, OSError)
        assert error.errno == 5
        assert isinstance(error.__cause__, ValueError)
    assert type(live) is type(replayed)
    record = execution.records[0]
    assert record.payload is not None
    failure = codec.decode_failure(record.payload)
    assert "in parse" in failure.traceback_text
    assert "bad line" in failure.traceback_text
    assert isinstance(execution.error(), RuntimeError)


def test_an_exception_that_cannot_be_rebuilt_is_a_stepfailed(supervisor: Supervisor) -> None:
    class Local(Exception):
        pass

    @step
    def odd() -> None:
        raise Local("who am I")

    @workflow
    def catches() -> str:
        try:
            odd()
        except StepFailed as error:
            return str(error)
        return "nothing"

    execution = supervisor.submit(catches.bind())
    supervisor.run()
    assert "who am I" in execution.result()


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_leaving_python_in_a_step_fails_the_step_never_the_worker(
    supervisor: Supervisor, inline: bool, kind: type[BaseException]
) -> None:
    @step(inline=inline)
    def leave() -> None:
        raise kind(3)

    @step(inline=inline)
    def stay() -> str:
        return "still here"

    @workflow
    def leaving() -> str:
        try:
            leave()
        except kind:
            return stay()
        return "nothing was raised"

    execution = supervisor.submit(leaving.bind())
    supervisor.run()
    assert execution.result() == "still here"
