"""What something else than hydra has damaged: no command ends in a traceback, and the other rows are shown (G7)."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import hydra
import pytest
from click.testing import CliRunner, Result
from hydra.cli import main
from hydra.client.views import bulk_views, to_datetime
from hydra.execution import Record
from hydra.records.map_outcomes import CHUNK_PREFIX, MAP
from hydra.stores.rows import UNREADABLE

KEYS = {  # the tables that people are shown, and the column with the execution's id
    "hydra_execution": "id",
    "hydra_submission": "execution_id",
    "hydra_claim": "execution_id",
    "hydra_record": "execution_id",
    "hydra_message": "execution_id",
    "hydra_act": "execution_id",
}
DAMAGE = {
    "integer": ["-9000000000000000000", "9000000000000000000", "0", "null"],
    "text": ["'[['", "'7'", "cast(x'ff41' as text)", "null"],
    "blob": ["x''", "x'ff41'", "null"],
}
WAIT_SECONDS = 60


@hydra.step
def damaged_step(place: int) -> int:
    if place == 1:
        raise ValueError("no such place")
    return place


@hydra.workflow(limits=[hydra.Concurrency(9, key="tenant")])
def damaged_flow(tenant: str, place: int) -> int:
    if place == 2:
        hydra.wait_event("damaged_go", type=str)
    return damaged_step(place)


class Scene:
    """One that failed, one that waits and one that is not due yet, all to be damaged; and another one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with hydra.Engine(f"sqlite:///{path}") as engine:
            with engine.worker():
                failed, waiting, whole = engine.submit_many([damaged_flow.bind("acme", n) for n in (1, 2, 3)])
                whole.result(timeout=WAIT_SECONDS)
                with suppress(hydra.WorkflowFailed):
                    failed.result(timeout=WAIT_SECONDS)
                deadline = time.monotonic() + WAIT_SECONDS
                while waiting.status() is not hydra.Status.WAITING and time.monotonic() < deadline:
                    time.sleep(0.02)
            waiting.signal("damaged_other", 1)
            held = engine.submit(damaged_flow.bind("acme", 4), key="held", delay=3600)
            held.reschedule(priority=3, reason="soon")
            self.ids = [failed.id, waiting.id, held.id]
            self.whole = whole.id

    def damaged(self, table: str, copy: Path) -> Iterator[str]:
        """Each time a copy with a column of the table damaged in all rows of the three; what was done."""
        with closing(sqlite3.connect(self.path)) as connection:
            columns = [(name, type.lower()) for _, name, type, *_ in connection.execute(f"pragma table_info({table})")]
        for column, type in columns:
            if column in (KEYS[table], "namespace"):  # another's, then
                continue
            for value in DAMAGE[type]:
                shutil.copy(self.path, copy)
                if sql := self._damage(copy, f"update {table} set {column} = {value} where {KEYS[table]} = ?"):
                    yield sql

    def _damage(self, copy: Path, sql: str) -> str:
        """Empty where the database does not take it."""
        count = 0
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            for id in self.ids:
                with suppress(sqlite3.IntegrityError):
                    count += connection.execute(sql, [id]).rowcount
        return sql if count else ""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("damaged") / "whole.db")


def run(path: Path, command: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, [command, "--db", f"sqlite:///{path}", *arguments])


@pytest.mark.parametrize("table", KEYS)
def test_g7_a_damaged_column_ends_no_command_in_a_traceback(scene: Scene, tmp_path: Path, table: str) -> None:
    copy = tmp_path / "damaged.db"
    damages = 0
    for damage in scene.damaged(table, copy):
        damages += 1
        listed, failed = run(copy, "list"), run(copy, "errors")
        assert (listed.exit_code, failed.exit_code) == (0, 0), (damage, listed.output, failed.output)
        assert all(id in listed.stdout for id in (*scene.ids, scene.whole)), damage
        assert run(copy, "show", scene.whole).exit_code == 0, damage
        for id in scene.ids:
            for command in ("show", "why"):
                done = run(copy, command, id)
                is_told = done.output.startswith("error: ")
                assert done.exit_code == 0 or is_told, (damage, command, done.output)
                assert done.exception is None or isinstance(done.exception, SystemExit), (damage, command)
    assert damages >= 5


@pytest.mark.parametrize("column", ["hydra_submission.input", "hydra_record.payload"])
def test_g7_a_payload_that_cannot_be_read_hides_nothing_else_of_its_execution(
    scene: Scene, tmp_path: Path, column: str
) -> None:
    table, name = column.split(".")
    copy = tmp_path / "damaged.db"
    for damage in scene.damaged(table, copy):
        if f"set {name} = x" in damage:
            done = run(copy, "show", scene.ids[0])
            assert done.exit_code == 0 and "cannot be read" in done.stdout, (damage, done.output)
            assert "claim 1 ended: failed" in done.stdout


def test_a_time_outside_the_calendar_is_shown_as_its_end() -> None:
    assert to_datetime(-(2**63)) == datetime.min.replace(tzinfo=UTC)
    assert to_datetime(2**63 - 1) == datetime.max.replace(tzinfo=UTC)
    assert to_datetime(-1).microsecond == 999_999


@pytest.mark.parametrize("payload", [None, b"", b"\xffA"])
def test_a_map_whose_records_cannot_be_read_is_shown_as_such(payload: bytes | None) -> None:
    def of(name: str, seq: int) -> Record:
        return Record(seq, "value", "map.1", name, 0, 1, b"", payload, 0, 0, 0)

    (view,) = bulk_views([of(f"{CHUNK_PREFIX}0", 1), of(MAP, 2), of(f"{CHUNK_PREFIX}1", 3)])
    assert (view.step, view.branch) == (UNREADABLE, "map.1")
