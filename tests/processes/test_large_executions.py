"""An execution with very much that is not recorded yet, or not read, is no burden for its node and its neighbours."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import hydra

from tests.processes.scene import Scene

COUNT = int(os.environ.get("HYDRA_LARGE_COUNT", "3"))
BYTES = 12_000_000


def peak_megabytes(pid: int) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def test_g7_one_with_much_unrecorded_ends_and_its_neighbours_go_on(scene: Scene) -> None:
    node = scene.start("large_app", workers=1, lease_ttl_seconds=10.0)
    assert scene.engine.submit(hydra.named("small").bind()).result(timeout=60) == "small"
    large = scene.engine.submit(hydra.named("much").bind(COUNT, BYTES))
    began, waits = time.monotonic(), []
    while large.status() not in ("completed", "failed", "parked"):
        asked = time.monotonic()
        assert scene.engine.submit(hydra.named("small").bind()).result(timeout=60) == "small"
        waits.append(time.monotonic() - asked)
    assert large.result(timeout=1) == COUNT * BYTES
    print(f"{COUNT} records of 12 MB in {time.monotonic() - began:.1f} s; neighbours waited {max(waits):.2f} s at most")
    print(f"supervisor's peak {peak_megabytes(node.pid)} MB")


def test_g7_large_signals_are_read_by_the_page(scene: Scene) -> None:
    node = scene.start("large_app", workers=1, lease_ttl_seconds=10.0)
    handle = scene.engine.submit(hydra.named("listen").bind(COUNT))
    part = random.Random(0).randbytes(10_000_000)
    began = time.monotonic()
    for _ in range(COUNT):
        handle.signal("part", part)
    assert handle.result(timeout=100) == COUNT * len(part)
    print(
        f"{COUNT} signals of 10 MB in {time.monotonic() - began:.1f} s; supervisor's peak {peak_megabytes(node.pid)} MB"
    )
