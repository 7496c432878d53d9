"""Commands that change one execution by hand: when it is due, how urgent it is, that it is there at all."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from hydra.cli.calls import read_bound
from hydra.cli.options import DURATION, MOMENT, database_options, end_refused, open_engine
from hydra.cli.output import echo
from hydra.errors import IllegalMove

REASON = click.option("--reason", "--because", "reason", default="", help="Why, for those who ask later.")
BECAUSE = click.option(
    "--because", default="", metavar="TEXT", help="Why it is done, for those who ask later; see `hydra acts`."
)


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--now", "is_now", is_flag=True, help="Due at once.")
@click.option("--delay", type=DURATION, help="Due this much later, such as 5m.")
@click.option("--at", type=MOMENT, help="Due then, such as 2026-12-01T08:00+01:00.")
@click.option("--priority", type=int, help="Higher ones are claimed first.")
@click.option("--input", "input_json", metavar="JSON", help="Other arguments, as of `hydra submit`; `-` reads them.")
@REASON
@database_options
def reschedule(
    ids: tuple[str, ...],
    is_now: bool,
    delay: float | None,
    at: datetime | None,
    priority: int | None,
    input_json: str | None,
    reason: str,
    db: str | None,
    namespace: str | None,
) -> None:
    """Change when pending executions are due, or their priority: delayed ones, due ones, pauses between attempts. Or
    their arguments, of those that have never begun.

    What a node has taken meanwhile is refused, with what it does now. What a limit holds back goes on waiting there.
    Exit code 1 if any is refused; the others are changed.
    """
    if is_now + (delay is not None) + (at is not None) > 1:
        raise click.UsageError("`--now`, `--delay` and `--at` cannot be given together")
    if not is_now and delay is None and at is None and priority is None and input_json is None:
        raise click.UsageError("say what to change: `--now`, `--delay`, `--at`, `--priority` or `--input`")
    text = sys.stdin.read() if input_json == "-" else input_json
    refused_count = 0
    with open_engine(db, namespace) as engine:
        for handle in [engine.get(id) for id in ids]:
            try:
                input = None if text is None else read_bound(engine, handle.workflow, text)
                due = 0 if is_now else delay
                handle.reschedule(delay=due, at=at, priority=priority, input=input, reason=reason)
                echo(f"{handle.id} rescheduled")
            except IllegalMove as error:
                refused_count += 1
                echo(f"{handle.id} refused: {error}", err=True)
    end_refused(refused_count, len(ids))


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@REASON
@database_options
def delete(ids: tuple[str, ...], reason: str, db: str | None, namespace: str | None) -> None:
    """Delete executions that have ended, for good, each with all that it has spawned.

    Their keys stay taken, and who deleted them, when and why is kept. Exit code 1 if any is refused.
    """
    refused_count = 0
    with open_engine(db, namespace) as engine:
        for handle in [engine.get(id) for id in ids]:
            try:
                count = handle.delete(reason=reason)
                echo(f"{handle.id} deleted" + (f", with {count - 1} of its tree" if count > 1 else ""))
            except IllegalMove as error:
                refused_count += 1
                echo(f"{handle.id} refused: {error}", err=True)
    end_refused(refused_count, len(ids))


COMMANDS = (reschedule, delete)
