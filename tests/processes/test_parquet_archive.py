"""An archive in Parquet: the same columns whatever is in them, small files become one, other programs read it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import hydra
import pyarrow
import pyarrow.parquet
import pytest
from hydra.errors import ConfigError
from hydra.node import parquet_files
from hydra.node.archive import Archive
from hydra.testing import replay

from tests.processes import test_retention
from tests.processes.test_retention import finish, kept_bill, kept_family, sweeping

no_pauses = test_retention.no_pauses

COLUMNS = [
    "archived_at",
    "namespace",
    "id",
    "workflow",
    "key",
    "status",
    "reason",
    "attempt",
    "submitted_at",
    "started_at",
    "finished_at",
    "tags",
    "attributes",
    "input",
    "result",
    "execution",
    "acts",
    "attempts",
    "export",
]


def test_each_execution_is_a_row_that_needs_no_hydra_and_its_export_is_replayed(tmp_path: Path) -> None:
    with hydra.Engine(f"sqlite:///{tmp_path}/hydra.db") as engine:
        done, failed = finish(engine, kept_bill.bind("visa"), kept_bill.bind("bad"), keys=["k-1", "k-2"])
        with engine.worker():
            tagged = engine.submit(kept_family.bind(["a"]), tags={"tenant": "acme"})
            tagged.result(timeout=60)
        one = sweeping(engine.url, str(tmp_path), "node-1", format="parquet")
        assert one.sweep() == 4
        one.close()
        assert engine.executions() == []
    (path,) = tmp_path.glob("*.parquet")
    assert path.name.startswith("default-") and "-node-1-" in path.name and path.stat().st_mode & 0o077 == 0
    table = pyarrow.parquet.read_table(path)
    assert table.column_names == COLUMNS
    rows = {row["id"]: row for row in table.to_pylist()}
    assert len(rows) == 4
    row = rows[done]
    assert (row["key"], row["status"], row["workflow"], row["result"]) == ("k-1", "completed", "kept_bill", '"visa"')
    assert json.loads(row["input"])["args"] == ["visa"]
    assert row["submitted_at"] <= row["finished_at"] <= row["archived_at"]
    assert replay(json.loads(row["export"]), kept_bill).is_complete
    assert (rows[failed]["status"], rows[failed]["result"]) == ("failed", None) and "bad" in rows[failed]["reason"]
    assert rows[tagged.id]["tags"] == [("tenant", "acme")]


def test_small_files_become_one_and_the_columns_of_a_batch_without_keys_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(parquet_files, "MERGED", 3)
    with hydra.Engine(f"sqlite:///{tmp_path}/hydra.db") as engine:
        for number in range(5):
            finish(engine, kept_bill.bind(f"visa-{number}"), keys=[f"k-{number}"] if number % 2 else None)
            one = sweeping(engine.url, str(tmp_path), "node-1", format="parquet")
            assert one.sweep() == 1
            one.close()
        paths = sorted(tmp_path.glob("*.parquet"))
        assert [path.name.endswith(".merged.parquet") for path in paths].count(True) == 1 and len(paths) == 3
        schemas = [pyarrow.parquet.read_schema(path) for path in paths]
        assert all(schema.equals(schemas[0]) for schema in schemas)
        rows = [row for path in paths for row in pyarrow.parquet.read_table(path).to_pylist()]
        assert sorted(json.loads(row["input"])["args"][0] for row in rows) == [f"visa-{n}" for n in range(5)]
        next(path for path in paths if not path.name.endswith(".merged.parquet")).write_bytes(b"not a table")
        finish(engine, kept_bill.bind("visa-5"))
        one = sweeping(engine.url, str(tmp_path), "node-1", format="parquet")
        assert one.sweep() == 1, "what somebody did to an earlier file keeps nothing from its archive"
        one.close()
        assert "the files of the archive stay as small as they are" in caplog.text
        assert not list(tmp_path.glob("*.unfinished"))


def test_a_missing_extra_is_one_sentence_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"needs pyarrow: `pip install 'hydra-engine\[parquet\]'`$"):
        Archive(str(tmp_path), "default", format="parquet").check()
