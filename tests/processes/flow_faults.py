"""Complex executions while a rising share of the database's operations fails; then recovery, and the account of it.

    python -m tests.processes.flow_faults --store postgres --executions 1000 --faults 5,10,20 --seed 1

The three examples' flows, mixed, on real supervisors. For each share: supervisors whose store fails so often, a part of
the executions, then kill -9. Last, supervisors without faults finish what is left. It exits with 1 unless every
execution ended as it must, the outside agrees, no recorded step began again, `hydra audit` is clean, and every kind
of fault happened.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import flow_checks, store_faults
from tests.processes.flow_stores import database
from tests.processes.scene import Scene
from tests.support.scenarios import SCENARIOS, Scenario, World, submit
from tests.support.scenarios import hurry as hurry_here

MIX = ["billed", "rolled out", "written off", "billed", "rolled back", "written off slowly", "declined"]
SUPERVISORS = 2
POLL_SECONDS = 0.2


@dataclass
class Account:
    """What came out; `wrong` is empty where all is well."""

    store: str
    executions: int
    faults: Counter[str]
    exits: int  # of supervisors that gave up by themselves
    records: int
    tries: int
    wrong: list[str]
    seconds: float

    def lines(self) -> Iterator[str]:
        kinds = store_faults.KINDS[self.store]
        struck = sum(self.faults[kind] for kind in kinds)
        yield f"{self.store}: {self.executions} executions in {self.seconds:.0f} s, {self.exits} supervisors gave up"
        yield f"  database operations: {self.faults['operation']}, of which failed: {struck}"
        yield from (f"    {kind}: {self.faults[kind]}" for kind in kinds)
        yield f"  steps: {self.records} recorded, {self.tries} tries"
        yield from (f"  WRONG {line}" for line in self.wrong[:20])
        yield (
            f"  {len(self.wrong)} wrong"
            if self.wrong
            else "  nothing lost, no recorded step ran again, all ended as they must"
        )


def run_with_faults(
    folder: Path, url: str, store: str, executions: int, shares: list[float], seed: int, limit: float
) -> Account:
    """`limit`: seconds for each share, or more until every kind of fault has happened; ten times that for recovery."""
    hurry_here()
    started = time.monotonic()
    world, scene = World(folder / "world"), Scene(folder, url)
    numbers: dict[str, tuple[Scenario, Any]] = {}
    exits = 0
    try:
        for index, share in enumerate(shares):
            for number in range(executions * index // len(shares), executions * (index + 1) // len(shares)):
                scenario, name = SCENARIOS[MIX[number % len(MIX)]], f"n{number}"
                numbers[name] = scenario, submit(scene.engine, scenario, world.folder, name)
            exits += serve(scene, world, share, seed + index, limit, store_faults.KINDS[store])
        exits += serve(scene, world, 0.0, seed, 10 * limit)
        for node in scene.nodes[-SUPERVISORS:]:
            if node.process.poll() is None:
                node.stop()
        wrong = [line for name, (scenario, handle) in numbers.items()
                 for line in flow_checks.ends(scenario, handle, world.folder, name)]  # fmt: skip
        records, reruns = flow_checks.reruns(url, folder / "tries")
        wrong += reruns + [f"audit: {row}" for row in scene.engine.audit()]
    finally:
        world.close()
        scene.engine.close()
        for node in scene.nodes:
            if node.process.poll() is None:
                node.kill()
                node.wait()
    faults = Counter((folder / "faults").read_text().splitlines())
    wrong += [f"no fault of the kind `{kind}` happened" for kind in store_faults.KINDS[store] if not faults[kind]]
    tries = sum(map(len, flow_checks.tries(folder / "tries").values()))
    return Account(store, executions, faults, exits, records, tries, wrong, time.monotonic() - started)


def serve(scene: Scene, world: World, share: float, seed: int, limit: float, faults: tuple[str, ...] = ()) -> int:
    """Until all is over or the time is; then kill -9, but to those without faults. How many gave up. On a machine on
    which little has happened by then, it takes up to ten times as long until each of these faults has."""
    environment = {**world.environment, "HYDRA_TEST_TRIES": str(scene.folder / "tries")}
    if share:
        environment |= {store_faults.RATE: str(share), store_faults.LOG: str(scene.folder / "faults")}
    exits, deadline = 0, time.monotonic() + limit
    nodes = []
    while time.monotonic() < deadline or (time.monotonic() < deadline + 9 * limit and not have_struck(scene, faults)):
        gone = [node for node in nodes if node.process.poll() is not None]
        exits += len(gone)
        nodes = [node for node in nodes if node not in gone]
        while len(nodes) < SUPERVISORS:
            own = {store_faults.SEED: f"{seed} {len(scene.nodes)}"}
            nodes.append(scene.start("flows_app", environment={**environment, **own}, concurrency=32))
        if flow_checks.is_over(scene.engine):
            break
        time.sleep(POLL_SECONDS)
    for node in nodes if share else ():
        node.kill()
        node.wait()
    return exits


def have_struck(scene: Scene, faults: tuple[str, ...]) -> bool:
    noted = scene.folder / "faults"
    return not faults or (noted.exists() and set(noted.read_text().splitlines()) >= set(faults))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--store", choices=list(store_faults.KINDS), default="sqlite")
    options.add_argument("--executions", type=int, default=1000)
    options.add_argument("--faults", default="5,10,20", help="per cent of the operations, one share after the other")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--limit", type=float, default=120.0, help="seconds for each share (default: 120)")
    options.add_argument("--folder", type=Path, help="a new one; default: a temporary one")
    chosen = options.parse_args()
    shares = [float(share) / 100 for share in chosen.faults.split(",")]
    with tempfile.TemporaryDirectory(prefix="hydra-flows-") as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with database(chosen.store, folder) as url, suppress(KeyboardInterrupt):
            account = run_with_faults(folder, url, chosen.store, chosen.executions, shares, chosen.seed, chosen.limit)
            print(*account.lines(), sep="\n")
            return 1 if account.wrong else 0
    return 130


if __name__ == "__main__":
    os.environ.pop("HYDRA_DB", None)
    sys.exit(main())
