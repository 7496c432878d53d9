"""Supervisors that tests fork from a warm process are as those that are started: environment, folder, end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from hydra import identity

from tests.processes.conftest import on_sqlite
from tests.processes.scene import Node, Scene, until
from tests.support.warm import Forked, warm_process


@on_sqlite
def test_one_has_its_own_session_folder_and_descriptors(scene: Scene) -> None:
    first, second = scene.start("apps"), scene.start("apps")
    until(lambda: len(scene.engine.nodes()) == 2)
    assert isinstance(first.process, Forked) and isinstance(second.process, Forked)
    assert os.getsid(first.pid) == first.pid != os.getsid(second.pid) == second.pid
    open_files = {os.readlink(each) for each in Path(f"/proc/{first.pid}/fd").iterdir() if each.is_symlink()}
    assert str(first.log) in open_files and str(second.log) not in open_files
    assert {state.info.pid for state in scene.engine.nodes()} == {first.pid, second.pid}
    assert [first.stop(), second.stop()] == [0, 0]
    assert first.process.poll() == 0


@on_sqlite
def test_how_it_ended_is_told_as_of_a_child(scene: Scene) -> None:
    node = scene.start("apps")
    with pytest.raises(subprocess.TimeoutExpired):
        node.process.wait(0.01)
    assert node.process.poll() is None
    node.kill(signal.SIGKILL)
    assert node.wait() == -signal.SIGKILL
    node.kill(signal.SIGKILL)  # nobody's pid any more
    assert scene.start("no_such_app").wait() != 0


@on_sqlite
def test_what_the_interpreter_reads_at_its_start_takes_one_of_its_own(scene: Scene) -> None:
    assert warm_process().can_start({**os.environ, "HYDRA_TEST_KILL": "", "PYTHONPATH": "/"})
    for name in ("PYTHONHASHSEED", "LD_PRELOAD", "FAKETIME", "TZ"):
        assert not warm_process().can_start({**os.environ, name: "1"})
    node = scene.start("apps", environment={"PYTHONHASHSEED": "7"})
    assert isinstance(node.process, subprocess.Popen)
    assert scene.start("apps", prefix=["env", f"HYDRA_TEST_OF={sys.executable}"]).pid != node.pid
    until(lambda: len(scene.engine.nodes()) == 2)


@on_sqlite
def test_its_zygote_is_as_one_that_is_started(scene: Scene) -> None:
    """Or the next zygote of a node would have other code than its first."""
    nodes = [scene.start("apps"), scene.start("apps", prefix=["env"])]
    until(lambda: len(scene.engine.nodes()) == 2)
    assert [type(node.process) for node in nodes] == [Forked, subprocess.Popen]
    started, forked = (until(partial(zygote_of, node)) for node in reversed(nodes))
    assert "warm" in command_of(forked) and "hydra.worker.zygote" in command_of(started)
    states = {state.info.pid: state.info for state in scene.engine.nodes()}
    assert len({info.code_version for info in states.values()}) == 1
    for node, zygote in zip(nodes, (forked, started), strict=True):
        mark = f"{identity.NODE_VARIABLE}={states[node.pid].id}".encode()
        assert mark in Path(f"/proc/{zygote}/environ").read_bytes().split(b"\0"), "by which peers find what remains"


def zygote_of(node: Node) -> int | None:
    children = [pid for pid in node.children() if name_of(pid) == "hydra-zygote"]
    return children[0] if children else None


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()
