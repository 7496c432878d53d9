"""Rolls a good release over five hosts while the supervisor is killed, then a broken one, which rolls itself back.

    python run.py [--folder DIRECTORY]

Exit codes: 0 the fleet is as it should be, 1 it is not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import hydra  # noqa: E402
from app import rolling_restart  # noqa: E402
from hosts import BROKEN, Fleet  # noqa: E402

NAMES = ["web-1", "web-2", "web-3", "web-4", "web-5"]
RESULT_TIMEOUT_SECONDS = 120.0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, help="where hosts and database live (default: a temporary one)")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return roll(chosen.folder.resolve() if chosen.folder else Path(temporary))


def roll(folder: Path) -> int:
    fleet = Fleet(folder / "hosts")
    fleet.create(NAMES, "1.0")
    url = f"sqlite:///{folder}/hydra.db"
    supervisor = start(url, fleet.folder)
    try:
        with hydra.Engine(url) as engine:
            good = engine.submit(rolling_restart.bind("2.0", NAMES), key="release-2.0")
            while fleet.host(NAMES[1]).release != "2.0":
                time.sleep(0.05)
            print(f"killing the supervisor while `{NAMES[1]}` restarts")
            supervisor.kill()
            supervisor.wait()
            supervisor = start(url, fleet.folder)
            good.result(timeout=RESULT_TIMEOUT_SECONDS)
            passed = report("release 2.0: done", fleet, "2.0")
            broken = engine.submit(rolling_restart.bind(BROKEN, NAMES), key=f"release-{BROKEN}")
            try:
                broken.result(timeout=RESULT_TIMEOUT_SECONDS)
            except hydra.WorkflowFailed as failure:
                return (
                    0
                    if report(f"release {BROKEN}: undone, because {failure.__cause__}", fleet, "2.0") and passed
                    else 1
                )
            return 1
    finally:
        supervisor.terminate()
        supervisor.wait()


def start(url: str, hosts: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hydra.cli", "start", "app", "--db", url, "--workers", "1", "--lease-ttl", "2s"]
    environment = {**os.environ, "FLEET_FOLDER": str(hosts)}
    return subprocess.Popen(command, cwd=HERE, env=environment, stderr=subprocess.DEVNULL)


def report(outcome: str, fleet: Fleet, expected: str) -> bool:
    """Print how it went; whether every host runs the expected release and is in rotation."""
    print(outcome)
    for host in fleet.hosts():
        print(f"  {host.name}  {host.release:12} {'in rotation' if host.in_rotation else 'OUT OF ROTATION'}")
    return all(host.release == expected and host.in_rotation for host in fleet.hosts())


if __name__ == "__main__":
    sys.exit(main())
