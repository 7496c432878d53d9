"""What the log says of executions that fail or park: one line each, whoever ended them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.execution import Status
from hydra.observability.logs import CONTEXT

from tests.processes import fates_app as fates
from tests.processes import limits_app
from tests.processes.scene import Node, Scene, until


def lines_of(node: Node, id: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in node.text().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("execution_id") == id]


def test_a_failure_and_a_park_are_one_line_each_with_all_that_is_known(scene: Scene) -> None:
    node = scene.start("fates_app", log_format="json")
    failed = scene.engine.submit(fates.fail.bind(), key="inv-42")
    with pytest.raises(hydra.WorkflowFailed):
        failed.result(timeout=30)
    poison = scene.engine.submit(fates.poison.bind(scene.log))
    until(lambda: poison.status() == Status.PARKED)
    until(lambda: lines_of(node, failed.id) and lines_of(node, poison.id))
    (line,) = lines_of(node, failed.id)
    assert (line["level"], line["workflow"], line["key"], line["step"]) == ("error", "fail", "inv-42", "broken")
    assert line["reason"] in line["message"]
    assert line["error"] == "builtins:ValueError"
    assert line["node"] == scene.engine.nodes()[0].info.id
    assert line["exception"].startswith("Traceback")
    assert "broken" in line["exception"]
    (line,) = lines_of(node, poison.id)
    assert (line["workflow"], line.get("key"), line["step"], line["error"]) == ("poison", None, "die", "poison")
    assert "its worker died 3 times in a row" in line["reason"]


def test_what_runs_out_of_time_with_no_worker_is_told_too(scene: Scene) -> None:
    node = scene.start("limits_app")
    handle = scene.engine.submit(limits_app.nap.bind(), key="late")
    until(lambda: handle.status() == Status.FAILED)
    until(lambda: f"execution `{handle.id}` (workflow `nap`, key `late`) failed: " in node.text())
    assert node.text().count(handle.id) == 1


APP = """
import logging
import hydra
{setup}
log = logging.getLogger("shop")

@hydra.workflow
def speak() -> None:
    {speak}
"""
BASIC = "logging.basicConfig(filename='own.log', format='own %(message)s')"
DICT = """
import logging.config
logging.config.dictConfig({
    "version": 1,
    "formatters": {"own": {"format": "own %(message)s [%(workflow)s %(execution_id)s %(worker)s]"}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "own.log", "formatter": "own"}},
    "root": {"handlers": ["file"], "level": "WARNING"},
})
"""
STRUCTLOG = """
import sys
import structlog
handler = logging.FileHandler("own.log")
handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.processors.KeyValueRenderer()))
logging.getLogger().addHandler(handler)
structlog.configure(
    processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
)
"""


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("setup", [BASIC, DICT, STRUCTLOG], ids=["basicConfig", "dictConfig", "structlog"])
def test_the_applications_own_logging_wins_in_its_workers(scene: Scene, setup: str) -> None:
    if setup is STRUCTLOG:
        pytest.importorskip("structlog")
    said = "log.info('too little'); log.warning('said'); logging.getLogger('hydra.worker').warning('of hydra')"
    Path(scene.folder, "speaking.py").write_text(APP.format(setup=setup, speak=said))
    node = scene.start("speaking", folder=scene.folder)
    handle = scene.engine.submit(hydra.named("speak").bind())
    handle.result(timeout=30)
    own = (scene.folder / "own.log").read_text()
    if setup is DICT:
        assert f"own said [speak {handle.id} 0]" in own
    assert "said" in own
    assert "of hydra" in own
    assert "too little" not in own, "Python shows warnings where no level is named"
    assert "said" not in node.text()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_an_app_that_configures_nothing_logs_like_hydra_however_it_speaks(scene: Scene) -> None:
    said = "logging.info('by the way'); log.info('on purpose')"
    Path(scene.folder, "speaking.py").write_text(APP.format(setup="logging.info('at import')", speak=said))
    node = scene.start("speaking", folder=scene.folder, log_format="json")
    handle = scene.engine.submit(hydra.named("speak").bind(), key="k")
    handle.result(timeout=30)
    until(lambda: "on purpose" in node.text())
    lines = [json.loads(line) for line in node.text().splitlines() if line.startswith("{")]
    assert {"by the way", "on purpose"} <= {line["message"] for line in lines}
    (line,) = [line for line in lines if line["message"] == "on purpose"]
    (own,) = scene.engine.nodes()
    assert {name: line.get(name) for name in CONTEXT} == {
        "execution_id": handle.id, "workflow": "speak", "key": "k", "step": None, "attempt": 1, "node": own.info.id,
        "worker": 0,
    }  # fmt: skip


EXITS = """
import atexit
import logging
import os
import time
from logging.handlers import MemoryHandler
from pathlib import Path
import hydra

