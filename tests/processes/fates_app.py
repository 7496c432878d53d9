"""Executions of every fate, for those who count them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import hydra

from tests.processes.apps import held, note, poison

__all__ = ["ail", "diverge", "fail", "fine", "held", "poison", "write"]

NAP = timedelta(seconds=1.1)  # more than a second: the execution leaves its worker


@hydra.step
def work(number: int) -> int:
    return number


@hydra.step(max_attempts=3, backoff=hydra.Backoff(initial=0.01))
def ailing(number: int) -> int:
    if hydra.current().attempt < 3:
        raise ConnectionError("gone")
    return number


@hydra.step
def broken() -> None:
    raise ValueError("no")


@hydra.transaction
def inscribe(db: object) -> int:
    return 1


@hydra.workflow
def fine() -> int:
    total = work(1)
    hydra.sleep(NAP)
    return total + work(2)


@hydra.workflow
def ail() -> int:
    return ailing(3)


@hydra.workflow
def fail() -> None:
    broken()


@hydra.workflow
def write() -> int:
    return inscribe()


@hydra.step
def before() -> None: ...


@hydra.step
def after() -> None: ...


@hydra.workflow
def diverge(log: str, gate: str) -> None:
    """Asks for something else once the gate is there."""
    (after if Path(gate).exists() else before)()
    announce(log)
    hydra.sleep(NAP)


@hydra.step
def announce(log: str) -> None:
    note(log, "announced")
