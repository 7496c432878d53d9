"""The workflows `hydra bench` runs: as little work of their own as there can be."""

from __future__ import annotations

import time

import hydra


@hydra.step
def measure(payload: str) -> int:
    return len(payload)


@hydra.workflow
def bench_one_step(payload: str) -> int:
    return measure(payload)


@hydra.workflow
def bench_started_at() -> float:
    """The wall clock with the body's first instruction; nothing is recorded, so a replay cannot differ."""
    return time.time()
