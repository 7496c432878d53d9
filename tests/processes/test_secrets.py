"""A Secret where a worker is killed: the step that is done is replayed from its record, and no log says the value."""

from __future__ import annotations

from pathlib import Path

import hydra
import pytest

from tests.processes.scene import Scene

APP = """
import logging
import os
import signal
from pathlib import Path
import hydra
from hydra import Secret

log = logging.getLogger("secretive")


@hydra.step
def begin(token: Secret[str]) -> Secret[str]:
    log.warning("begins with %s, that is %r", token, token)
    return Secret("begun " + token.get_secret_value())


@hydra.step(max_attempts=3, backoff=hydra.Backoff(initial=0.01))
def finish(begun: Secret[str], killed: str) -> dict[str, Secret[str]]:
    if not Path(killed).exists():
        Path(killed).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"done": Secret("done " + begun.get_secret_value())}


@hydra.step(max_attempts=1)
def refuse(done: Secret[str]) -> None:
    raise ValueError(f"refused {done}", done)


@hydra.workflow
def secretly(token: Secret[str], killed: str) -> Secret[str]:
    done = finish(begin(token), killed)["done"]
    try:
        refuse(done)
    except ValueError as error:
        log.exception("it went wrong")
        return error.args[1]
    return token


@hydra.workflow
def secretly_failing(token: Secret[str]) -> None:
    refuse(token)
"""


def test_a_replay_after_a_kill_has_the_value_and_no_log_says_it(scene: Scene) -> None:
    Path(scene.folder, "secretive.py").write_text(APP)
    killed = scene.folder / "killed"
    node = scene.start("secretive", folder=scene.folder)
    handle = scene.engine.submit(hydra.named("secretly").bind(hydra.Secret("qz4711"), str(killed)))
    failing = scene.engine.submit(hydra.named("secretly_failing").bind(hydra.Secret("qz4711")))
    assert handle.result(timeout=60) == hydra.Secret("done begun qz4711")
    assert killed.exists()
    with pytest.raises(hydra.WorkflowFailed, match=r"refused \*{10}") as failed:
        failing.result(timeout=60)
    assert "qz4711" not in str(failed.value)
    text = node.text()
    assert text.count("begins with **********, that is Secret('**********')") == 1, (
        "what is recorded does not run again"
    )
    assert "it went wrong" in text and "qz4711" not in text
