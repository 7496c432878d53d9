"""hydra beside its peers, one after the other on one PostgreSQL server: prints the table.

    pip install '.[dev,peers]' && python benches/peers/run.py [--seconds 3] [--executions 5000] [--url postgres|URL]
        [--only raw_psycopg,hydra,dbos,pgqueuer]

Each has a database of its own on the same durable server, and the machine to itself while it runs. The quick ones get
several times the executions. A URL names a
server's database whose role may create databases. Meaningful on a quiet machine only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import uuid
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from server import database  # noqa: E402

TIMES = {"raw_psycopg": 10, "hydra": 10, "pgqueuer": 4}  # as many executions, so that a drain takes long enough
PEERS = {"raw_psycopg": "psycopg", "hydra": "hydra-engine", "dbos": "dbos", "pgqueuer": "pgqueuer"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--executions", type=int, default=5_000)
    options.add_argument("--url", default="postgres")
    options.add_argument("--only", default=",".join(PEERS))
    options.add_argument("--json")
    chosen = options.parse_args()
    names = [name for name in PEERS if name in chosen.only.split(",")]
    found: dict[str, dict[str, dict[str, object]]] = {}
    with database(chosen.url) as url:
        for name in names:
            found[name] = measure(name, url, chosen)
    print_table(found)
    if chosen.json:
        rows = [{"peer": name, **row} for name, own in found.items() for row in own.values()]
        Path(chosen.json).write_text(json.dumps({"rows": rows}, indent=1))


def measure(name: str, url: str, chosen: argparse.Namespace) -> dict[str, dict[str, object]]:
    own = f"peer_{name}_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'create database "{own}"')
    executions = chosen.executions * TIMES.get(name, 1)
    with tempfile.NamedTemporaryFile(suffix=".json") as results:
        command = [sys.executable, HERE / f"with_{name}.py", urlsplit(url)._replace(path=f"/{own}").geturl()]
        sizes = ["--seconds", str(chosen.seconds), "--executions", str(executions), "--json", results.name]
        subprocess.run([*command, *sizes], check=True)
        rows = json.loads(Path(results.name).read_text())["rows"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'drop database "{own}" with (force)')
    return {str(row["what"]): row for row in rows}


def print_table(found: dict[str, dict[str, dict[str, object]]]) -> None:
    print("\n| per second | " + " | ".join(f"{name} {version(name)}" for name in found) + " |")
    print("| --- |" + " --- |" * len(found))
    for what in dict.fromkeys(what for rows in found.values() for what in rows):
        cells = [f"{rows[what]['figure']:,.0f}" if what in rows else "-" for rows in found.values()]
        print(f"| {what} | " + " | ".join(cells) + " |")


def version(name: str) -> str:
    try:
        return metadata.version(PEERS[name])
    except metadata.PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()
