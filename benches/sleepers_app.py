"""The sleeper of the sleepers benchmark; its result is the instant at which its body went on."""

import time

import hydra
from app import no_step, one_step  # noqa: F401  (the supervisor fixture's first execution, and the fresh work)


@hydra.workflow
def sleeper(seconds: float) -> float:
    hydra.sleep(seconds)
    return time.time()
