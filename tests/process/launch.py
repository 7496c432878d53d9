"""Runs a supervisor for a test: `launch.py '<settings as JSON>'`."""

from __future__ import annotations

import sys

import kills
import msgspec
from hydra.supervisor import Settings, Supervisor

if __name__ == "__main__":
    kills.install_in_supervisor()
    sys.exit(Supervisor(msgspec.json.decode(sys.argv[1], type=Settings)).run())
