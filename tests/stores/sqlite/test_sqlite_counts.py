"""How many records an execution has: its log alone says so while a claim runs, its row from the end of the claim on."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hydra.stores import open_store

from tests.stores.store_values import NOW, claim, end, record, register, running, write

RETURNED = "update hydra_execution set status = 'pending', owner = null, run_at = 1 where id = ?"


def test_r13_what_a_node_of_the_version_before_hands_back_goes_on_behind_its_last_record(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/x.db")
    store.open()
    node = register(store)
    claimed = running(store, node)
    assert write(store, node, claimed, record(1), record(2))
    assert store.audit() == []
    with sqlite3.connect(tmp_path / "x.db") as connection:
        read_count = "select record_count from hydra_execution where id = ?"
        assert connection.execute(read_count, [claimed.id]).fetchone() == (0,)
        connection.execute(RETURNED, [claimed.id])
        assert connection.execute(read_count, [claimed.id]).fetchone() == (2,)
    assert "R13" not in [each.promise for each in store.audit()]
    (again,) = claim(store, node, now=NOW + 1)
    assert [each.seq for each in again.records] == [1, 2]
    assert write(store, node, again, record(3))
    assert end(store, node, again, "completed", payload=b"")
    store.close()
