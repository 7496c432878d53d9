"""`retry`, `resume` and `fork` refuse at once what they would only park, with the sentence that the park uses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hydra
import pytest

from tests.support.warm import hydra_command

WAIT_SECONDS = 60
OLD = """
import hydra

@hydra.step
def charge(amount: int) -> int:
    return amount

@hydra.step
def settle() -> int:
    raise ValueError("no money")

@hydra.workflow
def bill(amount: int) -> int:
    charge(amount)
    return settle()

@hydra.workflow
def other() -> int:
    return settle()
"""
NEW = OLD.replace("    charge(amount)\n", "    charge(amount + 1)\n")
MILD = OLD.replace("    charge(amount)\n    return settle()", "    settle()\n    return charge(amount)")


def run(folder: Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return hydra_command([*words, "--db", url], folder, os.environ, timeout=WAIT_SECONDS)


RUN = """
import sys, hydra, app
with hydra.Engine(sys.argv[1]) as engine, engine.worker():
    for id in sys.argv[2:]:
        try:
            engine.get(id).result(timeout=60)
        except hydra.HydraError:
            pass
"""


def work(folder: Path, url: str, *ids: str) -> None:
    subprocess.run([sys.executable, "-c", RUN, url, *ids], check=True, timeout=WAIT_SECONDS, cwd=folder)


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/orders.db"
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def test_what_the_code_could_not_go_on_with_is_refused_with_the_sentence_of_the_park(url: str, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(OLD)
    with hydra.Engine(url) as engine:
        bills = [engine.submit(hydra.named("bill").bind(amount)) for amount in range(3)]
        fine = engine.submit(hydra.named("other").bind())
        ids = [*(bill.id for bill in bills), fine.id]
        work(tmp_path, url, *ids)
        assert {engine.get(id).status() for id in ids} == {"failed"}
        app.write_text(MILD)
        done = run(tmp_path, url, "retry", bills[2].id, "--module", "app")
        assert done.returncode == 0, "a new attempt may take another path"
        work(tmp_path, url, bills[2].id)
        assert bills[2].status() == "failed", "and is not parked"
        app.write_text(NEW)

        done = run(tmp_path, url, "retry", *ids, "--module", "app")
        assert done.returncode == 1 and done.stdout.split() == [fine.id, "pending"], "the others go on"
        assert done.stderr.count("refused: workflow `bill` no longer matches the records") == 3, done.stderr
        assert "error: 3 of 4 refused" in done.stderr
        assert [bill.status() for bill in bills] == ["failed"] * 3

        bills[0].retry()  # nobody asked the code: it is parked
        work(tmp_path, url, bills[0].id)
        assert bills[0].status() == "parked"
        done = run(tmp_path, url, "resume", bills[0].id, "--module", "app")
        assert done.returncode == 1 and done.stdout == ""
        sentence = bills[0].execution().reason.partition(", at ")[0]
        assert sentence and sentence in done.stderr, "the park's own sentence"
        assert bills[0].status() == "parked"

        done = run(tmp_path, url, "fork", bills[1].id, "--from-step", "settle", "--module", "app")
        assert done.returncode == 1 and "would only be parked: workflow `bill` no longer matches" in done.stderr
        assert len(engine.executions()) == 4

        app.write_text(OLD)
        done = run(tmp_path, url, "resume", bills[0].id, "--module", "app")
        assert (done.returncode, done.stdout.split()) == (0, [bills[0].id, "pending"])
        done = run(tmp_path, url, "fork", bills[1].id, "--from-step", "settle", "--module", "app")
        assert done.returncode == 0, done.stderr
        done = run(tmp_path, url, "retry", bills[1].id)
        assert (done.returncode, done.stdout.split()) == (0, [bills[1].id, "pending"])


def test_a_resume_without_the_code_says_again_why_it_was_parked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    app = tmp_path / "app.py"
    app.write_text(OLD)
    with hydra.Engine(url) as engine:
        bill = engine.submit(hydra.named("bill").bind(1))
        work(tmp_path, url, bill.id)
        app.write_text(NEW)
        bill.retry()
        work(tmp_path, url, bill.id)
        done = run(tmp_path, url, "resume", bill.id)
        assert (done.returncode, done.stdout.split()) == (0, [bill.id, "pending"])
        assert "was parked: workflow `bill` no longer matches" in done.stderr and "give `--module`" in done.stderr
