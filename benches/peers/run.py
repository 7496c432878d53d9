"""hydra beside its peers, one after the other, on servers of their own: prints the table.

    pip install '.[dev,peers]' && python benches/peers/run.py [--seconds 5] [--executions 2000] [--samples 200]
        [--only raw_psycopg,hydra,dbos] [--url postgres|URL] [--json FILE]

Each has the machine to itself while it runs, and a database of its own: of one durable PostgreSQL server, in a file, or
a Redis server. `--seconds` bounds each row; `--executions` wait at its beginning, several times as many of the quick
ones. What is not installed is left out and named at the end: Oban needs CPython 3.12 or later, Celery Debian's
`redis-server`. A URL names a PostgreSQL database whose role may create others. Meaningful on a quiet machine only.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent)]

import children  # noqa: E402
from machine import facts  # noqa: E402
from server import database  # noqa: E402
from table import print_table  # noqa: E402


@dataclass(frozen=True)
class Peer:
    title: str
    script: str
    package: str
    place: str = "postgres"  # or `sqlite`, `redis`, `redis, each write synced`
    times: int = 1  # as many executions, so that a drain takes long enough


PEERS = {
    "raw_psycopg": Peer("raw psycopg", "with_raw_psycopg", "psycopg", times=100),
    "hydra": Peer("hydra on PostgreSQL", "with_hydra", "hydra-engine", times=50),
    "dbos": Peer("DBOS on PostgreSQL", "with_dbos", "dbos", times=3),
    "absurd": Peer("Absurd", "with_absurd", "absurd-sdk", times=3),
    "pgqueuer": Peer("pgqueuer", "with_pgqueuer", "pgqueuer", times=25),
    "oban": Peer("Oban", "with_oban", "oban", times=10),
    "procrastinate": Peer("procrastinate", "with_procrastinate", "procrastinate", times=5),
    "hydra_sqlite": Peer("hydra on SQLite", "with_hydra", "hydra-engine", "sqlite", times=50),
    "dbos_sqlite": Peer("DBOS on SQLite", "with_dbos", "dbos", "sqlite"),
    "celery": Peer("Celery, as it comes", "with_celery", "celery", "redis", times=5),
    "celery_synced": Peer("Celery, synced", "with_celery", "celery", "redis, each write synced"),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--executions", type=int, default=2_000)
    options.add_argument("--samples", type=int, default=200)
    options.add_argument("--url", default="postgres")
    options.add_argument("--only", default=",".join(PEERS))
    options.add_argument("--json")
    chosen = options.parse_args()
    if unknown := set(chosen.only.split(",")) - set(PEERS):
        options.error(f"no peer is called {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    asked = {name: PEERS[name] for name in PEERS if name in chosen.only.split(",")}
    left_out = {peer.title: why for peer in asked.values() if (why := lack(peer))}
    found: dict[str, object] = {
        "command": " ".join(["peers/run.py", *sys.argv[1:]]),
        "began": time.strftime("%Y-%m-%d %H:%M"),
        "facts": facts(),
        "left_out": left_out,
        "peers": [],
        "rows": [],
    }
    with database(chosen.url) as url:
        for name, peer in asked.items():
            if peer.title in left_out:
                continue
            rows = measure(peer, url, chosen)
            found["peers"].append({"name": name, "title": peer.title, "version": version(peer)})
            found["rows"] += [{"peer": name, **row} for row in rows]
            if chosen.json:  # so far: it takes minutes
                Path(chosen.json).write_text(json.dumps(found, indent=1))
    print()
    print_table(found)


def lack(peer: Peer) -> str:
    if not version(peer):
        return f"`{peer.package}` is not installed"
    if peer.place.startswith("redis") and not shutil.which("redis-server"):
        return "`redis-server` is not installed"
    return ""


def version(peer: Peer) -> str:
    try:
        return metadata.version(peer.package)
    except metadata.PackageNotFoundError:
        return ""


def measure(peer: Peer, postgres_url: str, chosen: argparse.Namespace) -> list[dict[str, object]]:
    with place(peer, postgres_url) as url, tempfile.NamedTemporaryFile(suffix=".json") as results:
        sizes = {
            "--seconds": chosen.seconds,
            "--executions": chosen.executions * peer.times,
            "--samples": chosen.samples,
            "--json": results.name,
        }
        command = children.python(
            HERE / f"{peer.script}.py", url, *(str(word) for size in sizes.items() for word in size)
        )
        process = children.start(command)
        try:
            if process.wait():
                raise subprocess.CalledProcessError(process.returncode, command)
        finally:
            children.end(process)
        return json.loads(Path(results.name).read_text())["rows"]


@contextmanager
def place(peer: Peer, postgres_url: str) -> Iterator[str]:
    """A database for this one alone."""
    if peer.place == "sqlite":
        with database("sqlite") as url:
            yield url
    elif peer.place.startswith("redis"):
        from redis_server import redis_server

        with redis_server(durable=peer.place != "redis") as url:
            yield url
    else:
        name = f"peer_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f'create database "{name}"')
            yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
            connection.execute(f'drop database "{name}" with (force)')


if __name__ == "__main__":
    main()
