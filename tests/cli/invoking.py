"""The `hydra` command called in this process, for what only asks or orders: quicker than a process of its own."""

from __future__ import annotations

from click.testing import CliRunner, Result
from hydra.cli import main


def run(url: str, *arguments: str, code: int = 0) -> Result:
    """One command with its options, on that database; its exit code must be `code`."""
    command, *rest = arguments
    done = CliRunner().invoke(main, [command, "--db", url, *rest])
    assert done.exit_code == code, done.output
    return done
