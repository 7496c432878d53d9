"""`python -m tests.move.killed POINT SOURCE TARGET`: a move that is killed -9 before its POINTth order to a side.

`is_stopped` stops one there in this process.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hydra.move import move
from hydra.move.mysql_side import MysqlSide
from hydra.move.postgres_side import PostgresSide
from hydra.move.side import Side
from hydra.move.sqlite_side import SqliteSide

LEASE_SECONDS = 1.0


class Points:
    """Counts what is sent to a database, on both sides; `reached` is called at one of them."""

    def __init__(self, point: int, reached: Callable[[], None]) -> None:
        self.count = 0
        self._point = point
        self._reached = reached

    def pass_one(self) -> None:
        self.count += 1
        if self.count == self._point:
            self._reached()

    def install(self) -> Callable[[], None]:
        """Returns what takes it out again."""
        kept: list[tuple[type, str, Any]] = []
        for side in (SqliteSide, PostgresSide, MysqlSide):
            for name in ("query", "run", "run_many"):
                kept.append((side, name, getattr(side, name)))
                setattr(side, name, self._counted(getattr(side, name)))
        return lambda: [setattr(*each) for each in kept] and None

    def _counted(self, order: Callable[..., Any]) -> Callable[..., Any]:
        def ordered(*arguments: Any) -> Any:
            self.pass_one()
            return order(*arguments)

        return ordered


class Interrupted(BaseException):
    """Nobody catches it: what follows in a killed process does not happen."""


def is_stopped(source: str, target: str, point: int, batch_rows: int) -> bool:
    """Whether the move came to that point; what it had open is rolled back, as after a kill."""

    def stop() -> None:
        raise Interrupted

    take_out = Points(point, stop).install()
    try:
        move(source, target, lease_seconds=LEASE_SECONDS, batch_rows=batch_rows)
    except Interrupted:
        return True
    finally:
        take_out()
    return False


def stopped(pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, order: str, namespace: str | None = None) -> None:
    """A move that ends before its first order of that name to a side."""

    def stop(*_: object) -> None:
        raise Interrupted

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Side, order, stop)
        move(*pair, namespace, lease_seconds=LEASE_SECONDS)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


if __name__ == "__main__":
    Points(int(sys.argv[1]), die).install()
    move(sys.argv[2], sys.argv[3], lease_seconds=LEASE_SECONDS, batch_rows=2)
