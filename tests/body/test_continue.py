"""Workflows without an end: each generation begins with its own input, no records, and the messages nobody took."""

from __future__ import annotations

from collections import Counter

import hydra
import pytest
from hydra import aio
from hydra.execution import Ending
from hydra.workflow import step, workflow

from tests.body.supervising import Supervisor


@pytest.mark.parametrize("bound", [True, False])
def test_each_generation_runs_its_steps_anew_with_keys_of_its_own(bound: bool, supervisor: Supervisor) -> None:
    effects: Counter[tuple[int, str]] = Counter()

    @step(inline=True)
    def charge(cursor: int) -> int:
        effects[cursor, hydra.idempotency_key()] += 1
        return cursor + 1

    @workflow
    def poll(cursor: int, limit: int = 3) -> int:
        hydra.now()
        following = charge(cursor)
        if following < limit:
            if bound:
                hydra.continue_as_new(poll.bind(following, limit=limit))
            hydra.continue_as_new(following, limit=limit)
        return following

    execution = supervisor.submit(poll.bind(0))
    supervisor.finish()
    assert execution.result() == 3
    assert [end.kind for end in execution.ends] == [Ending.CONTINUED, Ending.CONTINUED, Ending.COMPLETED]
    assert len(execution.records) == 2
    assert len(effects) == len({key for _, key in effects}) == 3


def test_g3_killed_at_any_record_each_generation_ends_as_it_would() -> None:
    effects: Counter[str] = Counter()

    @step(inline=True)
    def charge(cursor: int, what: str) -> int:
        effects[hydra.idempotency_key()] += 1
        return cursor + 1

    @workflow
    def poll(cursor: int) -> int:
        charge(cursor, "a")
        following = charge(cursor, "b")
        if following < 3:
            hydra.continue_as_new(following)
        return following

    for crash_after in range(7):
        effects.clear()
        supervisor = Supervisor()
        execution = supervisor.submit(poll.bind(0))
        supervisor.finish(crash_after=crash_after)
        assert execution.result() == 3
        assert len(effects) == 6
        assert sum(effects.values()) <= 7


def test_events_that_nobody_took_go_over_to_the_next_generation(supervisor: Supervisor) -> None:
    @workflow
    def collect(seen: list[str]) -> list[str]:
        seen = [*seen, hydra.wait_event("word", type=str)]
        if len(seen) < 3:
            hydra.continue_as_new(collect.bind(seen))
        return seen

    execution = supervisor.submit(collect.bind([]))
    for word in ("a", "b", "c"):
        supervisor.signal(execution, "word", word)
    supervisor.finish()
    assert execution.result() == ["a", "b", "c"]
    assert execution.messages == []


def test_an_async_body_begins_anew(supervisor: Supervisor) -> None:
    @step
    async def fetch(cursor: int) -> int:
        return cursor + 1

    @workflow
    async def poll(cursor: int) -> int:
        following = await fetch(cursor)
        if following < 4:
            await aio.continue_as_new(poll.bind(following))
        return following

    execution = supervisor.submit(poll.bind(0))
    supervisor.finish()
    assert execution.result() == 4
    assert [end.kind for end in execution.ends[:-1]] == [Ending.CONTINUED] * 3


def test_nothing_of_the_body_runs_after_it(supervisor: Supervisor) -> None:
    ran: list[str] = []

    @step(inline=True)
    def note(text: str) -> None:
        ran.append(text)

    @workflow
    def poll(cursor: int) -> int:
        if cursor:
            return cursor
        try:
            hydra.continue_as_new(1)
        finally:
            note("after")

    execution = supervisor.submit(poll.bind(0))
    supervisor.finish()
    assert execution.result() == 1
    assert ran == []


def test_a_cancel_before_it_wins_and_undoes(supervisor: Supervisor) -> None:
    undone: list[str] = []

    @step(inline=True)
    def undo() -> None:
        undone.append("undone")

    @workflow
    def poll(cursor: int) -> None:
        hydra.on_failure(undo.bind())
        hydra.sleep(3600)
        hydra.continue_as_new(cursor + 1)

    execution = supervisor.submit(poll.bind(0))
    supervisor.run()
    execution.cancel_requested = True
    supervisor.finish()
    assert execution.end.kind == Ending.CANCELLED
    assert undone == ["undone"]


def test_code_that_begins_anew_where_the_record_goes_on_is_parked(supervisor: Supervisor) -> None:
    is_new = False

    @step(inline=True)
    def charge() -> int:
        return 1

    @workflow
    def poll(cursor: int) -> None:
        if is_new:
            hydra.continue_as_new(cursor + 1)
        charge()
        hydra.sleep(3600)

    execution = supervisor.submit(poll.bind(0))
    supervisor.run()
    is_new = True
    supervisor.finish()
    assert execution.end.kind == Ending.PARKED


def test_what_cannot_begin_anew_is_said_in_one_sentence(supervisor: Supervisor) -> None:
    @step(inline=True)
    def charge() -> str:
        try:
            hydra.continue_as_new(1)
        except hydra.HydraError as error:
            return str(error)

    @workflow
    def other() -> None: ...

    @workflow
    async def late(cursor: int) -> str:
        try:
            hydra.continue_as_new(1)
        except hydra.HydraError as error:
            return str(error)

    @workflow
    def poll(cursor: int) -> list[str]:
        said = [charge()]
        for call in (lambda: hydra.continue_as_new(other.bind()), lambda: hydra.continue_as_new(1, 2)):
            try:
                call()
            except hydra.HydraError as error:
                said.append(str(error))
        return said

    execution, async_one = supervisor.submit(poll.bind(0)), supervisor.submit(late.bind(0))
    supervisor.finish()
    in_step, of_other, unfit = execution.result()
    assert "belongs in a workflow's body" in in_step
    assert "cannot continue as workflow `other`" in of_other
    assert "cannot be called like this" in unfit
    assert "await hydra.aio.continue_as_new" in async_one.result()
    with pytest.raises(hydra.HydraError, match="only inside an execution"):
        hydra.continue_as_new(1)