spans = []

def flush() -> None:
    Path(f"exit-{os.getpid()}").write_text(",".join(spans))
    while Path("stuck").exists():
        time.sleep(0.01)

atexit.register(flush)
logging.getLogger().addHandler(MemoryHandler(10_000, target=logging.FileHandler("own.log")))

@hydra.workflow
def act() -> int:
    spans.append("span")
    logging.getLogger().warning("kept back")
    return os.getpid()
"""


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("spawn", [False, True], ids=["fork", "spawn"])
def test_workers_run_what_is_registered_with_atexit_and_the_zygote_does_not(scene: Scene, spawn: bool) -> None:
    Path(scene.folder, "exiting.py").write_text(EXITS)
    node = scene.start("exiting", folder=scene.folder, spawn=spawn)
    pid = scene.engine.submit(hydra.named("act").bind()).result(timeout=30)
    assert node.stop() == 0
    assert [(path.name, path.read_text()) for path in scene.folder.glob("exit-*")] == [(f"exit-{pid}", "span")]
    assert "kept back" in (scene.folder / "own.log").read_text()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_exit_hooks_that_never_end_do_not_keep_a_node_from_stopping(scene: Scene) -> None:
    Path(scene.folder, "exiting.py").write_text(EXITS)
    (scene.folder / "stuck").touch()
    node = scene.start("exiting", folder=scene.folder, drain_grace_seconds=600.0)
    scene.engine.submit(hydra.named("act").bind()).result(timeout=30)
    assert node.stop() == 0
    assert "took longer than" in node.text()
    os.remove(scene.folder / "stuck")


STOPS = """
import atexit
import logging
import sys
import time
from pathlib import Path
import hydra

atexit.register(lambda: Path("atexit").touch())

@hydra.on_worker_stop
def first() -> None:
    Path("first").touch()

@hydra.on_worker_stop
def slow() -> None:
    time.sleep(3.5)

@hydra.on_worker_stop
def fails() -> None:
    raise RuntimeError("close failed")

@hydra.on_worker_stop
def leaves() -> None:
    sys.exit(1)

@hydra.workflow
def act() -> int:
    return 1
"""


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_stop_hook_that_fails_is_logged_and_the_rest_runs_and_one_that_is_slow_is_no_stall(scene: Scene) -> None:
    Path(scene.folder, "stopping.py").write_text(STOPS)
    node = scene.start("stopping", folder=scene.folder)
    assert scene.engine.submit(hydra.named("act").bind()).result(timeout=30) == 1
    assert node.stop() == 0
    assert (scene.folder / "first").exists()
    assert (scene.folder / "atexit").exists()
    for name in ("fails", "leaves"):
        assert f"the `on_worker_stop` hook `{name}` failed" in node.text()
    assert "busy with one thing" not in node.text()


GENERATOR = """
import hydra

@hydra.step
async def look(number: int) -> int:
    return number

async def numbers():
    for number in range(3):
        await hydra.aio.sleep(1.2)  # it leaves its worker in here
        yield await look(number)

@hydra.workflow
async def count() -> int:
    return sum([number async for number in numbers()])
"""


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_an_async_generator_that_is_set_aside_says_nothing(scene: Scene) -> None:
    Path(scene.folder, "generating.py").write_text(GENERATOR)
    node = scene.start("generating", folder=scene.folder)
    handle = scene.engine.submit(hydra.named("count").bind())
    assert handle.result(timeout=30) == 3
    assert node.stop() == 0
    assert [line for line in node.text().splitlines() if " INFO " not in line] == []
