"""A supervisor for a benchmark: started, ready, and gone again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import children
import hydra

METRICS = ["--http", "127.0.0.1:0"]  # collected in all benchmarks, as in production


@contextmanager
def supervisor(
    url: str, *options: str, module: str = "app", namespace: str = "default"
) -> Iterator[subprocess.Popen[bytes]]:
    """`hydra start`, with its metrics; the block begins when an execution has gone through it once."""
    command = [sys.executable, "-m", "hydra.cli", "start", module, "--db", url, "--namespace", namespace, *options]
    command += [] if "--http" in options else METRICS
    node = children.start(command, cwd=Path(__file__).parent)
    try:
        with hydra.Engine(url, namespace) as engine:
            engine.submit(hydra.named("no_step").bind("")).result(timeout=30)
        yield node
    finally:
        children.end(node)


def wait_until(condition, seconds: float = 60.0, pause: float = 0.005) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the benchmark waited too long")
        time.sleep(pause)
