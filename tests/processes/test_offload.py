"""Offloaded values where processes are killed between an object and its row, and where the object store is slow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import hydra
import pytest
from hydra.move.offloaded import sweep
from hydra.object_store import ObjectStore
from hydra.payload_keys import NO_KEYS

from tests.processes.conftest import on_sqlite
from tests.processes.scene import ROOT, Scene, until

OVER = "2K"
APP = """
import os
import signal
import time
from pathlib import Path

import hydra
from hydra.object_store import ObjectStore

put = ObjectStore.put
HARM = os.environ.get("OFFLOAD_HARM", "")


def put_with_harm(self, payload):
    if HARM == "slow":
        time.sleep(5)
    pointer = put(self, payload)
    mark = Path("mark")
    if HARM == "kill" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return pointer


ObjectStore.put = put_with_harm


@hydra.step
def milled_grow(text: str) -> str:
    with open("notes", "a") as file:
        file.write(f"{hydra.idempotency_key()}\\n")
    return text + text


@hydra.workflow
def milled(text: str) -> int:
    return len(milled_grow(text))


@hydra.workflow
def milled_small(text: str) -> str:
    return text
"""
SUBMIT = """
import os, signal, sys
import hydra
from hydra.object_store import ObjectStore

put = ObjectStore.put


def put_and_die(self, payload):
    put(self, payload)
    os.kill(os.getpid(), signal.SIGKILL)


ObjectStore.put = put_and_die
url, offload, text = sys.argv[1:]
engine = hydra.Engine(url, offload=hydra.Offload(offload, over=2048))
engine.submit(hydra.named("milled").bind(text), key="k-1")
"""


def noise() -> str:
    return os.urandom(8000).hex()


def environment(scene: Scene, **more: str) -> dict[str, str]:
    (scene.folder / "milled.py").write_text(APP)
    return {"HYDRA_OFFLOAD": f"file://{scene.folder}/objects", "HYDRA_OFFLOAD_OVER": OVER, **more}


def start(scene: Scene, **more: str) -> None:
    scene.start("milled", folder=scene.folder, environment=environment(scene, **more))


def engine_of(scene: Scene) -> hydra.Engine:
    return hydra.Engine(scene.url, offload=hydra.Offload(f"file://{scene.folder}/objects", over=2048))


def notes(scene: Scene) -> list[str]:
    return (scene.folder / "notes").read_text().splitlines()


def test_g5_a_worker_killed_between_object_and_row_leaves_an_orphan_and_no_pointer(scene: Scene) -> None:
    start(scene, OFFLOAD_HARM="kill")
    text = noise()
    with engine_of(scene) as engine:
        handle = engine.submit(hydra.named("milled").bind(text))
        assert handle.result(timeout=60) == 2 * len(text)
        assert len(notes(scene)) == 2 and len(set(notes(scene))) == 1, "its record was not there: again, by one key"
        assert "crashed" in [each.ending for each in handle.attempts()]
        assert [each.kind for each in handle.records()] == ["crash", "step"]
        assert engine.audit() == []
        (step,) = [each for each in handle.export().read_records() if each.kind == "step"]
        assert step.payload is not None and hydra.codec.decode(step.payload) == text + text
        now = engine.session().now() + 3_600_000_000
    objects = ObjectStore(hydra.Offload(f"file://{scene.folder}/objects"), "default", NO_KEYS)
    assert sweep(scene.url, "default", objects, NO_KEYS, now, 0) == (1, 2), "the orphan; arguments and result stay"
    assert sweep(scene.url, "default", objects, NO_KEYS, now, 0) == (0, 2)
    with engine_of(scene) as engine:
        assert engine.fork(handle.id, "milled_grow").result(timeout=60) == 2 * len(text)


@on_sqlite
def test_g1_a_program_killed_between_object_and_row_has_submitted_nothing(scene: Scene) -> None:
    text = noise()
    scene.engine.audit()
    arguments = [scene.url, f"file://{scene.folder}/objects", text]
    killed = subprocess.run([sys.executable, "-c", SUBMIT, *arguments], cwd=ROOT, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert scene.engine.executions() == []
    assert len(list((scene.folder / "objects").rglob("*-*-*-*-*"))) == 1
    with engine_of(scene) as engine:
        start(scene)
        assert engine.submit(hydra.named("milled").bind(text), key="k-1").result(timeout=60) == 2 * len(text)


@on_sqlite
def test_r5_a_slow_object_store_costs_no_lease_and_no_neighbour(scene: Scene) -> None:
    """It takes longer than a lease of 2 s lasts."""
    start(scene, OFFLOAD_HARM="slow")
    text = noise()
    large = scene.engine.submit(hydra.named("milled").bind(text))
    until(lambda: (scene.folder / "notes").exists())
    small = [scene.engine.submit(hydra.named("milled_small").bind("x")) for _ in range(20)]
    assert [each.result(timeout=60) for each in small] == ["x"] * 20
    assert large.status() == "running"
    assert large.result(timeout=60) == 2 * len(text)
    assert [each.ending for each in large.attempts()] == ["completed"] and len(notes(scene)) == 1


@on_sqlite
@pytest.mark.parametrize("reads", [True, False], ids=["with its key", "without"])
def test_workers_of_hydra_start_encrypt_what_they_offload_and_what_they_record(scene: Scene, reads: bool) -> None:
    keys = scene.folder / "payload-keys"
    subprocess.run(["sh", "-c", f'echo "k1 $(openssl rand -base64 32) current" > {keys}'], check=True)
    offload = ["--offload", f"file://{scene.folder}/objects", "--offload-over", OVER]
    given = ["--payload-keys", str(keys)]
    environment(scene)
    command = [sys.executable, "-m", "hydra.cli", "start", "milled", "--db", scene.url, "--workers", "1", *offload]
    text = "MARKER" + noise()
    payload_keys = hydra.PayloadKeys.from_file(str(keys))
    with (
        hydra.Engine(scene.url, payload_keys=payload_keys, offload=engine_of(scene).offload) as engine,
        open(scene.folder / "log", "wb") as log,
    ):
        handle = engine.submit(hydra.named("milled").bind(text))
        small = engine.submit(hydra.named("milled_small").bind("MARKER"))
        node = subprocess.Popen([*command, *(given if reads else [])], cwd=scene.folder, stdout=log, stderr=log)
        try:
            if not reads:
                assert node.wait(60) == 2
                assert "encrypted with the key `k1`, which is not given here" in (scene.folder / "log").read_text()
                return
            assert handle.result(timeout=60) == 2 * len(text) and small.result(timeout=60) == "MARKER"
            (step,) = handle.export().read_records()
            assert hydra.codec.decode(step.payload or b"") == text + text
        finally:
            node.terminate()
            node.wait(60)
    kept = [path.read_bytes() for path in scene.folder.rglob("*") if path.is_file() and "objects" in path.parts]
    assert len(kept) == 2 and {content[0] for content in kept} == {0xD2}
    files = [Path(f"{scene.url.removeprefix('sqlite:///')}{end}") for end in ("", "-wal")]
    assert all(b"MARKER" not in file.read_bytes() for file in files if file.exists())
