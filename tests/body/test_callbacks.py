"""Callback tokens in a body: recorded, unguessable, of one generation, and waited for as often as one likes."""

from __future__ import annotations

import hydra
import msgspec
import pytest
from hydra.execution import Ending
from hydra.records import callbacks
from hydra.workflow import step, workflow

from tests.body.supervising import Stored, Supervisor


def complete(supervisor: Supervisor, execution: Stored, token: str, payload: bytes) -> None:
    """As the database takes it: once."""
    callback = callbacks.Callback.of(token)
    message = msgspec.structs.replace(callback.message(0, payload), sent_at=supervisor.lease.now())
    if message.id not in {known.id for known in execution.messages}:
        execution.messages.append(message)
        execution.wake_seq += 1


def test_a_token_is_the_same_after_every_crash_and_a_completion_waits_for_the_wait(supervisor: Supervisor) -> None:
    tokens: list[str] = []

    @step(inline=True)
    def hand_out(token: str) -> None:
        tokens.append(token)
        complete(supervisor, execution, token, callbacks.completion(5))

    @workflow
    def pay() -> tuple[int, int, bool]:
        token = hydra.callback_token()
        other = hydra.callback_token(key="other")
        hand_out(token)
        hydra.sleep(3600)
        both = hydra.wait_callback(token, type=int), hydra.wait_callback(token, type=int)
        return (*both, token != other and other == hydra.callback_token(key="other"))

    for crash_after in range(6):
        supervisor = Supervisor()
        tokens.clear()
        execution = supervisor.submit(pay.bind())
        supervisor.finish(crash_after=crash_after)
        assert tuple(execution.result()) == (5, 5, True)
        # A crash before the record loses the token before anybody can have it (G5).
        assert len(set(tokens)) == 1
        assert len(tokens[0].split(".")[2]) >= 32


def test_a_token_of_somebody_else_or_of_a_generation_past_is_refused(supervisor: Supervisor) -> None:
    @workflow
    def pay(token: str | None) -> str:
        if token is None:
            hydra.continue_as_new(hydra.callback_token())
        try:
            return str(hydra.wait_callback(token))
        except hydra.HydraError as error:
            return str(error)

    past, strange, bad = (supervisor.submit(pay.bind(token)) for token in (None, f"{'0' * 8}.1.x", "x"))
    supervisor.finish()
    assert "was made before its last `continue_as_new`" in past.result()
    assert "is not a callback token" in strange.result()
    assert "is not a callback token" in bad.result()


def test_a_callback_that_is_not_completed_expires_for_good(supervisor: Supervisor) -> None:
    @workflow
    def pay() -> int:
        token = hydra.callback_token()
        expiries = 0
        for _ in range(2):
            try:
                hydra.wait_callback(token, type=int, timeout=60)
            except hydra.EventTimeout:
                expiries += 1
        return expiries

    execution = supervisor.submit(pay.bind())
    supervisor.finish()
    assert execution.result() == 2
    assert execution.kinds() == ["value", "wait", "expiry"]
    assert [end.kind for end in execution.ends] == [Ending.WAITING, Ending.COMPLETED]


def test_tokens_belong_in_bodies(supervisor: Supervisor) -> None:
    @step(inline=True)
    def make() -> list[str]:
        said = []
        for call in (hydra.callback_token, lambda: hydra.wait_callback("x")):
            try:
                call()
            except hydra.HydraError as error:
                said.append(str(error))
        return said

    @workflow
    def flow() -> list[str]:
        return make()

    execution = supervisor.submit(flow.bind())
    supervisor.finish()
    assert all("belongs in a workflow's body" in text for text in execution.result())
    with pytest.raises(hydra.HydraError, match="only inside an execution"):
        hydra.callback_token()
