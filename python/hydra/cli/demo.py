"""`hydra demo`: the billing example on its own sample, with workers being killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

BILLING = Path(__file__).resolve().parent / "billing" / "run.py"  # links to examples/billing; the wheel holds the files


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def demo(options: tuple[str, ...]) -> None:
    """Bill a sample of invoices while workers are killed, and account for every penny.

    Takes the options of examples/billing/run.py: `hydra demo --help` lists them.
    """
    sys.exit(subprocess.run([sys.executable, str(BILLING), *options], check=False).returncode)


COMMANDS = (demo,)
