"""Each benchmark still runs: small sizes, figures that say nothing. What CI runs of the scripts.

With HYDRA_BENCHMARKS=all, as at night, also those that start many servers, and each on every database.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from peers.run import PEERS, lack

HERE = Path(__file__).parent
DATABASES = ("sqlite", "postgres", "mysql")
BRIEFLY = ("--seconds", "0.2", "--executions", "20", "--samples", "3")

SCRIPTS = {
    "submit": ["--seconds", "0.2"],
    "drain": ["--executions", "2000"],
    "drain with logs": ["--executions", "300", "--with-logs"],
    "drain with traces": ["--executions", "300", "--with-traces"],
    "store": ["--count", "1000", "--batch", "100"],
    "claim": ["--pending", "2000", "--sleeping", "2000", "--finished", "2000", "--rounds", "5"],
    "claim on PostgreSQL": [
        *("--pending", "2000", "--sleeping", "2000", "--finished", "2000", "--rounds", "5"),
        *("--url", "postgres", "--hold-seconds", "0.5", "--updates", "2000"),
    ],
    "limits": ["--blocked", "2000", "--keys", "200", "--rounds", "5", "--seconds", "0"],
    "claimers": ["--claimers", "3", "--pending", "1000"],
    "payloads": ["--rounds", "1"],
    "pickup": ["--samples", "20", "--burst", "20", "--workers", "1"],
    "recovery": ["--rounds", "2", "--lease-ttl", "2s"],
    "bulk": ["--items", "6000", "--chunk", "100"],
    "idle": ["--nodes", "4", "--seconds", "1", "--samples", "3", "--rate", "20"],
    "idle of processes": ["--nodes", "2", "--processes", "--seconds", "1", "--samples", "3", "--rate", "20"],
    "peers/run": [*BRIEFLY, "--only", "raw_psycopg,hydra"],
    **{f"peers/run of {name}": [*BRIEFLY, "--only", name] for name, peer in PEERS.items() if not lack(peer)},
    **{
        f"sleepers on {database}": [
            *("--sleepers", "2000", "--rate", "100", "--seconds", "1", "--burst", "300", "--fresh", "300"),
            *(("--url", database) if database != "sqlite" else ()),
        ]
        for database in DATABASES
    },
    **{f"page_views on {database}": ["--count", "4000", "--tries", "1", "--url", database] for database in DATABASES},
    **{f"audit on {database}": ["--executions", "2000", "--url", database] for database in DATABASES},
    "audit and move": ["--executions", "500", "--move-to", "postgres"],
    "lists": ["--count", "4000", "--tries", "1"],
    "retention": ["--finished", "60000", "--seconds", "1", "--rounds", "1"],
    "beats": ["--running", "0,50", "--seconds", "1"],
    "workers": ["--workers", "1,2", "--rounds", "1", "--slow-seconds", "5"],
    "databases": ["--seconds", "1", "--threads", "1"],
    "opcodes": ["--executions", "20"],
    "fleet": ["--nodes", "2", "--rate", "10", "--settle", "1"],
    "full": ["--minutes", "0.1", "--places", "8", "--queue", "50"],
    "memory": ["--pending", "4000", "--drained", "1000", "--idle-seconds", "0.5"],
}

AT_NIGHT = {
    "databases",
    "fleet",
    "full",
    "idle of processes",
    "retention",
    *(f"peers/run of {name}" for name in PEERS),  # those whose packages are there: `pip install '.[peers]'`
    "audit and move",
    *(f"{script} on {name}" for script in ("sleepers", "page_views", "audit") for name in ("postgres", "mysql")),
}
CHOSEN = [name for name in SCRIPTS if name not in AT_NIGHT or os.environ.get("HYDRA_BENCHMARKS") == "all"]


@pytest.mark.parametrize("name", CHOSEN)
def test_the_benchmark_runs(name: str, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    script = name.partition(" ")[0]
    command = [sys.executable, str(HERE / f"{script}.py"), *SCRIPTS[name], "--json", str(results)]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(HERE)}, check=True, timeout=170)
    rows = json.loads(results.read_text())["rows"]
    assert rows
    assert all(row["figure"] >= 0 for row in rows)
