"""A worker that takes more memory than it may is drained, and another takes its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.processes import hoard_app
from tests.processes.conftest import on_sqlite
from tests.processes.scene import Scene, until


@on_sqlite  # what a node does with it is the same on every database
def test_b3_a_worker_above_its_memory_limit_is_replaced_and_nothing_runs_twice(scene: Scene, tmp_path: Path) -> None:
    node = scene.start("hoard_app", worker_memory_bytes=hoard_app.LIMIT_BYTES)
    log, gate = tmp_path / "hoard.log", tmp_path / "gate"
    long = scene.engine.submit(hoard_app.awaits.bind(str(gate)))
    until(Path(f"{gate}.begun").exists)
    pids: list[int] = []

    def is_replaced() -> bool:
        pids.append(scene.engine.submit(hoard_app.hoards.bind(str(log))).result(timeout=60))
        return len(set(pids)) >= 3

    until(is_replaced, 120)
    gate.touch()
    first, second = long.result(timeout=60)
    assert first == pids[0]  # the old worker ended what it ran, while another took new work
    assert second != first  # and handed the rest back
    assert len(log.read_bytes().splitlines()) == len(pids)
    assert "more than `--worker-memory` allows: another takes over" in node.text()
    assert [claim.ending for claim in long.attempts()] == ["released", "completed"]
    assert "died" not in node.text()


def test_a_limit_that_the_import_alone_is_above_is_refused_at_the_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hydra.cli", "start", "tests.processes.hoard_app", "--worker-memory", "2M"]
    done = subprocess.run(
        [*command, "--db", f"sqlite:///{tmp_path}/hydra.db"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert "error: app `tests.processes.hoard_app` takes " in done.stderr
    assert "and `--worker-memory` allows a worker 2 MiB; allow more" in done.stderr
