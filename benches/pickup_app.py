"""The body whose first instruction the pickup benchmark times."""

import time

import hydra
from app import no_step  # noqa: F401  (the supervisor fixture's first execution)


@hydra.workflow
def started_at() -> float:
    return time.time()
