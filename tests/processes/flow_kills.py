"""kill -9 at every point of the three examples' flows, of the worker and of its supervisor.

    python -m tests.processes.flow_kills --store postgres --flow "rolled back" [--every 4 --first 1]

A run without kills tells which points there are, and how often each is come to. Then one execution for each of these
times: somebody dies there, others go on. Result and effects must be those of the run without kills, no recorded step
began again, `hydra audit` is clean. It exits with 1 otherwise. `--every 4` takes each fourth point: with
`--first` 0 to 3 all, in four runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hydra.execution import FINAL, Status

from tests.processes import flow_checks, kills
from tests.processes.flow_stores import database
from tests.processes.scene import Node, Scene, until
from tests.support.scenarios import SCENARIOS, Scenario, World, hurry, submit

FLOWS = ("billed", "declined", "rolled out", "rolled back", "written off slowly")
CHILD_SECONDS = 60.0


class Killing:
    """Executions one after the other in one database and one world; each has its own death."""

    def __init__(self, folder: Path, url: str) -> None:
        hurry()
        self.scene = Scene(folder, url)
        self.world = World(folder / "world")
        self.tries = folder / "tries"
        self.count = 0
        self.unreached: list[str] = []
        self.wrong: list[str] = []

    def close(self) -> None:
        self.world.close()
        self.scene.close()

    def points(self, scenario: Scenario) -> list[str]:
        """Where somebody can die, by a run in which nobody does: `worker:after effect#3`."""
        trace = self.scene.folder / f"points-{self.count}"
        node = self._start({kills.TRACE: str(trace)})
        self._end(scenario, self._submit(scenario))
        node.kill()
        node.wait()
        times = Counter(line for line in trace.read_text().splitlines() if "tick" not in line)
        return [f"{point}#{number}" for point, count in times.items() for number in range(1, count + 1)]

    def kill(self, scenario: Scenario, point: str) -> None:
        """One execution, and a death at that point."""
        mark = self.scene.folder / f"mark-{self.count}"
        node = self._start({kills.POINT: point, kills.MARK: str(mark)})
        number = self._submit(scenario)
        until(lambda: mark.exists() or number[1].status() in FINAL, CHILD_SECONDS)
        if not mark.exists():
            self.unreached.append(point)
        elif point.startswith("supervisor:"):
            node.kill()  # one that was stopped inside a transaction
            node.wait()
        nodes = [node] if node.process.poll() is None else [self._start({})]
        self._end(scenario, number)
        for each in nodes:
            each.kill()
            each.wait()

    def give_up(self) -> None:
        """The last execution stands still: say what is known of it, and go on without its nodes."""
        (execution,) = self.scene.engine.executions(limit=1)
        self.wrong.append(f"n{self.count} stands still as {execution.status}: {self.scene.nodes[-1].text()[-2000:]}")
        self.stop_nodes()

    def stop_nodes(self) -> None:
        for node in self.scene.nodes:
            if node.process.poll() is None:
                node.kill()
                node.wait()

    def account(self) -> int:
        """How many results are recorded; what is wrong with them goes to `wrong`."""
        recorded, reruns = flow_checks.reruns(self.scene.url, self.tries)
        self.wrong += reruns + [f"audit: {row}" for row in self.scene.engine.audit()]
        return recorded

    def _start(self, environment: dict[str, str]) -> Node:
        own = {**self.world.environment, "HYDRA_TEST_TRIES": str(self.tries), **environment}
        return self.scene.start("flows_app", environment=own)

    def _submit(self, scenario: Scenario) -> tuple[str, Any]:
        self.count += 1
        number = f"n{self.count}"
        return number, submit(self.scene.engine, scenario, self.world.folder, number)

    def _end(self, scenario: Scenario, number: tuple[str, Any]) -> None:
        name, handle = number
        until(lambda: handle.status() in (*FINAL, Status.PARKED), CHILD_SECONDS)
        self.wrong += flow_checks.ends(scenario, handle, self.world.folder, name)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--store", choices=["sqlite", "postgres", "mysql"], default="sqlite")
    options.add_argument("--flow", choices=FLOWS, action="append", help="may be given more than once; default: all")
    options.add_argument("--every", type=int, default=1, help="only each so manieth point (default: 1, all)")
    options.add_argument("--first", type=int, default=0, help="which of those is the first (default: 0)")
    chosen = options.parse_args()
    wrong = 0
    for flow in chosen.flow or FLOWS:
        with tempfile.TemporaryDirectory(prefix="hydra-kills-") as temporary:
            folder, started = Path(temporary), time.monotonic()
            with database(chosen.store, folder) as url:
                killing = Killing(folder, url)
                try:
                    points = killing.points(SCENARIOS[flow])
                    killed = points[chosen.first :: chosen.every]
                    for point in killed:
                        before = len(killing.wrong)
                        try:
                            killing.kill(SCENARIOS[flow], point)
                        except TimeoutError:
                            killing.give_up()
                        killing.wrong[before:] = [f"{point}: {line}" for line in killing.wrong[before:]]
                    recorded = killing.account()
                finally:
                    killing.world.close()
                    killing.stop_nodes()
                    killing.scene.engine.close()
            deaths = len(killed) - len(killing.unreached)
            print(
                f"{chosen.store}, {flow}: {deaths} deaths of {len(points)} points, {recorded} results, ",
                end="",
            )
            print(f"{len(killing.wrong)} wrong, {time.monotonic() - started:.0f} s; not come to: {killing.unreached}")
            print(*(f"  WRONG {line}" for line in killing.wrong[:20]), sep="\n", flush=True)
            wrong += len(killing.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
