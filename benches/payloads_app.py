"""A body whose argument, step result and own result are as large as the benchmark wants them."""

import hydra
from app import no_step  # noqa: F401  (the supervisor fixture's first execution)


@hydra.step
def echo(payload: bytes) -> bytes:
    return payload[::-1]


@hydra.workflow
def carry(payload: bytes) -> bytes:
    return echo(payload)
