"""Children: spawned once, waited for without a thread, their ends handed out again on replay, whatever dies."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hydra import aio
from hydra.body.spawning import begin as spawn
from hydra.context import wait_event
from hydra.errors import EventTimeout, HydraError, WorkflowFailed
from hydra.execution import Ending
from hydra.workflow import step, workflow
from supervising import Supervisor


def test_a_parent_waits_for_its_child_without_a_thread(supervisor: Supervisor) -> None:
    @workflow
    def child(number: int) -> int:
        return number * 2

    @workflow
    def parent() -> tuple[int, int]:
        begun = spawn(child.bind(21))
        return begun.result(), begun.result()

    execution = supervisor.submit(parent.bind())
    supervisor.run()
    assert execution.end.kind == Ending.WAITING
    supervisor.finish()
    assert execution.result() == (42, 42)
    assert execution.kinds() == ["spawn", "event"]


def test_two_tasks_may_wait_for_one_child(supervisor: Supervisor) -> None:
    @workflow
    def child() -> int:
        return 21

    @workflow
    async def parent() -> int:
        begun = await aio.spawn(child.bind())
        return sum(await asyncio.gather(begun.result(), begun.result()))

    execution = supervisor.submit(parent.bind())
    supervisor.finish()
    assert execution.result() == 42


def test_a_spawn_belongs_in_a_body(supervisor: Supervisor) -> None:
    @workflow
    def child() -> None:
        pass

    @step
    def wrong_step() -> None:
        spawn(child.bind())

    @workflow
    def parent() -> None:
        wrong_step()

    execution = supervisor.submit(parent.bind())
    supervisor.run()
    assert "belongs in a workflow's body" in str(execution.error())
    with pytest.raises(HydraError, match="only inside an execution"):
        spawn(child.bind())


def test_g3_g5_killed_at_any_record_children_and_events_come_once() -> None:
    effects: Counter[str] = Counter()

    @step(inline=True)
    def work(what: str) -> str:
        effects[what] += 1
        return what

    @workflow
    def child(what: str) -> str:
        if what == "bad":
            raise ValueError(what)
        return work(f"child {what}")

    @workflow
    def parent() -> list[str]:
        begun = [spawn(child.bind(what)) for what in ("a", "bad", "b")]
        seen = [work("parent")]
        for each in begun:
            try:
                seen.append(each.result())
            except WorkflowFailed as error:
                seen.append(f"failed {error.__cause__}")
        seen.append(wait_event("go", type=str))
        try:
            wait_event("never", timeout=60)
        except EventTimeout:
            seen.append("late")
        return seen

    def run(crash_after: int | None) -> tuple[list[str], int, int]:
        effects.clear()
        supervisor = Supervisor()
        execution = supervisor.submit(parent.bind())
        supervisor.signal(execution, "go", "now")
        supervisor.finish(crash_after)
        assert execution.messages == []
        assert set(effects) == {"parent", "child a", "child b"}
        assert sum(effects.values()) <= 5, "only what was under way at the kill (two children at most) runs again"
        counts = [len(each.records) for each in supervisor.stored.values()]
        return execution.result(), len(counts), sum(counts)

    expected = run(None)
    assert expected[0] == ["parent", "child a", "failed bad", "child b", "now", "late"]
    assert expected[1:] == (4, 3 + 1 + 3 + 1 + 2 + 2)
    for crash_after in range(expected[2] + 1):
        assert run(crash_after) == expected
