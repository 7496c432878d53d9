"""`hydra bench`: figures for each measurement, and a database as it was before."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from typing import Any

import hydra
import pytest
from hydra.cli.bench import require_release_build
from hydra.cli.bench_run import BenchRun
from hydra.errors import ConfigError

from tests.cli.terminal import Terminal

MEASURED = [
    "pickup when idle, p50",
    "pickup when idle, p99",
    "submit, one caller",
    "submit, 8 threads",
    "submit_many",
    "drain one-step executions",
]


def left_executions(url: str, report: dict[str, Any]) -> dict[str, Any]:
    """Of every namespace that the report names."""
    names = {word.strip("`,") for line in report["left_behind"] for word in line.split() if "hydra-bench-" in word}
    assert len(names) <= 1
    found = {}
    for name in names:
        with hydra.Engine(url, namespace=name) as engine:
            found.update(engine.stats().counts)
            assert engine.audit() == []
    return {workflow: counts for workflow, counts in found.items() if any(counts.values())}


@pytest.mark.parametrize("database", ["sqlite", "postgres_url", "mysql_url"])
def test_it_measures_and_takes_everything_away_again(
    database: str, request: pytest.FixtureRequest, terminal: Terminal
) -> None:
    url = terminal.url if database == "sqlite" else request.getfixturevalue(database)
    with hydra.Engine(url) as engine:
        own = engine.submit(hydra.named("bill").bind(), key="inv-1")
        answer = terminal.hydra("bench", "--seconds", "0.2", "--json", db=url)
        assert answer.code == 0, answer.error
        report = answer.json
        assert [figure["what"] for figure in report["figures"]] == MEASURED
        assert all(figure["figure"] > 0 for figure in report["figures"])
        assert "power cut" in report["durability"]
        assert {"cpu", "kernel", "python", "hydra"} <= report["machine"].keys()
        assert left_executions(url, report) == {}
        assert own.status() == "pending"
        assert engine.find("bill", "inv-1").id == own.id
        assert engine.audit() == []


def test_people_get_a_table_and_hear_of_what_is_new(terminal: Terminal) -> None:
    answer = terminal.hydra("bench", "--seconds", "0.2")
    assert answer.code == 0, answer.error
    for what in MEASURED:
        assert what in answer.out
    assert "left behind: the database file" in answer.out
    assert "`synchronous=full`" in answer.out


def test_a_weakened_database_is_named_beside_its_figures(terminal: Terminal) -> None:
    answer = terminal.hydra("bench", "--seconds", "0.2", db=f"{terminal.url}?synchronous=normal")
    assert answer.code == 0, answer.error
    assert "durability: `synchronous=normal`" in answer.out


def test_an_interrupted_run_cleans_up_too(terminal: Terminal) -> None:
    """Ctrl-C while it submits or drains, as soon as its node has run something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hydra.cli", "bench", "--seconds", "60"],
        cwd=terminal.folder,
        env={**os.environ, "HYDRA_DB": terminal.url},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not any(counts.get("completed") for counts in all_counts(terminal)):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in error
    assert all(not any(counts.values()) for counts in all_counts(terminal))


def test_what_an_interrupt_left_without_its_id_kept_is_taken_away_too(terminal: Terminal) -> None:
    run = BenchRun(terminal.url, 1.0, lambda what: None)
    with run.engine:
        run.engine.submit(hydra.named("bench_one_step").bind("x"))
        assert run.clean() == []
        assert not run.engine.executions()


def all_counts(terminal: Terminal) -> list[dict[str, int]]:
    """Of every namespace in the file."""
    path = terminal.url.removeprefix("sqlite:///")
    if not os.path.exists(path):
        return []
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        try:
            rows = connection.execute("select status, count(*) from hydra_execution group by status").fetchall()
        except sqlite3.OperationalError:  # no tables yet
            rows = []
    connection.close()
    return [dict(rows)]


def test_a_database_that_cannot_be_is_one_sentence(terminal: Terminal) -> None:
    assert terminal.refused("bench", db="sqlite:////proc/no.db").code == 2
    assert terminal.refused("bench", "--seconds", "0").code == 2


def test_a_debug_build_is_refused() -> None:
    with pytest.raises(ConfigError, match="refuses a `debug` build"):
        require_release_build("debug")
    require_release_build("release")
