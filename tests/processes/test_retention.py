"""Nodes delete what has been kept for long enough, archived before: a kill between the two loses no line."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import hydra
import pyarrow.parquet
import pytest
from hydra.cli.nodes import read_retentions
from hydra.config import retention_of
from hydra.dispatch import retention
from hydra.errors import ConfigError
from hydra.node import sweeper
from hydra.node.archive import FORMATS, Archive
from hydra.node.sweeper import Sweeper
from hydra.testing import replay

from tests.cli.invoking import run
from tests.processes.scene import until
from tests.stores.conftest import DATABASES

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import os, signal, sys
from tests.processes.test_retention import sweeping
url, folder, node_id, format = sys.argv[1:]
one = sweeping(url, folder, node_id, format=format)
one._store.purge_known = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
one.sweep()
"""


@hydra.step
def kept_charge(card: str) -> str:
    if card == "bad":
        raise LookupError(card)
    if card == "torn":
        raise LookupError("boom \ud800")
    return card


@hydra.workflow(retention={"completed": timedelta(days=7), "failed": None})
def kept_bill(card: str) -> str:
    return kept_charge(card)


@hydra.workflow(retention=0.01)
def kept_shortly(card: str) -> str:
    return card


@hydra.workflow
def kept_family(cards: list[str]) -> int:
    return len([child.result() for child in [hydra.spawn(kept_bill.bind(card)) for card in cards]])


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sweeper, "pause_seconds", lambda *_, **__: 0.0)
    yield


def sweeping(url: str, folder: str, node_id: str, *outcomes: str, format: str = "jsonl") -> Sweeper:
    """As a node would sweep, on the calling thread: what ended with these outcomes, at once."""
    archive = Archive(folder, "default", format=format) if folder else None
    one = Sweeper(url, "default", lambda: node_id, lambda: True, archive=archive)
    names = ("kept_bill", "kept_family")
    one._ages = {(name, outcome): 0 for name in names for outcome in outcomes or ("completed", "failed", "cancelled")}
    one._store.servers = lambda: {name: [node_id] for name in names}  # type: ignore[method-assign]
    return one


def finish(engine: hydra.Engine, *bounds: hydra.BoundWorkflow[Any], keys: list[str] | None = None) -> list[str]:
    with engine.worker():
        handles = engine.submit_many(bounds, keys=keys)
        for handle in handles:
            with suppress(hydra.WorkflowFailed):
                handle.result(timeout=60)
    return [handle.id for handle in handles]


def archived(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    rows = [row for path in sorted(folder.glob("*.parquet")) for row in pyarrow.parquet.read_table(path).to_pylist()]
    names = ("execution", "acts", "attempts", "export")
    return lines + [row | {name: json.loads(row[name]) for name in names} for row in rows]


def test_what_is_due_is_archived_and_goes_with_its_tree_and_its_key_stays(url: str, tmp_path: Path) -> None:
    with hydra.Engine(url) as engine:
        bounds = [kept_bill.bind("visa"), kept_bill.bind("bad"), kept_family.bind(["a", "b"])]
        done, failed, family = finish(engine, *bounds, keys=["k-1", "k-2", "k-3"])
        one = sweeping(url, str(tmp_path), "node-1", "completed")
        assert one.sweep() == 4
        assert one.sweep() == 0
        one.close()
        assert [each.id for each in engine.executions()] == [failed]
        with pytest.raises(hydra.KeyTaken):
            engine.submit(kept_bill.bind("visa"), key="k-1")
        assert engine.audit() == []
    lines = {line["execution"]["id"]: line for line in archived(tmp_path)}
    assert len(lines) == 4 and {done, family} < set(lines)
    line = lines[done]
    assert (line["execution"]["key"], line["execution"]["status"]) == ("k-1", "completed")
    assert [attempt["ending"] for attempt in line["attempts"]] == ["completed"] and line["acts"] == []
    assert replay(line["export"], kept_bill).is_complete
    (path,) = tmp_path.glob("*.jsonl")
    assert path.name.startswith("default-") and path.name.endswith("-node-1.jsonl")
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("format", FORMATS)
def test_g7_a_kill_between_archive_and_deletion_doubles_lines_and_loses_none(tmp_path: Path, format: str) -> None:
    url, folder = f"sqlite:///{tmp_path}/hydra.db", tmp_path / "archive"
    folder.mkdir()
    with hydra.Engine(url) as engine:
        ids = finish(engine, *(kept_bill.bind(f"visa-{n}") for n in range(5)))
        child = subprocess.run(
            [sys.executable, "-c", CHILD, url, str(folder), "node-1", format], timeout=120, check=False, cwd=ROOT
        )
        assert child.returncode == -signal.SIGKILL
        assert len(engine.executions()) == 5, "nothing goes before it is archived, and it was killed before it went"
        assert sorted(line["execution"]["id"] for line in archived(folder)) == sorted(ids)
        one = sweeping(url, str(folder), "node-2", format=format)
        assert one.sweep() == 5
        one.close()
        assert engine.executions() == []
    assert sorted(line["execution"]["id"] for line in archived(folder)) == sorted(ids * 2)


@pytest.mark.parametrize("format", FORMATS)
def test_g7_what_cannot_be_archived_is_not_deleted(tmp_path: Path, format: str) -> None:
    url, folder = f"sqlite:///{tmp_path}/hydra.db", tmp_path / "archive"
    with hydra.Engine(url) as engine:
        finish(engine, kept_bill.bind("visa"))
        one = sweeping(url, str(folder), "node-1", format=format)
        with pytest.raises(FileNotFoundError):
            one.sweep()
        assert len(engine.executions()) == 1
        folder.mkdir()
        assert one.sweep() == 1
        one.close()


@pytest.mark.parametrize("format", FORMATS)
def test_a_failure_with_half_a_surrogate_pair_is_archived_and_goes(tmp_path: Path, format: str) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    with hydra.Engine(f"sqlite:///{tmp_path}/hydra.db") as engine:
        (torn,) = finish(engine, kept_bill.bind("torn"))
        one = sweeping(engine.url, str(folder), "node-1", format=format)
        assert one.sweep() == 1
        one.close()
        assert engine.executions() == []
    (line,) = archived(folder)
    assert line["execution"]["id"] == torn and "boom \ud800" in line["execution"]["reason"]
    assert replay(line["export"], kept_bill).is_complete


@pytest.mark.parametrize("format", FORMATS)
def test_g7_one_that_cannot_be_read_stays_and_keeps_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, format: str
) -> None:
    path, folder = tmp_path / "hydra.db", tmp_path / "archive"
    folder.mkdir()
    with hydra.Engine(f"sqlite:///{path}") as engine:
        damaged, whole = finish(engine, kept_bill.bind("visa-1"), kept_bill.bind("visa-2"))
        connection = sqlite3.connect(path)
        connection.execute("update hydra_claim set payload = 'no payload' where execution_id = ?", (damaged,))
        connection.commit()
        connection.close()
        one = sweeping(f"sqlite:///{path}", str(folder), "node-1", format=format)
        assert one.sweep() == 1
        one.close()
        assert [each.id for each in engine.executions()] == [damaged]
    assert [line["execution"]["id"] for line in archived(folder)] == [whole]
    assert f"execution `{damaged}` is kept: it cannot be read to be archived" in caplog.text


