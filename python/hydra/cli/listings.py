"""Commands that list executions: one by one, counted, or by the fault that they failed of."""

from __future__ import annotations

import click
import msgspec

from hydra.cli.filters import Where, filter_options
from hydra.cli.options import database_options, json_option, open_engine, tell_moved
from hydra.cli.output import echo, print_json, print_table
from hydra.cli.watching import watchable
from hydra.client.finding import find_executions
from hydra.client.looking import MAX_LOOKED_AT
from hydra.client.selection import GROUPINGS, Selection
from hydra.client.views import Execution
from hydra.execution import Status
from hydra.stores.pauses import PauseKind


@click.command("list")
@watchable
@filter_options()
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--oldest-first", is_flag=True)
@click.option("--before", metavar="ID", help="Go on after this id, the last one listed before.")
@click.option("--after", metavar="ID", help="The same with --oldest-first.")
@click.option("--all", "is_all", is_flag=True, help="Look at all there are, however long it takes.")
@click.option("--group-by", type=click.Choice(GROUPINGS), help="Count them instead, by this.")
@click.option("--count", "is_count", is_flag=True, help="Count them instead.")
@database_options
@json_option
def list_executions(
    where: Where,
    limit: int,
    oldest_first: bool,
    before: str | None,
    after: str | None,
    is_all: bool,
    group_by: str | None,
    is_count: bool,
    db: str | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """List executions, newest first; or count them.

    By a tag, a reason or an error, which no index leads to, it looks at some thousand only, and says where to
    go on; --all looks at the rest, too. Counts always do.
    """
    with open_engine(db, namespace) as engine:
        tell_moved(engine)
        if group_by is not None or is_count:
            _count(where.select(engine), group_by, as_json)
            return
        arguments = msgspec.structs.asdict(where)
        place, other_end = (after, before) if oldest_first else (before, after)
        is_cut, behind = False, None
        if is_all or other_end is not None:
            found = engine.executions(**arguments, limit=limit, before=before, after=after, oldest_first=oldest_first)
        else:
            found, behind, is_cut = find_executions(engine, arguments, limit, place, oldest_first=oldest_first)
        paused = {pause.name for pause in engine.pauses() if pause.kind != PauseKind.NODE}
    if is_cut:
        option = f"{'--after' if oldest_first else '--before'} {behind}"
        echo(f"looked at {MAX_LOOKED_AT:,} at most; `{option}` goes on from there, `--all` looks to the end", err=True)
    if as_json:
        print_json(found)
        return
    rows = [(e.id, e.workflow, e.key, e.status, e.submitted_at, e.finished_at, _reason(e, paused)) for e in found]
    columns = ("id", "workflow", "key", "status", "submitted", "finished", "reason")
    print_table(columns, rows, empty="none of these match" if is_cut else "no executions match")


def _count(selection: Selection, group_by: str | None, as_json: bool) -> None:
    if group_by is None:
        count = selection.count()
        print_json({"count": count}) if as_json else echo(f"{count}")
        return
    counts = selection.count_by(group_by)
    if as_json:
        print_json(counts)
        return
    print_table(
        (group_by, "count"), [(name or None, count) for name, count in counts.items()], empty="no executions match"
    )


@click.command("errors")
@watchable
@filter_options()
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many to show; all are counted."
)
@database_options
@json_option
def list_errors(where: Where, limit: int, db: str | None, namespace: str | None, as_json: bool) -> None:
    """List what failed or is parked, one line for each fault, the most frequent first.

    A fault is the exception's class, the step, the message without ids and numbers, and the function that raised it.
    `--error` of `hydra list`, `retry`, `rerun` and others takes what stands in the first column.
    """
    with open_engine(db, namespace) as engine:
        found = where.select(engine).errors()
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.error,
            each.count,
            each.kind,
            each.step or None,
            each.message or None,
            each.place or None,
            ", ".join(each.workflows),
            each.first_at,
            each.last_at,
            each.example_id,
        )
        for each in found[:limit]
    ]
    times = ("first (UTC)", "last (UTC)", "example")
    columns = ("error", "count", "class", "step", "message", "at", "workflow", *times)
    print_table(columns, rows, empty="nothing that matches has failed or is parked")
    if len(found) > limit:
        rest = sum(each.count for each in found[limit:])
        echo(f"{len(found) - limit} more, of {rest} executions; see `--limit`", err=True)


def _reason(execution: Execution, paused: set[str]) -> str | None:
    """Why it failed, is parked or does not start; "" in `paused` stands for all workflows."""
    if execution.status is Status.PENDING and not paused.isdisjoint(("", execution.workflow)):
        return "paused"
    return execution.reason or None


COMMANDS = (list_executions, list_errors)
