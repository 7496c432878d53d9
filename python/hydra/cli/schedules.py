"""Commands about schedules: list them, pause, resume, trigger, backfill."""

from __future__ import annotations

from datetime import datetime

import click

from hydra.cli.acts import REASON
from hydra.cli.options import MOMENT, database_options, engine_of, json_option, open_engine
from hydra.cli.output import echo, print_json, print_table, progress_bar


@click.group("schedules", invoke_without_command=True)
@database_options
@json_option
@click.pass_context
def schedules(ctx: click.Context, db: str | None, namespace: str | None, as_json: bool) -> None:
    """List schedules with their state, next and last tick; or order something of one."""
    if ctx.invoked_subcommand is not None:
        return
    with open_engine(db, namespace) as engine:
        found = engine.schedules()
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one.name,
            one.state,
            one.expression,
            one.timezone,
            one.next_at,
            one.last_at,
            one.last_execution_id,
            f"{one.catch_up} / {one.overlap}",
            one.queued_count,
            one.skipped_count,
        )
        for one in found
    ]
    times = ("next tick (UTC)", "last tick (UTC)", "last execution")
    columns = ("schedule", "state", "cron", "time zone", *times, "catch-up / overlap", "queued", "skipped")
    print_table(columns, rows, empty="no schedules; `@hydra.workflow(schedule=hydra.Cron(…))` makes one")


@schedules.command()
@click.argument("name")
@REASON
@database_options
@click.pass_context
def pause(ctx: click.Context, name: str, reason: str, db: str | None, namespace: str | None) -> None:
    """Fire no more ticks of NAME until it is resumed."""
    with engine_of(ctx, db, namespace) as engine, engine.acting(reason=reason):
        engine.pause_schedule(name)
    echo(f"schedule `{name}` is paused")


@schedules.command()
@click.argument("name")
@REASON
@database_options
@click.pass_context
def resume(ctx: click.Context, name: str, reason: str, db: str | None, namespace: str | None) -> None:
    """Go on with the next tick of NAME; those of the pause are passed over."""
    with engine_of(ctx, db, namespace) as engine, engine.acting(reason=reason):
        engine.resume_schedule(name)
    echo(f"schedule `{name}` goes on")


@schedules.command()
@click.argument("name")
@REASON
@database_options
@json_option
@click.pass_context
def trigger(ctx: click.Context, name: str, reason: str, db: str | None, namespace: str | None, as_json: bool) -> None:
    """Run the workflow of NAME now, and print the execution's id."""
    with engine_of(ctx, db, namespace) as engine, engine.acting(reason=reason):
        handle = engine.trigger_schedule(name)
    if as_json:
        print_json({"id": handle.id})
    else:
        echo(handle.id)


@schedules.command()
@click.argument("name")
@click.option("--from", "start", type=MOMENT, required=True, help="First instant; without a zone, the schedule's own.")
@click.option("--to", "end", type=MOMENT, required=True, help="Last instant, included.")
@REASON
@database_options
@json_option
@click.pass_context
def backfill(
    ctx: click.Context,
    name: str,
    start: datetime,
    end: datetime,
    reason: str,
    db: str | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """Run the past ticks of NAME that have no execution. At most 10,000 ticks at a time; repeating it is safe."""
    with (
        engine_of(ctx, db, namespace) as engine,
        engine.acting(reason=reason),
        progress_bar("backfilling", None) as bar,
    ):
        handles = engine.backfill_schedule(
            name,
            start,
            end,
            lambda done, total: bar.update(bar.task_ids[0], completed=done, total=total) if bar else None,
        )
    if as_json:
        print_json([handle.id for handle in handles])
    else:
        echo(f"{len(handles)} executions submitted")


COMMANDS = (schedules,)
