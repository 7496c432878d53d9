"""`hydra.heartbeat`: the last word of a long step leaves its worker now and then; silence ends some."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from hydra import codec
from hydra.context import current, heartbeat
from hydra.errors import ConfigError, HydraError, LeaseLost, PayloadTooLarge, StepTimeout
from hydra.frames import Progressed
from hydra.retry import Backoff
from hydra.testing import step_context
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor

AT_ONCE = Backoff(initial=0.0, maximum=0.0)


def listen(supervisor: Supervisor) -> list[Any]:
    said: list[Any] = []

    def on_send(frames: list[Any]) -> None:
        said.extend(codec.decode(frame.progress.payload) for frame in frames if isinstance(frame, Progressed))

    supervisor.on_send = on_send
    return said


def test_the_first_word_leaves_at_once_and_the_last_one_a_second_later(supervisor: Supervisor) -> None:
    said = listen(supervisor)

    @step
    def copies() -> None:
        for count in range(10_000):
            heartbeat({"copied": count})
        while len(said) < 2:
            pass

    @workflow
    def backup() -> None:
        copies()

    execution = supervisor.submit(backup.bind())
    supervisor.run()
    assert len(said) == 2
    assert said[1] == {"copied": 9_999}
    assert execution.kinds() == ["step"]


def test_an_async_step_says_how_far_it_is(supervisor: Supervisor) -> None:
    said = listen(supervisor)

    @step
    async def copies() -> None:
        heartbeat(0.5)
        while not said:
            await asyncio.sleep(0.001)

    @workflow
    async def backup() -> None:
        await copies()

    supervisor.submit(backup.bind())
    supervisor.run()
    assert said == [0.5]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_step_that_falls_silent_is_ended_and_tried_by_its_policy(supervisor: Supervisor, is_async: bool) -> None:
    @step(heartbeat_timeout=0.05, max_attempts=2, backoff=AT_ONCE)
    def hangs() -> int:
        while current().attempt == 1:
            pass
        return current().attempt

    @step(name="hangs_async", heartbeat_timeout=0.05, max_attempts=2, backoff=AT_ONCE)
    async def hangs_async() -> int:
        if current().attempt == 1:
            await asyncio.Event().wait()
        return current().attempt

    @workflow
    def calls() -> int:
        return hangs()

    @workflow
    async def awaits() -> int:
        return await hangs_async()

    execution = supervisor.submit(awaits.bind() if is_async else calls.bind())
    supervisor.run()
    assert execution.result() == 2
    assert execution.kinds() == ["try", "step"]
    assert execution.records[0].payload is not None
    failure = codec.decode_failure(execution.records[0].payload)
    assert failure.exception_type.endswith("StepTimeout")
    assert "did not call `hydra.heartbeat` for 0.05 s" in failure.message


def test_a_step_that_speaks_goes_on_past_it_until_its_own_time_out(supervisor: Supervisor) -> None:
    beats = 0

    @step(heartbeat_timeout=0.2, timeout=0.7)
    def goes_on() -> None:
        nonlocal beats
        while True:
            heartbeat()
            beats += 1

    @workflow
    def calls() -> None:
        goes_on()

    execution = supervisor.submit(calls.bind())
    supervisor.run()
    assert isinstance(execution.error(), StepTimeout)
    assert "ran longer than 0.7 s" in str(execution.error())
    assert beats > 1


def test_r5_past_the_nodes_deadline_it_raises_lease_lost(supervisor: Supervisor) -> None:
    told: list[BaseException] = []

    @step
    def acts() -> None:
        deadline_ns, supervisor.deadline_ns = supervisor.deadline_ns, 0
        supervisor.set_lease()
        try:
            heartbeat()
        except LeaseLost as error:
            told.append(error)
        supervisor.deadline_ns = deadline_ns
        supervisor.set_lease()

    @workflow
    def calls() -> None:
        acts()

    supervisor.submit(calls.bind())
    supervisor.run()
    assert len(told) == 1


def test_what_it_is_given_is_small_and_encodes(supervisor: Supervisor) -> None:
    @step
    def says_too_much() -> None:
        heartbeat(os.urandom(20_000))

    @workflow
    def calls() -> None:
        says_too_much()

    execution = supervisor.submit(calls.bind())
    supervisor.run()
    assert isinstance(execution.error(), PayloadTooLarge)


def test_outside_an_execution_it_does_nothing_and_in_a_body_it_is_refused(supervisor: Supervisor) -> None:
    heartbeat("unit test")
    with step_context():
        heartbeat("unit test")

    @workflow
    def beats() -> None:
        heartbeat()

    execution = supervisor.submit(beats.bind())
    supervisor.run()
    assert isinstance(execution.error(), HydraError)
    with pytest.raises(ConfigError, match="inline"):
        step(name="beats", heartbeat_timeout=1.0, inline=True)(lambda: None)
