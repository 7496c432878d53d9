"""Load over HTTP: the service of `examples/service` on this machine under one of the k6 scripts here; then: has every
order that was accepted been fulfilled once, and is the audit clean? Exit code 1 when a threshold of the script fails,
or that.

    go install go.k6.io/k6@latest
    python benches/http/under_load.py smoke
    python benches/http/under_load.py load --url postgres --rate 100 --duration 60s
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "service"))

import hydra
from run import free_port, service
from server import database

HERE = Path(__file__).resolve().parent
SCRIPTS = ("smoke", "load", "stress", "spike", "soak")
SETTLE_SECONDS = 120.0


def k6_program(given: str | None) -> str:
    found = given or shutil.which("k6") or shutil.which("k6", path=str(Path.home() / "go" / "bin"))
    if found is None:
        sys.exit("error: k6 is not installed; `go install go.k6.io/k6@latest`, or name it with `--k6`")
    return found


def settle(url: str, orders: int) -> list[str]:
    """What is wrong, once all that was accepted has ended."""
    with hydra.Engine(url) as engine:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            counts = {status: count for status, count in engine.stats().counts.get("fulfil", {}).items() if count}
            if set(counts) <= {"completed"} or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        found = [f"audit: {each.promise} {each.detail}" for each in engine.audit()]
    if counts.get("completed", 0) < orders or set(counts) > {"completed"}:
        found.append(f"{orders} orders were accepted, and there are {counts}")
    return found


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("script", choices=SCRIPTS)
    options.add_argument("--url", default="sqlite", help="or `postgres`, `mysql`: a fresh one")
    options.add_argument("--rate", help="orders a second")
    options.add_argument("--duration", help="such as `60s`")
    options.add_argument("--workers", type=int, default=1, help="of the node")
    options.add_argument("--processes", type=int, default=1, help="of the web side")
    options.add_argument("--k6", help="the program")
    options.add_argument("--json", type=Path, help="a file for k6's summary")
    chosen = options.parse_args()
    k6 = k6_program(chosen.k6)
    with database(chosen.url) as url, tempfile.TemporaryDirectory() as folder:
        summary = chosen.json or Path(folder) / "summary.json"
        with service(url, free_port(), chosen.workers, chosen.processes) as address:
            given = {"URL": address, "RATE": chosen.rate, "DURATION": chosen.duration}
            variables = [f"--env={name}={value}" for name, value in given.items() if value]
            command = [k6, "run", "--quiet", f"--summary-export={summary}", *variables, f"{chosen.script}.js"]
            code = subprocess.run(command, cwd=HERE, env={**os.environ, "K6_NO_USAGE_REPORT": "true"}).returncode
            placed = json.loads(summary.read_text())["metrics"].get("orders_placed", {}).get("count", 0)
            found = settle(url, int(placed))
    for each in found:
        print(f"FOUND: {each}")
    print(f"{int(placed)} orders were accepted; k6 ended with {code}")
    return 1 if code or found else 0


if __name__ == "__main__":
    sys.exit(main())
