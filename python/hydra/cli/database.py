"""Commands about the database itself: check it, clean it, migrate it."""

from __future__ import annotations

import sys
from functools import partial

import click

from hydra.cli.acts import REASON
from hydra.cli.filters import Order, Where, act_on_many, filter_options, order_options
from hydra.cli.options import DURATION, database_options, each_url, json_option, open_engine
from hydra.cli.output import echo, print_json, print_table, progress_bar
from hydra.client.engine import Engine
from hydra.config import namespace_name
from hydra.errors import HydraError
from hydra.stores import without_password


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
        echo("every promise holds")
    sys.exit(1 if found else 0)


@click.command()
@click.option("--older-than", type=DURATION, metavar="DURATION", help="Finished this long ago, such as 30d.")
@REASON
@filter_options(reason="--with-reason")
@order_options
@database_options
def purge(
    older_than: float | None, reason: str, where: Where, order: Order, db: str | None, namespace: str | None
) -> None:
    """Delete executions that ended long ago, each with its tree. Their keys stay: the same invoice never runs twice.

    By age alone it takes all of them, in an order of one line (`hydra acts`). By a filter it is a deletion of each that
    matches, as of `hydra delete`, which is recorded with its reason.
    """
    if older_than is None and not where.is_given():
        raise click.UsageError("say what: `--older-than 30d`, or a filter such as `--status failed`, or both")
    with open_engine(db, namespace) as engine:
        if where.is_given():
            selection = where.select(engine)
            act_on_many(selection, order, "purge", partial(selection.delete, older_than=older_than, reason=reason))
            return
        if order.is_given():
            raise click.UsageError("`--dry-run`, `--expect` and `--yes` are for a filter, such as `--status failed`")
        with progress_bar("purging", None) as bar:
            count = engine.purge(
                older_than or 0,
                progress=lambda done: bar.update(bar.task_ids[0], completed=done) if bar else None,
                reason=reason,
            )
    if order.as_json:
        print_json({"count": count})
    else:
        echo(f"{count} executions deleted")


@click.command()
@database_options
def migrate(db: str | None, namespace: str | None) -> None:
    """Bring the database's tables to this version of hydra: with --db-map, unless --namespace says which, all.

    Of a map one that cannot be migrated keeps no other waiting; it is named at the end, and the exit code is 1.
    """
    urls = each_url(db, namespace)
    engines = [Engine(url, namespace_name(namespace)) for url in urls]  # a URL that cannot be stops all, before any
    failed: list[str] = []
    for url, engine in zip(urls, engines, strict=True):
        place = f"{without_password(url)}: " if len(urls) > 1 else ""
        try:
            with engine:
                old, new = engine.migrate()
        except HydraError as error:
            if len(urls) == 1:
                raise
            echo(f"{place}{error}", err=True)
            failed.append(f"`{without_password(url)}`")
            continue
        echo(place + (f"schema {new} is current" if old == new else f"schema {old} migrated to {new}"))
    if failed:
        told = f"{len(failed)} of {len(urls)} databases were not migrated: {', '.join(failed)}"
        raise HydraError(f"{told}; mend them, then repeat the command")


COMMANDS = (audit, purge, migrate)
