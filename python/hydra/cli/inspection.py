"""Commands that look: executions, one execution's timeline, counts."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from hydra import codec
from hydra.cli.options import DURATION, TAG, database_options, json_option, open_engine
from hydra.cli.output import print_json, print_table, show, writable
from hydra.cli.timeline import timeline
from hydra.client.awaited import Awaited, set_aside_of
from hydra.client.views import Execution, bulk_views, to_datetime
from hydra.execution import FINAL, Status
from hydra.stores.pauses import PauseKind


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
        paused = {pause.name for pause in engine.pauses() if pause.kind != PauseKind.NODE}
    if as_json:
        print_json(found)
        return
    rows = [(e.id, e.workflow, e.key, e.status, e.submitted_at, e.finished_at, _reason(e, paused)) for e in found]
    columns = ("id", "workflow", "key", "status", "submitted", "finished", "reason")
    print_table(columns, rows, empty="no executions match")


def _reason(execution: Execution, paused: set[str]) -> str | None:
    """Why it failed, is parked or does not start; "" in `paused` stands for all workflows."""
    if execution.status is Status.PENDING and not paused.isdisjoint(("", execution.workflow)):
        return "paused"
    return execution.reason or None


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
        awaited = [] if execution.status in FINAL else handle.awaited()
        entries = timeline(execution, records, attempts, steps)
        exported = handle.export() if as_json else None
        generation = codec.generation_of(engine.read(lambda store: store.input(id)))
    if as_json:
        print_json(
            {
                "execution": execution,
                "generation": generation,
                "awaited": awaited,
                "set_aside": set_aside_of(records),
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
        "limits": ", ".join(execution.limits) or None,
        "wakes at": execution.wake_at,
        "times out at": execution.timeout_at,
        "waits for": ", ".join(dict.fromkeys(_waits_for(each) for each in awaited)) or _waits_at(execution.waits_for),
        "generation": generation if generation > 1 else None,
    }
    click.echo(f"{execution.id}")
    for name, value in facts.items():
        if value is not None:
            click.echo(f"  {name:12} {show(value)}")
    click.echo()
    rows = [(entry.at, entry.what, entry.took, entry.detail) for entry in entries]
    print_table(("time", "what", "took", "detail"), rows, empty="nothing happened yet")


def _waits_for(awaited: Awaited) -> str:
    return f"{awaited.name} ({awaited.type})" if awaited.type else awaited.name


@click.command("why")
@click.argument("id")
@database_options
@json_option
def explain(id: str, db: str | None, namespace: str | None, as_json: bool) -> None:
    """Say in one sentence why an execution does not go on, or what it does, and what to do next."""
    with open_engine(db, namespace) as engine:
        found = engine.why(id)
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found.status}: {writable(found.sentence)}")


def _waits_at(limit: str | None) -> str | None:
    return None if limit is None else f"its place at the limit {limit}"


@click.command()
@click.option("--over", type=DURATION, help="Look twice, so far apart: how fast executions end, and until when.")
@database_options
@json_option
def stats(over: float | None, db: str | None, namespace: str | None, as_json: bool) -> None:
    """Count executions by workflow and status; name due work that no node serves, and what is paused.

    With --json also `demands`, what autoscalers go by: backlog, its age, utilisation, and with --over the time until
    the backlog is gone, in all, by workflow and by label.
    """
    with open_engine(db, namespace) as engine:
        demanded = engine.demands(over) if as_json or over is not None else None
        found = engine.stats()
    if as_json:
        shown = msgspec.structs.asdict(found)
        del shown["loads"]  # `demands` says it better
        print_json({**shown, "demands": demanded})
        return
    statuses = [status for status in Status if any(status in counts for counts in found.counts.values())]
    rows = [(workflow, *(counts.get(status, 0) for status in statuses)) for workflow, counts in found.counts.items()]
    print_table(("workflow", *statuses), rows, empty="no executions")
    click.echo(f"nodes alive: {found.nodes_alive}")
    if found.oldest_due_at is not None:
        click.echo(
            f"oldest due work: {show(max(datetime.now(UTC) - to_datetime(found.oldest_due_at), datetime.resolution))}"
        )
    if demanded is not None:
        demand = demanded.total
        until = "never at this rate" if demand.drain_seconds is None else f"in {demand.drain_seconds:,.0f} s"
        rate = demand.ended_per_second or 0.0
        click.echo(f"backlog: {demand.backlog:,}, {rate:,.1f} end a second, gone {until}")
    for pause in found.pauses:
        what = pause.kind.value if pause.kind is PauseKind.NAMESPACE else f"{pause.kind.value} `{pause.name}`"
        word = "drains" if pause.kind is PauseKind.NODE else "is paused"
        why = f": {pause.reason}" if pause.reason else ""
        click.echo(f"{what} {word}, by {pause.paused_by} at {show(to_datetime(pause.paused_at))}{why}")
    for workflow, count in found.unclaimed.items():
        click.echo(f"warning: {count} due of workflow `{workflow}`, which no living node serves", err=True)
    for label, count in found.unserved_labels.items():
        click.echo(f"warning: {count} due need label `{label}`, which no living node has", err=True)


COMMANDS = (list_executions, show_execution, explain, stats)
