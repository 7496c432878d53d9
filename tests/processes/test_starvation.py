"""Too little CPU: busy loops beside a node, and a node that is only now and then allowed to run.

Nothing is lost, and a recorded step never runs again. A lease is held, or it is lost by rule: then the node gives its
work up, and another takes it. When the starving ends, pickup is what it was.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.errors import StoreUnavailable

from tests.processes import starving_app
from tests.processes.scene import Node, Scene, until

EXECUTIONS = int(os.environ.get("HYDRA_TEST_STARVED_EXECUTIONS", "20"))
LOOPS_PER_CORE = 4
LOOPS_NICE, NODE_NICE = "5", "15"  # a loop gets ten times the CPU that a process of the node gets
QUOTA = 0.1  # of one core
PERIOD_SECONDS = 0.5  # of a quota without cgroups
SLA_SECONDS = 5.0
WAIT_SECONDS = 240.0
CGROUPS = Path("/sys/fs/cgroup")


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Programs that take all the time they get."""
    command = ["nice", "-n", LOOPS_NICE, sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(each for child in children for each in tree(int(child)))]


@contextmanager
def quota(node: Node) -> Iterator[None]:
    """A tenth of a core for a node and its workers, by the kernel where this may make cgroups."""
    with ExitStack() as stack:
        group = make_group(f"hydra-{node.pid}")
        if group is None:
            stack.enter_context(rationed(node, QUOTA * PERIOD_SECONDS, (1 - QUOTA) * PERIOD_SECONDS))
            yield
            return
        stack.callback(empty, group)
        for pid in tree(node.pid):
            with suppress(ProcessLookupError):  # a worker may have been replaced since
                (group / "cgroup.procs").write_text(str(pid))
        yield


def make_group(name: str) -> Path | None:
    """With the quota set; None where that cannot be."""
    for place, file, text in (
        (CGROUPS / "cpu", "cpu.cfs_quota_us", f"{QUOTA * 100_000:.0f}"),
        (CGROUPS, "cpu.max", f"{QUOTA * 100_000:.0f} 100000"),
    ):
        with suppress(OSError):
            (place / name).mkdir()
            if (place / name / file).exists():
                (place / name / file).write_text(text)
                return place / name
            (place / name).rmdir()
    return None


def empty(group: Path) -> None:
    while pids := (group / "cgroup.procs").read_text().split():
        for pid in pids:
            with suppress(OSError):  # it went by itself
                (group.parent / "cgroup.procs").write_text(pid)
    group.rmdir()


@contextmanager
def rationed(node: Node, run_seconds: float, stop_seconds: float) -> Iterator[None]:
    """A node that runs for so long, and stands still for so long, its workers too."""
    done = threading.Event()

    def send(number: signal.Signals) -> None:
        for pid in tree(node.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def ration() -> None:
        while not done.wait(run_seconds):
            send(signal.SIGSTOP)
            done.wait(stop_seconds)
            send(signal.SIGCONT)

    thread = threading.Thread(target=ration)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        send(signal.SIGCONT)


def submit(scene: Scene, count: int) -> list[str]:
    return [
        until(lambda number=number: try_submit(scene, number), WAIT_SECONDS)  # type: ignore[misc]
        for number in range(count)
    ]


def try_submit(scene: Scene, number: int) -> str:
    """Under a key, so that it may be repeated."""
    try:
        return scene.engine.submit(starving_app.starved.bind(scene.log, f"w{number}"), key=f"w{number}").id
    except StoreUnavailable:
        return ""


def check(scene: Scene, ids: list[str]) -> None:
    """All ended; a step ran again only where its execution's node was declared dead meanwhile."""
    handles = [scene.engine.get(id) for id in ids]
    until(lambda: all(handle.status() == "completed" for handle in handles), WAIT_SECONDS)
    counts = scene.counts()
    assert set(counts) == {f"w{number}-{part}" for number in range(len(ids)) for part in ("first", "second")}
    for number, handle in enumerate(handles):
        lost = sum(attempt.ending in ("lost", "crashed") for attempt in handle.attempts())
        ran = [counts[f"w{number}-{part}"] for part in ("first", "second")]
        assert sum(ran) <= len(ran) + lost, (number, ran, handle.attempts())
    assert scene.engine.audit() == []


def lost_count(scene: Scene, ids: list[str]) -> int:
    return sum(attempt.ending == "lost" for id in ids for attempt in scene.engine.get(id).attempts())


def pickup_seconds(scene: Scene) -> float:
    """The best of a few, once nothing starves: a machine may be busy with something else."""
    found = []
    for _ in range(5):
        began = time.time()
        found.append(scene.engine.submit(starving_app.started_at.bind()).result(timeout=WAIT_SECONDS) - began)
    return min(found)


def start(scene: Scene, count: int, **settings: Any) -> list[Node]:
    nodes = [scene.start("starving_app", **settings) for _ in range(count)]
    until(lambda: scene.engine.stats().nodes_alive == count, WAIT_SECONDS)
    return nodes


def test_c4_busy_loops_on_all_cores_cost_time_and_no_lease(scene: Scene) -> None:
    (node,) = start(scene, 1, lease_ttl_seconds=30.0, prefix=["nice", "-n", NODE_NICE])
    with busy_loops(LOOPS_PER_CORE * len(os.sched_getaffinity(0))):
        ids = submit(scene, EXECUTIONS)
        check(scene, ids)
    assert lost_count(scene, ids) == 0
    assert "declared dead" not in node.text()
    assert pickup_seconds(scene) < SLA_SECONDS


def test_c4_a_tenth_of_a_core_costs_time_and_no_lease(scene: Scene) -> None:
    (node,) = start(scene, 1, lease_ttl_seconds=30.0)
    with quota(node):
        ids = submit(scene, EXECUTIONS)
        check(scene, ids)
    assert lost_count(scene, ids) == 0
    assert "declared dead" not in node.text()
    assert pickup_seconds(scene) < SLA_SECONDS


def test_c4_a_node_that_stands_still_past_its_lease_again_and_again_gives_its_work_up(scene: Scene) -> None:
    starved, _ = start(scene, 2, lease_ttl_seconds=1.0)
    with rationed(starved, 0.3, 3.0):
        ids = submit(scene, EXECUTIONS)
        check(scene, ids)
        until(lambda: starved.process.poll() is not None or "declared dead" in starved.text(), WAIT_SECONDS)
    assert pickup_seconds(scene) < SLA_SECONDS
