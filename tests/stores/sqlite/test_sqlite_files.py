"""What lies beside a database, as `docs/operations.md` says it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import hydra
import pytest
from hydra.stores import open_store
from hydra.stores.filter import Filter

from tests.processes.scene import until
from tests.stores.store_values import submit

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
TURNS = ("-hydra-turn", "-hydra-lock")


@hydra.workflow
def filed() -> int:
    return 1


def test_every_file_beside_a_database_is_in_the_document(tmp_path: Path) -> None:
    with hydra.Engine(f"sqlite:///{tmp_path}/billing.db") as engine, engine.worker():
        assert engine.submit(filed.bind()).result(timeout=60) == 1
        while_open = {re.sub(r"node-[0-9a-f-]{36}", "node-ID", name) for name in os.listdir(tmp_path)}
    assert {f"billing.db{end}" for end in (*TURNS, "-hydra-node-ID", "-wal", "-shm")} < while_open
    said = DOCUMENT.read_text()
    assert not [name for name in while_open if f"`{name}`" not in said]
    assert sorted(os.listdir(tmp_path)) == ["billing.db", "billing.db-hydra-lock", "billing.db-hydra-turn"]


def test_the_files_of_turns_are_made_again_and_hold_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/billing.db"
    for count in (1, 2):
        store = open_store(url)
        store.open()
        submit(store)
        assert len(store.list(Filter())) == count
        store.close()
        for end in TURNS:
            assert (tmp_path / f"billing.db{end}").stat().st_size == 0
            os.unlink(tmp_path / f"billing.db{end}")


@pytest.mark.parametrize("is_replaced", [False, True])
def test_without_the_files_of_turns_programs_that_are_open_lose_nothing(tmp_path: Path, is_replaced: bool) -> None:
    url = f"sqlite:///{tmp_path}/billing.db"
    with hydra.Engine(url) as old, old.worker():
        for end in TURNS:
            os.unlink(tmp_path / f"billing.db{end}")
            if is_replaced:
                (tmp_path / f"billing.db{end}").touch()
        handles = [old.submit(filed.bind())]
        with hydra.Engine(url) as new:
            handles += [engine.submit(filed.bind()) for engine in (new, old, new)]
            assert [handle.result(timeout=60) for handle in handles] == [1] * 4
            until(lambda: new.audit() == [])
