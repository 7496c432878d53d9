"""`--watch` and `hydra top`: what they show, that they look again, and that Ctrl-C or a mistake ends them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hydra
import pytest
from click.testing import CliRunner
from hydra.cli import main, watching
from hydra.errors import StoreUnavailable


@hydra.workflow
def watched_glance(customer: str) -> str:
    return f"dear {customer}"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/top.db"


def test_a_watched_command_looks_again_until_it_is_interrupted(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    with hydra.Engine(url) as engine:

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                raise KeyboardInterrupt
            engine.submit(watched_glance.bind("ana"))

        engine.submit(watched_glance.bind("ana"))
        monkeypatch.setattr(watching, "pause", pause)
        done = CliRunner().invoke(main, ["list", "--db", url, "--count", "--watch", "2s"])
    assert (done.stdout.split(), pauses, done.exit_code) == (["1", "2", "3"], [2.0, 2.0, 2.0], 1)
    assert "again every 2 s; Ctrl-C ends it" in done.stderr


def test_a_database_that_is_away_for_a_moment_is_asked_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise StoreUnavailable("the database does not answer")
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "pause", lambda seconds: None)
    with pytest.raises(KeyboardInterrupt):
        watching.watchable(look)(watch=1.0)
    assert looks == 2


def test_a_pause_that_is_none_is_refused(url: str) -> None:
    with hydra.Engine(url) as engine:
        engine.submit(watched_glance.bind("ana"))
    done = CliRunner().invoke(main, ["stats", "--db", url, "--watch", "0s"])
    assert done.exit_code == 2 and "must be at least 100ms" in done.output


def test_top_shows_counts_nodes_and_errors_once_where_nobody_watches(url: str) -> None:
    with hydra.Engine(url) as engine:
        engine.submit(watched_glance.bind("ana"))
        done = CliRunner().invoke(main, ["top", "--db", url])
        assert done.exit_code == 0, done.output
        for part in ("watched_glance", "pending", "oldest due work", "no node is alive", "nothing failed or is parked"):
            assert part in done.output
        with engine.worker():
            engine.submit(watched_glance.bind("ben")).result(timeout=60)
            assert "last beat" in CliRunner().invoke(main, ["top", "--db", url]).output


def test_a_shell_completes_commands_and_options() -> None:
    def completed(words: str, place: int) -> str:
        told = {"_HYDRA_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(place)}
        program = "from hydra.cli import main; main(prog_name='hydra')"
        done = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, **told}, capture_output=True, text=True, check=False
        )
        return done.stdout

    assert "plain,rerun" in completed("hydra re", 1)
    assert "plain,--status" in completed("hydra list --st", 2)
    assert "plain,failed" in completed("hydra list --status f", 3)