def test_a_node_sweeps_by_itself_what_its_code_keeps_shortly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "LOOK_SECONDS", 0.02)
    with hydra.Engine(f"sqlite:///{tmp_path}/hydra.db") as engine, engine.worker():
        kept = engine.submit(kept_bill.bind("visa"))
        gone = engine.submit(kept_shortly.bind("visa"))
        kept.result(timeout=60)
        until(lambda: all(each.id != gone.id for each in engine.executions()))
        assert [each.id for each in engine.executions()] == [kept.id]


@hydra.workflow(retention=0.01)
def kept_late(card: str) -> object:
    return hydra.wait_event("kept_late_done")


@hydra.workflow(retention=0.01)
def kept_root(card: str) -> str:
    return hydra.spawn(kept_late.bind(card)).id


def test_a_tree_whose_child_ends_after_its_root_goes_once_all_of_it_has_ended(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(retention, "SOONEST_AGAIN_US", 20_000)
    with hydra.Engine(url) as engine, engine.worker():
        root = engine.submit(kept_root.bind("visa"))
        child_id = root.result(timeout=60)
        passed = engine.submit(kept_shortly.bind("visa"))
        until(lambda: all(each.id != passed.id for each in engine.executions()))
        assert {each.id for each in engine.executions()} == {root.id, child_id}, "the walk came past, and it is kept"
        engine.get(child_id).signal("kept_late_done", 1)
        until(lambda: engine.executions() == [])
        assert engine.audit() == []


def test_what_waits_for_its_tree_and_is_retried_meanwhile_is_kept_for_its_whole_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SOONEST_AGAIN_US", 0)
    url = f"sqlite:///{tmp_path}/hydra.db"
    with hydra.Engine(url) as engine:
        (id,) = finish(engine, kept_bill.bind("bad"))
        one = sweeping(url, "", "node-1")
        purge_known = one._store.purge_known
        one._store.purge_known = lambda *_: []  # type: ignore[method-assign]
        assert one.sweep() == 0, "somebody holds it"
        with engine.worker():
            engine.get(id).retry()
            with suppress(hydra.WorkflowFailed):
                engine.get(id).result(timeout=60)
        one._store.purge_known = purge_known  # type: ignore[method-assign]
        assert one._sweep_waiting(one._ages) == 0, "it has ended again since"
        assert one.sweep() == 1, "the walk meets its new end"
        one.close()


def test_what_cannot_be_meant_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names the outcome 'done'; there are `cancelled`, `completed`, `failed`"):
        hydra.workflow(retention={"done": 1.0})(lambda_of())
    with pytest.raises(ConfigError, match="`retention` of workflow `kept_never`"):
        hydra.workflow(retention=-1.0)(lambda_of())
    assert retention_of(2.5, "it") == dict.fromkeys(("cancelled", "completed", "failed"), 2_500_000)
    for folder, words in ((tmp_path / "none", "is no folder; make it"), (tmp_path / "file", "is no folder")):
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match=words):
            Archive(str(folder), "default").check()
    assert read_retentions(("failed=forever", "30d")) == {
        "completed": 30 * 86_400_000_000,
        "cancelled": 30 * 86_400_000_000,
        "failed": None,
    }
    run("sqlite://", "start", "app", "--retention", "failed=soon", code=2)


def lambda_of() -> Callable[[], None]:
    def kept_never() -> None:
        return None

    return kept_never
