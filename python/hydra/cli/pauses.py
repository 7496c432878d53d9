"""Commands that stop what is not claimed yet, and let it go on: a workflow, the namespace, a limit's key, a node."""

from __future__ import annotations

from datetime import timedelta

import click

from hydra.cli.options import DURATION, database_options, open_engine
from hydra.cli.output import echo

ALL = click.option("--all", "everything", is_flag=True, help="The whole namespace.")
REASON = click.option("--reason", "--because", "reason", default="", help="Why, for those who ask what it waits for.")
WHY = click.option("--reason", "--because", "reason", default="", help="Why, for those who ask later.")


LIMIT = click.option("--limit", help="A limit by its name, in place of workflows; see `hydra limits`.")
KEY = click.option("--key", help="Which key of the limit, as `hydra limits show` has it.")


def check_choice(workflows: tuple[str, ...], everything: bool, limit: str | None, key: str | None) -> None:
    if bool(workflows) + everything + (limit is not None) != 1:
        raise click.UsageError("name workflows, or say `--all`, or `--limit`")
    if key is not None and limit is None:
        raise click.UsageError("`--key` is of a limit; name it by `--limit`")


def named(limit: str, key: str | None) -> str:
    return f"limit `{limit}`" if key is None else f"key `{key}` of limit `{limit}`"


@click.command()
@click.argument("workflows", metavar="WORKFLOW...", nargs=-1)
@ALL
@LIMIT
@KEY
@click.option("--for", "duration", type=DURATION, help="Of a limit: for how long; until it is resumed.")
@REASON
@database_options
def pause(
    workflows: tuple[str, ...],
    everything: bool,
    limit: str | None,
    key: str | None,
    duration: timedelta | None,
    reason: str,
    db: str | None,
    namespace: str | None,
) -> None:
    """Start no execution of these workflows, on any node, until they are resumed; or none of one key of a limit.

    What runs goes on until it next suspends; what is submitted waits.
    """
    check_choice(workflows, everything, limit, key)
    if duration is not None and limit is None:
        raise click.UsageError("`--for` is of a limit; name it by `--limit`")
    with open_engine(db, namespace) as engine:
        if limit is not None:
            engine.pause_limit(limit, key, duration=duration, reason=reason)
            echo(f"{named(limit, key)} is paused")
        if everything:
            engine.pause_namespace(reason=reason)
            echo(f"namespace `{engine.namespace}` is paused")
        for workflow in workflows:
            engine.pause_workflow(workflow, reason=reason)
            echo(f"workflow `{workflow}` is paused")


@click.command("resume-workflow")
@click.argument("workflows", metavar="WORKFLOW...", nargs=-1)
@ALL
@LIMIT
@KEY
@WHY
@database_options
def resume_workflow(
    workflows: tuple[str, ...],
    everything: bool,
    limit: str | None,
    key: str | None,
    reason: str,
    db: str | None,
    namespace: str | None,
) -> None:
    """Go on with workflows that were paused; with --all, with the namespace; with --limit, with one key of a limit.

    Workflows that were paused by themselves stay so when the namespace goes on. (`hydra resume` is for executions.)
    """
    check_choice(workflows, everything, limit, key)
    with open_engine(db, namespace) as engine, engine.acting(reason=reason):
        if limit is not None:
            was_paused = engine.resume_limit(limit, key)
            echo(f"{named(limit, key)} {'goes on' if was_paused else 'was not paused'}")
        if everything:
            was_paused = engine.resume_namespace()
            echo(f"namespace `{engine.namespace}` {'goes on' if was_paused else 'was not paused'}")
        for workflow in workflows:
            was_paused = engine.resume_workflow(workflow)
            echo(f"workflow `{workflow}` {'goes on' if was_paused else 'was not paused'}")


@click.command()
@click.argument("nodes", metavar="NODE...", nargs=-1, required=True)
@REASON
@database_options
def drain(nodes: tuple[str, ...], reason: str, db: str | None, namespace: str | None) -> None:
    """Have nodes end as at SIGTERM, wherever they run: no new work, and what runs gets its drain time.

    A node learns of it with its next heartbeat. What starts its process again, starts a node that takes work.
    """
    with open_engine(db, namespace) as engine:
        for node in nodes:
            engine.drain_node(node, reason=reason)
            echo(f"node `{node}` drains")


COMMANDS = (pause, resume_workflow, drain)
