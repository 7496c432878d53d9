"""The command line. Data goes to standard output, the rest to standard error; a user's mistake is one sentence.

Exit codes: 0 done, 1 found or failed, 2 usage.
"""

from __future__ import annotations

import sys
from typing import Any

import click

import hydra.cli.hangup  # noqa: F401  (before what takes long)
from hydra import identity
from hydra.cli import (
    act_log,
    acts,
    approvals,
    bench,
    dashboard,
    database,
    demo,
    deploys,
    doctor,
    executions,
    inspection,
    limits,
    listings,
    mcp,
    move,
    nodes,
    offload,
    pauses,
    reruns,
    schedules,
    top,
)
from hydra.cli.output import echo
from hydra.client.acting import acting
from hydra.errors import ConfigError, HydraError, PayloadError
from hydra.terminal import SHOWN

FAILED, USAGE = 1, 2


class Group(click.Group):
    """Turns hydra's errors into a sentence and an exit code; anything else is a bug and keeps its traceback."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        if not all(_is_text(argument) for argument in sys.argv):
            echo("error: an argument is not valid UTF-8; check the terminal's encoding", err=True)
            sys.exit(USAGE)
        return super().main(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with acting(identity.person(), ""):
                return super().invoke(ctx)
        except click.ClickException as error:
            vars(error)["message"] = error.message.translate(SHOWN)  # an id, a key or a name that was pasted
            raise
        except HydraError as error:
            echo(f"error: {error!s}", err=True)
            sys.exit(USAGE if isinstance(error, ConfigError | PayloadError) else FAILED)


def _is_text(argument: str) -> bool:
    """False where bytes of the command line could not be decoded."""
    return not any("\udc80" <= character <= "\udcff" for character in argument)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hydra-engine", prog_name="hydra")
def main() -> None:
    """Durable workflows for plain Python functions."""


for module in (
    nodes,
    executions,
    acts,
    reruns,
    act_log,
    approvals,
    listings,
    top,
    pauses,
    schedules,
    limits,
    inspection,
    deploys,
    dashboard,
    mcp,
    database,
    move,
    offload,
    demo,
    doctor,
    bench,
):
    for command in module.COMMANDS:
        main.add_command(command)
