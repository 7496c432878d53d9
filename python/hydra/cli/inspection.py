"""Commands that look: executions, one execution's timeline, counts."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from hydra import codec
from hydra.cli.options import TAG, database_options, json_option, open_engine
from hydra.cli.output import print_json, print_table, show
from hydra.cli.timeline import timeline
from hydra.client.views import bulk_views, to_datetime
from hydra.execution import Status


@click.command("list")
@click.option("--status", type=click.Choice([status.value for status in Status]))
@click.option("--workflow")
@click.option("--key")
@click.option("--tag", "tags", type=TAG, multiple=True, metavar="NAME=VALUE", help="May be repeated; all must match.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--before", metavar="ID", help="Go on after this id, the last one listed before.")
@database_options
@json_option
def list_executions(
    status: str | None,
    workflow: str | None,
    key: str | None,
    tags: tuple[tuple[str, str], ...],
    limit: int,
    before: str | None,
    db: str | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """List executions, newest first."""
    with open_engine(db, namespace) as engine:
        found = engine.executions(
            status=status, workflow=workflow, key=key, tags=dict(tags) or None, limit=limit, before=before
        )
    if as_json:
        print_json(found)
        return
    rows = [(e.id, e.workflow, e.key, e.status, e.submitted_at, e.finished_at, e.reason or None) for e in found]
    columns = ("id", "workflow", "key", "status", "submitted", "finished", "reason")
    print_table(columns, rows, empty="no executions match")


@click.command("show")
@click.argument("id")
@database_options
@json_option
def show_execution(id: str, db: str | None, namespace: str | None, as_json: bool) -> None:
    """Show one execution: its state, and a timeline of its claims, steps, tries, waits and crashes.

    With --json also its `export`, which `hydra.testing.replay` takes.
    """
    with open_engine(db, namespace) as engine:
        handle = engine.get(id)
        execution = handle.execution()
        records = handle.records()
        steps, attempts = handle.steps(), handle.attempts()
        entries = timeline(execution, records, attempts, steps)
        exported = handle.export() if as_json else None
        generation = codec.generation_of(engine.read(lambda store: store.input(id)))
    if as_json:
        print_json(
            {
                "execution": execution,
                "generation": generation,
                "steps": steps,
                "maps": bulk_views(records),
                "attempts": attempts,
                "timeline": entries,
                "export": exported,
            }
        )
        return
    facts = {
        "workflow": execution.workflow,
        "key": execution.key,
        "status": execution.status,
        "reason": execution.reason or None,
        "tags": execution.tags or None,
        "node": execution.node,
        "wakes at": execution.wake_at,
        "times out at": execution.timeout_at,
        "generation": generation if generation > 1 else None,
    }
    click.echo(f"{execution.id}")
    for name, value in facts.items():
        if value is not None:
            click.echo(f"  {name:12} {show(value)}")
    click.echo()
    rows = [(entry.at, entry.what, entry.took, entry.detail) for entry in entries]
    print_table(("time", "what", "took", "detail"), rows, empty="nothing happened yet")


@click.command()
@database_options
@json_option
def stats(db: str | None, namespace: str | None, as_json: bool) -> None:
    """Count executions by workflow and status; name due work that no node serves."""
    with open_engine(db, namespace) as engine:
        found = engine.stats()
    if as_json:
        print_json(found)
        return
    statuses = [status for status in Status if any(status in counts for counts in found.counts.values())]
    rows = [(workflow, *(counts.get(status, 0) for status in statuses)) for workflow, counts in found.counts.items()]
    print_table(("workflow", *statuses), rows, empty="no executions")
    click.echo(f"nodes alive: {found.nodes_alive}")
    if found.oldest_due_at is not None:
        click.echo(
            f"oldest due work: {show(max(datetime.now(UTC) - to_datetime(found.oldest_due_at), datetime.resolution))}"
        )
    for workflow, count in found.unclaimed.items():
        click.echo(f"warning: {count} due of workflow `{workflow}`, which no living node serves", err=True)


COMMANDS = (list_executions, show_execution, stats)
