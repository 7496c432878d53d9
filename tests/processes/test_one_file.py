"""Many processes on one SQLite file."""

from __future__ import annotations

import subprocess
import sys

from tests.processes import apps
from tests.processes.scene import ROOT, Scene

SUBMITTERS = 10
EACH = 60

SUBMIT = """
import sys, hydra
from tests.processes import apps
url, log, number, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with hydra.Engine(url) as engine:
    handles = [engine.submit(apps.count.bind(4), key=f"{number}-{one}") for one in range(count)]
    print(sum(handle.result(timeout=60) for handle in handles))
"""


def test_two_supervisors_and_ten_submitters_share_a_file(scene: Scene) -> None:
    for _ in range(2):
        scene.start(concurrency=32)
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", SUBMIT, scene.url, scene.log, str(number), str(EACH)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(SUBMITTERS)
    ]
    for program in programs:
        output, errors = program.communicate(timeout=90)
        assert (program.returncode, errors) == (0, "")
        assert int(output) == EACH * 6
    assert scene.engine.stats().counts[apps.count.name] == {"completed": SUBMITTERS * EACH}
    for node in scene.nodes:
        assert node.stop() == 0
        assert "ERROR" not in node.text()


def test_g8_the_first_starts_of_two_supervisors_create_the_tables_once(scene: Scene) -> None:
    nodes = [scene.start() for _ in range(3)]
    assert scene.engine.submit(apps.count.bind(2)).result(timeout=30) == 1
    assert [node.stop() for node in nodes] == [0, 0, 0]
