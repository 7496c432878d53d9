"""Children that a step forks and lets return: they end, and nothing they would say is believed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import hydra
import pytest

from tests.processes.scene import Scene, until

APP = """
import os
import sys
import time
import hydra
from tests.processes.apps import note

def fork() -> int:
    pid = os.fork()
    if pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return code
    return -1

@hydra.step(inline=True)
def inline(log: str) -> str:
    code = fork()
    note(log, "child" if code == -1 else f"parent saw {{code}}")
    return "child" if code == -1 else "parent"

@hydra.step
def threaded(log: str) -> str:
    code = fork()
    note(log, "child" if code == -1 else f"parent saw {{code}}")
    return "child" if code == -1 else "parent"

@hydra.step
async def awaited(log: str) -> str:
    code = fork()
    note(log, "child" if code == -1 else f"parent saw {{code}}")
    return "child" if code == -1 else "parent"

@hydra.transaction
def writing(db, log: str) -> str:
    code = fork()
    note(log, "child" if code == -1 else f"parent saw {{code}}")
    return "child" if code == -1 else "parent"

@hydra.step(inline=True)
def exiting(log: str) -> str:
    code = fork()
    if code == -1:
        sys.exit(7)
    note(log, f"parent saw {{code}}")
    return "parent"

@hydra.step(inline=True)
def other(log: str) -> None:
    note(log, "other")

@hydra.workflow
def act(log: str) -> str:
    result = {step}(log)
    other(log)
    return result

@hydra.workflow
async def act_async(log: str) -> str:
    return await {step}(log)

@hydra.workflow
def beside(log: str) -> None:
    other(log)
"""


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("step", ["inline", "threaded", "writing", "exiting", "awaited"])
def test_a_child_that_comes_back_from_a_step_is_ended_and_not_believed(scene: Scene, step: str) -> None:
    Path(scene.folder, "forking_app.py").write_text(APP.format(step=step))
    node = scene.start("forking_app", folder=scene.folder)
    workflow = "act_async" if step == "awaited" else "act"
    handles = [scene.engine.submit(hydra.named(workflow).bind(scene.log)) for _ in range(5)]
    besides = [scene.engine.submit(hydra.named("beside").bind(scene.log)) for _ in range(5)]
    assert [handle.result(timeout=30) for handle in handles] == ["parent"] * 5
    for handle in besides:
        handle.result(timeout=30)
    seen = Counter(note.word for note in scene.notes())
    expected = {"exiting": 7}.get(step, 0)
    assert seen[f"parent saw {expected}"] == 5
    assert seen["other"] == (5 if step == "awaited" else 10), "nobody ran another step once more"
    assert "died" not in node.text()
    if step not in ("exiting", "awaited"):
        until(lambda: "came back from it" in node.text())
