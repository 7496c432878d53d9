"""What a benchmark started is gone when the benchmark is, however that ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
STARTS_A_CHILD = """
import sys, time, children
child = children.start([sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"], stdout=-1)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def test_what_a_benchmark_started_ends_when_the_benchmark_is_killed() -> None:
    command = [sys.executable, "-c", STARTS_A_CHILD]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True) as benchmark:
        assert benchmark.stdout is not None
        child = int(benchmark.stdout.readline())
        assert is_alive(child)
        benchmark.kill()
        benchmark.wait()
    deadline = time.monotonic() + 60
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = is_alive(child)
    if left:
        os.kill(child, signal.SIGKILL)
    assert not left


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
