"""How soon does work run again after a kill -9 of its worker, and of its supervisor?

    python benches/recovery.py [--rounds 20] [--lease-ttl 2s] [--url sqlite|postgres|mysql|URL]

Worker: from the kill to the first instruction of the step's next try. Supervisor: the same, with a second supervisor on
the same database; on one host a dead peer is recognised at once, so the lease's TTL is the bound, not the expectation.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from pathlib import Path

import hydra
import recovery_app
from machine import Report, percentile
from node import supervisor, wait_until
from server import add_options, database, durability


def tries(log: Path) -> list[tuple[float, int, int]]:
    """(time, worker pid, supervisor pid) of each start of the step."""
    if not log.exists():
        return []
    lines = [line.split() for line in log.read_text().splitlines()]
    return [(float(at), int(worker), int(parent)) for at, worker, parent in lines]


def rounds(engine: hydra.Engine, folder: Path, count: int, victim: int) -> list[float]:
    gaps = []
    for number in range(count):
        log = folder / f"log-{victim}-{number}"
        release = folder / f"release-{victim}-{number}"
        handle = engine.submit(recovery_app.hold.bind(str(log), str(release)))
        wait_until(lambda log=log: tries(log))
        killed_at = time.time()
        os.kill(tries(log)[0][victim], signal.SIGKILL)
        wait_until(lambda log=log: len(tries(log)) > 1, pause=0.001)
        gaps.append(tries(log)[1][0] - killed_at)
        release.touch()
        handle.result(timeout=30)
    return gaps


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--lease-ttl", default="2s")
    add_options(options)
    chosen = options.parse_args()
    report = Report("how soon does killed work run again?", durability(chosen.url))
    with tempfile.TemporaryDirectory(dir=".") as name, database(chosen.url) as url:
        folder = Path(name).resolve()
        start = (url, "--workers", "1", "--lease-ttl", chosen.lease_ttl)
        with supervisor(*start, module="recovery_app"), hydra.Engine(url) as engine:
            show(report, "worker killed", rounds(engine, folder, chosen.rounds, victim=1))
        gaps = []
        with hydra.Engine(url) as engine:
            for number in range(max(2, chosen.rounds // 5)):
                with supervisor(*start, module="recovery_app"), supervisor(*start, module="recovery_app"):
                    wait_until(lambda: engine.stats().nodes_alive == 2)  # who takes over has imported everything
                    sub = folder / str(number)
                    sub.mkdir()
                    gaps += rounds(engine, sub, 1, victim=2)
        show(report, f"supervisor killed, lease TTL {chosen.lease_ttl}", gaps)
    report.save(chosen.json)


def show(report: Report, what: str, seconds: list[float]) -> None:
    report.row(what, percentile(seconds, 0.5), "s median", worst=round(max(seconds), 3), rounds=len(seconds))


if __name__ == "__main__":
    main()
