"""SQLite's stage: one writer at a time, so whoever comes second waits in hydra's queue of writers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hydra.stores.sqlite.statements import statements, widened
from hydra.stores.store import Store

from tests.stores.racing import Stage


class SqliteStage(Stage):
    def __init__(self, a: Store, b: Store) -> None:
        assert a.path is not None
        self._queue = f"{a.path}-hydra-turn"
        super().__init__(a, b)

    def blocked_count(self) -> int:
        """Who has the turn while somebody writes is next, and waits."""
        inode = os.stat(self._queue).st_ino
        fields = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        return sum(one[1] == "FLOCK" and one[5].endswith(f":{inode}") for one in fields)

    def replace(self, monkeypatch: pytest.MonkeyPatch, statement: str, text: str, instead: str = "") -> None:
        before = statements()[statement]
        assert text in before, f"`{statement}` has no `{text}`"
        monkeypatch.setitem(statements(), statement, before.replace(text, instead))
        widened.cache_clear()
