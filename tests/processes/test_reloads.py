"""What a supervisor imports, and under which name it runs: SIGHUP, dead zygotes, lost leases (R1, R27)."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import hydra
import pytest
from hydra.execution import Status

from tests.processes.scene import Node, Scene, until

SOURCE = """
import os
import time
from pathlib import Path
import hydra

@hydra.step(name="{name}")
def first() -> str:
    return "{code}"

@hydra.step
def hold(gate: str) -> None:
    while not Path(gate).exists():
        time.sleep(0.005)

@hydra.workflow
def ship(gate: str) -> str:
    said = first()
    hold(gate)
    return said

@hydra.workflow
def version() -> str:
    return "{code}"

@hydra.workflow
def worker() -> int:
    return os.getpid()
"""
SHIP, VERSION, WORKER = hydra.named("ship"), hydra.named("version"), hydra.named("worker")

one_store = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def write(folder: Path, code: str, name: str = "first", padding: int = 0) -> None:
    """In one step, as a deploy should. CPython takes a file of the same second and length for the one that it has
    compiled: one that may be written within the second of another has a `padding` of its own."""
    fresh = folder / "fresh"
    fresh.write_text(SOURCE.format(code=code, name=name) + "#" * padding)
    fresh.rename(folder / "shipping.py")


def start(scene: Scene, name: str, **settings: object) -> Node:
    folder = scene.folder / name
    folder.mkdir()
    write(folder, "v1")
    node = scene.start("shipping", folder=folder, **settings)
    until(lambda: any(state.info.pid == node.pid and state.code_version for state in scene.engine.nodes()))
    return node


def processes_of(node: Node, name: str) -> list[int]:
    found = []
    for pid in node.children():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            if Path(f"/proc/{pid}/comm").read_text().startswith(name):
                found.append(pid)
    return found


def code_of(scene: Scene, node: Node) -> str:
    return next(state.code_version for state in scene.engine.nodes() if state.info.pid == node.pid)


@pytest.mark.parametrize("spawn", [False, True], ids=["fork", "spawn"])
def test_r27_a_node_that_has_to_import_changed_files_says_that_its_code_is_another(scene: Scene, spawn: bool) -> None:
    """Nobody sent SIGHUP: its zygote and its worker died. What the old code began goes on where that lives."""
    if spawn and not scene.url.startswith("sqlite"):
        pytest.skip("what is imported does not depend on the database")
    one, two = (start(scene, name, spawn=spawn) for name in ("one", "two"))
    handles = [scene.engine.submit(SHIP.bind(str(scene.gate))) for _ in range(24)]
    until(lambda: all(handle.status() == Status.RUNNING and handle.execution().record_count == 1 for handle in handles))
    before = code_of(scene, one)
    write(scene.folder / "one", "v2", "another first")
    for pid in processes_of(one, "hydra-zygote") + processes_of(one, "hydra-worker"):
        os.kill(pid, signal.SIGKILL)
    until(lambda: code_of(scene, one) != before)
    assert "without SIGHUP" in one.text()
    assert code_of(scene, two) == before
    scene.gate.touch()
    assert [handle.result(timeout=60) for handle in handles] == ["v1"] * 24
    assert "parked" not in one.text() + two.text()


@one_store
def test_a_second_sighup_within_the_drain_leaves_workers(scene: Scene) -> None:
    node = start(scene, "one")
    held = [scene.engine.submit(SHIP.bind(str(scene.gate))) for _ in range(2)]
    until(lambda: all(handle.execution().record_count == 1 for handle in held))
    for number in (2, 3):
        write(scene.folder / "one", f"v{number}", padding=number)
        node.kill(signal.SIGHUP)
        until(lambda number=number: node.text().count("new workers run the new code") == number - 1)
        more = scene.engine.submit(SHIP.bind(str(scene.gate)))
        until(lambda more=more: more.execution().record_count == 1)
        held.append(more)
        assert scene.engine.submit(VERSION.bind()).result(timeout=10) == f"v{number}"
    scene.gate.touch()
    assert [handle.result(timeout=30) for handle in held] == ["v1", "v1", "v2", "v3"]
    assert node.stop() == 0


@one_store
def test_a_sighup_while_the_last_one_is_being_done_is_not_lost(scene: Scene) -> None:
    folder = scene.folder / "one"
    node = start(scene, "one")
    wait = "\nfrom pathlib import Path\nwhile not Path('go').exists():\n    time.sleep(0.005)\n"
    (folder / "shipping.py").write_text(SOURCE.format(code="v2", name="first") + wait)
    node.kill(signal.SIGHUP)
    until(lambda: len(processes_of(node, "hydra-zygote")) == 2)
    write(folder, "v3", padding=3)
    node.kill(signal.SIGHUP)
    until(lambda: node.text().count("importing the app again") == 2)
    (folder / "go").touch()
    until(lambda: scene.engine.submit(VERSION.bind()).result(timeout=30) == "v3")


@one_store
def test_r1_a_sighup_while_the_lease_is_lost_is_done_and_nothing_false_is_said(scene: Scene) -> None:
    """A peer that takes the node for dead kills what carries its id, the process that imports the new code, too."""
    folder = scene.folder / "one"
    node = start(scene, "one", lease_ttl_seconds=1.0)
    before = code_of(scene, node)
    worker = scene.engine.submit(WORKER.bind()).result(timeout=30)
    (folder / "shipping.py").write_text(
        SOURCE.format(code="v2", name="first") + "\nwhile not Path('go').exists():\n    time.sleep(0.005)\n"
    )
    node.kill(signal.SIGHUP)
    until(lambda: len(processes_of(node, "hydra-zygote")) == 2)
    node.kill(signal.SIGSTOP)
    peer = scene.start("apps", lease_ttl_seconds=1.0)
    until(lambda: "remaining processes of the dead node" in peer.text())
    (folder / "go").touch()
    node.kill(signal.SIGCONT)
    until(lambda: scene.engine.submit(VERSION.bind()).result(timeout=30) == "v2")
    assert "does not import" not in node.text()
    assert not Path(f"/proc/{worker}/stat").exists()
    alive = [state for state in scene.engine.nodes() if state.info.pid == node.pid and state.state == "alive"]
    assert [state.code_version == before for state in alive] == [False]
    mark = f"HYDRA_NODE={alive[0].info.id}".encode()
    for pid in processes_of(node, "hydra-"):
        assert mark in Path(f"/proc/{pid}/environ").read_bytes()


@one_store
def test_new_code_whose_import_is_killed_is_imported_again(scene: Scene) -> None:
    folder = scene.folder / "one"
    node = start(scene, "one")
    until(lambda: processes_of(node, "hydra-worker"))  # until then it bears the name of the zygote that forked it
    (old,) = processes_of(node, "hydra-zygote")
    (folder / "shipping.py").write_text(
        SOURCE.format(code="v2", name="first") + "\nwhile not Path('go').exists():\n    time.sleep(0.005)\n"
    )
    node.kill(signal.SIGHUP)
    (new,) = until(lambda: [pid for pid in processes_of(node, "hydra-zygote") if pid != old])
    os.kill(new, signal.SIGKILL)
    until(lambda: "ended with signal SIGKILL: starting another" in node.text())
    (folder / "go").touch()
    until(lambda: scene.engine.submit(VERSION.bind()).result(timeout=30) == "v2")
    assert "does not import" not in node.text()


@one_store
def test_r27_files_that_change_while_they_are_imported_are_imported_once_more(scene: Scene) -> None:
    """What runs is what its name was taken of."""
    folder = scene.folder / "one"
    folder.mkdir()
    (folder / "parts.py").write_text("CODE = 'old'\n")
    (folder / "shipping.py").write_text(
        "import hydra\nfrom pathlib import Path\nimport parts\n"
        "if not Path('changed').exists():\n"
        "    Path('changed').touch()\n"
        "    Path('parts.py').write_text(\"CODE = 'another'\\n\")\n"
        "@hydra.workflow\ndef version() -> str:\n    return parts.CODE\n"
    )
    node = scene.start("shipping", folder=folder)
    assert scene.engine.submit(VERSION.bind()).result(timeout=30) == "another"
    assert node.text().count("importing it once more") == 1
