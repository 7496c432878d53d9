"""kill -9 at every point of executions with limits: no place is lost or had twice, and who is first begins first.

    python -m tests.processes.limit_kills --store postgres [--every 4 --first 1]

Several executions wait for each other, and each comes to every point: so a point is tried as often as that. It exits
with 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

from hydra.execution import FINAL

from tests.processes import limited_app
from tests.processes.flow_stores import database
from tests.processes.limited_app import COUNT, PARTS
from tests.processes.scene import Note, Scene, until
from tests.processes.test_kill_matrix import SUPERVISOR, WORKER

LIMITS = ("limited_turns", "limited_places", "limited_starts", "limited_till")
POINTS = [
    f"{point}#{number}"
    for point in [f"worker:{each}" for each in WORKER] + [f"supervisor:{each}" for each in SUPERVISOR]
    for number in range(1, COUNT + 1)
]


def die(scene: Scene, point: str) -> None:
    """All of them, and one death; AssertionError where they do not end as without it."""
    node = scene.start("limited_app", kill=point)
    bound = [limited_app.limited_life.bind(scene.log, "acme", number) for number in range(COUNT)]
    handles = scene.engine.submit_many(bound)
    until(lambda: node.process.poll() is not None or all(handle.status() in FINAL for handle in handles))
    if node.process.poll() is not None:
        scene.start("limited_app")
    assert [handle.result(timeout=60) for handle in handles] == list(range(COUNT))
    check_notes(scene.notes(), has_died=scene.mark.exists())
    for limit in LIMITS:
        assert [(use.held or 0, use.waiting) for use in scene.engine.limit_keys(limit)] == [(0, 0)], limit
    assert scene.engine.audit() == []


def check_notes(notes: list[Note], *, has_died: bool) -> None:
    """Each effect once, or twice where somebody died; never two under way; begun in the order of submission."""
    words = [note.word for note in notes]
    effects = [word for word in words if word.startswith("begin ")]
    wanted = [f"begin {number} {part}" for part in PARTS for number in range(COUNT)]
    assert sorted(set(effects)) == sorted(wanted)
    assert len(effects) + words.count("till 0") <= len(wanted) + 1 + has_died
    assert list(dict.fromkeys(word for word in effects if word.endswith("first"))) == wanted[:COUNT]
    under_way = ""
    for word in words:
        if word.startswith("begin "):
            assert under_way in ("", word), f"`{word}` beside `{under_way}`"
            under_way = word
        elif word.startswith("end "):
            under_way = ""


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--store", choices=["sqlite", "postgres", "mysql"], default="sqlite")
    options.add_argument("--every", type=int, default=1, help="only each so manieth point (default: 1, all)")
    options.add_argument("--first", type=int, default=0, help="which of those is the first (default: 0)")
    chosen = options.parse_args()
    started, wrong, deaths = time.monotonic(), 0, 0
    points = POINTS[chosen.first :: chosen.every]
    for point in points:
        with tempfile.TemporaryDirectory(prefix="hydra-kills-") as folder, database(chosen.store, Path(folder)) as url:
            scene = Scene(Path(folder), url)
            try:
                die(scene, point)
            except (AssertionError, TimeoutError) as error:
                wrong += 1
                print(f"  WRONG {point}: {error!s:.500}", flush=True)
            finally:
                deaths += scene.mark.exists()
                with contextlib.redirect_stdout(None if wrong else io.StringIO()):  # what nodes have logged
                    scene.close()
    print(f"{chosen.store}: {deaths} deaths of {len(points)} points, {wrong} wrong, {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
