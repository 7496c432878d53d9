"""A workflow that runs every minute, for tests/processes/test_schedule_kills.py; never imported by a test."""

from __future__ import annotations

import os

import hydra

from tests.processes import apps

LOG = "HYDRA_TEST_TICKS"


@hydra.step
def tell(tick: str) -> None:
    apps.note(os.environ[LOG], tick)


@hydra.workflow(schedule=hydra.Cron("* * * * *", catch_up="all", overlap=os.environ.get("HYDRA_TEST_OVERLAP", "queue")))
def ticking() -> None:
    tell(hydra.current().tags["tick"])
