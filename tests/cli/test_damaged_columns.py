"""SQLite keeps whatever is written into a column by hand: what looks says so in a sentence, and hides nothing else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import hydra
import pytest
from click.testing import CliRunner
from hydra.cli import main


@hydra.step
def damaged_column_step(card: str) -> str:
    return card


@hydra.workflow
def damaged_bill(card: str) -> str:
    return damaged_column_step(card)


@pytest.mark.parametrize(
    ("table", "column", "named"),
    [
        ("hydra_execution", "run_at", "`run_at`"),
        ("hydra_execution", "finished_at", "`finished_at`"),
        ("hydra_submission", "submitted_at", "`submitted_at`"),
        ("hydra_submission", "input", "the input of execution"),
        ("hydra_record", "attempt", "`attempt`"),
        ("hydra_record", "payload", "`payload`"),
        ("hydra_record", "due_at", "`due_at`"),
        ("hydra_claim", "claimed_at", "`claimed_at`"),
    ],
)
def test_a_column_of_another_type_is_one_sentence(tmp_path: Path, table: str, column: str, named: str) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    with hydra.Engine(url) as engine, engine.worker():
        damaged, whole = (engine.submit(damaged_bill.bind(card)) for card in ("visa-1", "visa-2"))
        damaged.result(60), whole.result(60)
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        id = "id" if table == "hydra_execution" else "execution_id"
        connection.execute(f"update {table} set {column} = 'soon' where {id} = ?", (damaged.id,))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main, [arguments[0], "--db", url, *arguments[1:]])
        assert isinstance(done.exception, SystemExit | None), done.exception
        return done.output

    shown = run("show", damaged.id)
    assert "damaged" in shown and named in shown
    listed = run("list")
    assert damaged.id in listed and whole.id in listed
    run("why", damaged.id)
    assert "visa-2" in run("show", whole.id)
