"""Commands that tests fork from a warm process are as those that a user starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.warm import COMMAND, hydra_command, warm_process

INVALID = os.fsdecode(b"caf\xe9")
COMMANDS = {
    "help": ["--help"],
    "help of one": ["submit", "-h"],
    "no such command": ["sumbit"],
    "a refusal": ["show", "nonsense"],
    "an empty list": ["list", "--json"],
    "an app of this folder": ["check", "app"],
    "standard input": ["submit", "flow", "-"],
    "no text": ["show", INVALID],
}


def started(arguments: list[str], folder: Path, environment: Mapping[str, str], text: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "hydra.cli", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_forked_command_says_what_a_started_one_says(name: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import hydra\n\n@hydra.workflow\ndef flow() -> None: ...\n")
    environment = {**os.environ, "HYDRA_DB": f"sqlite:///{tmp_path}/hydra.db", "COLUMNS": "120"}
    assert hydra_command(["migrate"], tmp_path, environment).returncode == 0
    assert warm_process(COMMAND).can_start(environment)
    forked = hydra_command(COMMANDS[name], tmp_path, environment, input="{bad")
    assert (forked.returncode, forked.stdout, forked.stderr) == started(COMMANDS[name], tmp_path, environment, "{bad")
    assert forked.stdout or forked.stderr


def test_what_the_interpreter_reads_at_its_start_takes_a_process_of_its_own(tmp_path: Path) -> None:
    for name in ("PYTHONPATH", "LC_ALL", "TZ"):
        assert not warm_process(COMMAND).can_start({**os.environ, name: "/"})
    assert hydra_command(["--version"], tmp_path, {**os.environ, "PYTHONPATH": "/"}).stdout.startswith("hydra")
