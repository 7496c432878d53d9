"""Commands about the database itself: check it, clean it, migrate it."""

from __future__ import annotations

import sys

import click

from hydra.cli.options import DURATION, database_options, json_option, open_engine
from hydra.cli.output import print_json, print_table, progress_bar


@click.command()
@database_options
@json_option
def audit(db: str | None, namespace: str | None, as_json: bool) -> None:
    """Check every promise the database can show. Exit code 1, and the rows, when one is broken."""
    with open_engine(db, namespace) as engine:
        found = engine.audit()
    if as_json:
        print_json(found)
    elif found:
        rows = [(violation.promise, violation.execution_id, violation.detail) for violation in found]
        print_table(("promise", "execution", "what is wrong"), rows, empty="")
    else:
        click.echo("every promise holds")
    sys.exit(1 if found else 0)


@click.command()
@click.option(
    "--older-than", type=DURATION, required=True, metavar="DURATION", help="Finished this long ago, such as 30d."
)
@database_options
def purge(older_than: float, db: str | None, namespace: str | None) -> None:
    """Delete executions that ended long ago. Their keys stay: the same invoice never runs twice."""
    with open_engine(db, namespace) as engine, progress_bar("purging", None) as bar:
        count = engine.purge(
            older_than, progress=lambda done: bar.update(bar.task_ids[0], completed=done) if bar else None
        )
    click.echo(f"{count} executions deleted")


@click.command()
@database_options
def migrate(db: str | None, namespace: str | None) -> None:
    """Bring the database's tables to this version of hydra."""
    with open_engine(db, namespace, migrate=True) as engine:
        old, new = engine.migrate()
    click.echo(f"schema {new} is current" if old == new else f"schema {old} migrated to {new}")


COMMANDS = (audit, purge, migrate)
