"""Runs a supervisor for a test: `launch.py '<settings as JSON>'`."""

from __future__ import annotations

import os
import sys

import hydra.stores
import kills
import msgspec
from hydra.supervisor import Settings, Supervisor

if __name__ == "__main__":
    if os.environ.get(kills.POINT, "").startswith("supervisor:"):
        hydra.stores.SqliteStore = kills.KillingStore  # type: ignore[misc]
    sys.exit(Supervisor(msgspec.json.decode(sys.argv[1], type=Settings)).run())
