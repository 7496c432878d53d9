"""`hydra move`: a namespace, or a whole database, into another store."""

from __future__ import annotations

import click

from hydra.cli.options import DURATION, json_option
from hydra.cli.output import echo, print_json, print_table, progress_bar
from hydra.config import namespace_name
from hydra.errors import ConfigError
from hydra.move import abandon as abandon_move
from hydra.move import move as move_all
from hydra.move.moving import LEASE_SECONDS
from hydra.stores import absolute


@click.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--namespace", envvar="HYDRA_NAMESPACE", metavar="NAME", help="Only this tenant (default: all of the database)."
)
@click.option(
    "--lease-ttl",
    type=DURATION,
    default=f"{LEASE_SECONDS:g}s",
    show_default=True,
    help="A node of the source that is silent for so long is dead.",
)
@click.option("--abandon", is_flag=True, help="Take a move back that is not complete: the source works again.")
@json_option
def move(source: str, target: str, namespace: str | None, lease_ttl: float, abandon: bool, as_json: bool) -> None:
    """Move everything from SOURCE to TARGET, two database URLs: what is open, what has ended, keys, schedules, limits.

    Stop every node of the source first. From then on the source takes no writes, and nobody can start on the target
    before all of it is there and compared. Run the same command again after it was stopped. Exit code 1 when it is
    refused.
    """
    name = None if namespace is None else namespace_name(namespace)
    if absolute(source) == absolute(target):
        raise ConfigError("source and target are one database; name another")
    if abandon:
        given_back = abandon_move(source, target, name)
        echo(f"{told_namespaces(len(given_back))} the source's again")
        return
    with progress_bar("moving", None) as bar:

        def told(_: str, table: str, count: int) -> None:
            if bar is not None:
                bar.update(bar.task_ids[0], advance=count, description=f"moving {table}")

        report = move_all(source, target, name, lease_seconds=lease_ttl, told=told)
    if as_json:
        print_json({"namespaces": report.namespaces, "tables": [each._asdict() for each in report.tables]})
        return
    if not report.namespaces:
        echo("the source has nothing to move")
        return
    rows = [(each.namespace, each.table, each.rows, each.digest) for each in report.tables if each.rows]
    print_table(("namespace", "table", "rows", "digest on both sides"), rows, empty="all of it had been moved before")
    echo(f"{told_namespaces(len(report.namespaces))} in the target now", err=True)


def told_namespaces(count: int) -> str:
    return "1 namespace is" if count == 1 else f"{count} namespaces are"


COMMANDS = (move,)
