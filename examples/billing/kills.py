"""Kills hydra's processes while they work, and starts the supervisor again when it was the one to die.

It knows nothing of what runs: who was hit is read afterwards from the audit trail.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

STOP_TIMEOUT_SECONDS = 30.0


class Supervisor:
    """`hydra start`, restarted as often as it is killed."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._command = command
        self._environment = environment
        self._log = log
        self._folder = Path(__file__).parent
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(self._command, cwd=self._folder, env=self._environment, stdout=log, stderr=log)

    def kill_workers(self) -> int:
        """SIGKILL to every worker alive; how many got it."""
        killed = 0
        for pid in worker_pids(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        return killed

    def kill(self) -> None:
        """SIGKILL to the supervisor, whose workers go with it; then a new one."""
        self.process.kill()
        self.process.wait()
        self.process = self._start()

    def stop(self) -> int:
        """Drain and leave; the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Repeatedly(threading.Thread):
    """Calls `action` every `interval` seconds until stopped, at most `limit` times."""

    def __init__(self, action: Callable[[], object], interval: float, limit: int | None = None) -> None:
        super().__init__(daemon=True)
        self._action = action
        self._interval = interval
        self._limit = limit
        self._stopped = threading.Event()
        self.count = 0

    def run(self) -> None:
        while (self._limit is None or self.count < self._limit) and not self._stopped.wait(self._interval):
            self._action()
            self.count += 1

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def worker_pids(supervisor_pid: int) -> list[int]:
    """The descendants of the supervisor that run user code."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                name, _, fields = (folder / "stat").read_text().partition("(")[2].rpartition(")")
                parents[int(folder.name)], names[int(folder.name)] = int(fields.split()[1]), name
    workers = [pid for pid, name in names.items() if name.startswith("hydra-worker")]
    return [pid for pid in workers if supervisor_pid in _ancestors(pid, parents)]


def _ancestors(pid: int, parents: dict[int, int]) -> list[int]:
    found = []
    while (parent := parents.get(pid, 0)) and parent not in found:
        found.append(parent)
        pid = parent
    return found
