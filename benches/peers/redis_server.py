"""A Redis server of a benchmark's own, from Debian's `redis-server`: as it is shipped, or with every write synced."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import children
import redis

DEFAULT = ["--save", "3600 1 300 100 60 10000"]  # a snapshot, at best every minute
DURABLE = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
START_SECONDS = 30.0


@contextmanager
def redis_server(durable: bool) -> Iterator[str]:
    """Yields the URL of its socket as Celery spells it."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        file = Path(folder).resolve() / "s"
        options = ["--port", "0", "--unixsocket", str(file), "--dir", str(file.parent), "--loglevel", "warning"]
        server = children.start(["redis-server", *options, *(DURABLE if durable else DEFAULT)])
        try:
            deadline = time.monotonic() + START_SECONDS
            while not file.exists():
                if time.monotonic() > deadline or server.poll() is not None:
                    raise RuntimeError("redis-server did not start; its own words are above")
                time.sleep(0.02)
            redis.Redis(unix_socket_path=str(file)).ping()
            yield f"redis+socket://{file}"
        finally:
            children.end(server)
