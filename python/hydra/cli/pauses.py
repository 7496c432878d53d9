"""Commands that stop what is not claimed yet, and let it go on: a workflow, the namespace, a node."""

from __future__ import annotations

import click

from hydra.cli.options import database_options, open_engine

ALL = click.option("--all", "everything", is_flag=True, help="The whole namespace.")
REASON = click.option("--reason", default="", help="Why, for those who ask what it waits for.")


def check_choice(workflows: tuple[str, ...], everything: bool) -> None:
    if bool(workflows) is everything:
        raise click.UsageError("name workflows, or say `--all`")


@click.command()
@click.argument("workflows", metavar="WORKFLOW...", nargs=-1)
@ALL
@REASON
@database_options
def pause(workflows: tuple[str, ...], everything: bool, reason: str, db: str | None, namespace: str | None) -> None:
    """Start no execution of these workflows, on any node, until they are resumed.

    What runs goes on until it next suspends; what is submitted waits.
    """
    check_choice(workflows, everything)
    with open_engine(db, namespace) as engine:
        if everything:
            engine.pause_namespace(reason=reason)
            click.echo(f"namespace `{engine.namespace}` is paused")
        for workflow in workflows:
            engine.pause_workflow(workflow, reason=reason)
            click.echo(f"workflow `{workflow}` is paused")


@click.command("resume-workflow")
@click.argument("workflows", metavar="WORKFLOW...", nargs=-1)
@ALL
@database_options
def resume_workflow(workflows: tuple[str, ...], everything: bool, db: str | None, namespace: str | None) -> None:
    """Go on with workflows that were paused; with --all, with the namespace.

    Workflows that were paused by themselves stay so when the namespace goes on. (`hydra resume` is for executions.)
    """
    check_choice(workflows, everything)
    with open_engine(db, namespace) as engine:
        if everything:
            was_paused = engine.resume_namespace()
            click.echo(f"namespace `{engine.namespace}` {'goes on' if was_paused else 'was not paused'}")
        for workflow in workflows:
            was_paused = engine.resume_workflow(workflow)
            click.echo(f"workflow `{workflow}` {'goes on' if was_paused else 'was not paused'}")


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
            click.echo(f"node `{node}` drains")


COMMANDS = (pause, resume_workflow, drain)
