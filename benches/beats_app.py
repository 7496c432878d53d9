"""Executions that wait inside a step, which is what a node holds most of the time."""

from __future__ import annotations

import asyncio
import os

import hydra
from app import no_step  # noqa: F401  (the supervisor fixture's first execution)


@hydra.step
async def wait(seconds: float, begun: str) -> None:
    """Adds a byte to a file when it begins."""
    descriptor = os.open(begun, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, b".")
    os.close(descriptor)
    await asyncio.sleep(seconds)


@hydra.workflow
async def waiting(seconds: float, begun: str) -> None:
    await wait(seconds, begun)
