"""Runs a supervisor for a test: `python -m tests.processes.launch '<settings as JSON>'`."""

from __future__ import annotations

import os
import sys
import threading
import time

import msgspec
from hydra.node.supervisor import Supervisor, SupervisorSettings

from tests.processes import clock_ahead, kills, store_faults


def sleep(seconds: float) -> None:
    """libfaketime takes the monotonic instant up to which `time.sleep` sleeps for one of its wrong wall clock."""
    threading.Event().wait(seconds)


def run(settings: str) -> int:
    if "FAKETIME_DONT_FAKE_MONOTONIC" in os.environ:
        time.sleep = sleep
    os.environ[kills.SUPERVISOR] = str(os.getpid())
    clock_ahead.install()
    kills.install_in_supervisor()
    store_faults.install()
    return Supervisor(msgspec.json.decode(settings, type=SupervisorSettings)).run()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1]))
