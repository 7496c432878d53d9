"""Work that waits: a step that blocks its thread, as one that calls another program's API does."""

from __future__ import annotations

import time

import hydra
from app import no_step  # noqa: F401  (the supervisor fixture's first execution)


@hydra.step
def call(seconds: float) -> float:
    began = time.time()
    time.sleep(seconds)
    return began


@hydra.workflow
def calling(seconds: float) -> float:
    return call(seconds)
