"""A PostgreSQL connection that gives a silent server up: psycopg alone waits for ever for one that stands still."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from hydra.move.side import REPLY_SECONDS


class PatientConnection(psycopg.Connection[TupleRow]):
    """Raises psycopg's OperationalError, and is closed, once a reply has taken longer than REPLY_SECONDS."""

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        return super().wait(self._bounded(gen), *arguments, **options)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """psycopg asks for what it waits for again and again, with nothing where the server has sent nothing."""
        deadline = time.monotonic() + REPLY_SECONDS
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > deadline:
                    self.close()
                    raise psycopg.OperationalError(f"no reply in {REPLY_SECONDS:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value
