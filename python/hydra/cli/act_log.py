"""`hydra acts`: who ordered what, when, from where and why."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from hydra.cli.options import WHEN, database_options, json_option, open_engine
from hydra.cli.output import print_json, print_table
from hydra.cli.watching import watchable
from hydra.client.act_groups import ActGroup, read_groups
from hydra.client.act_orders import ActView
from hydra.stores.acts import ActKind

MAX_READ = 100_000  # acts that are looked through for the lines of the table


@click.command("acts")
@watchable
@click.option("--since", type=WHEN, help="Done then or later: 2h (ago), or 2026-11-29T14:00 (UTC).")
@click.option("--until", type=WHEN, help="Done before then; as of --since.")
@click.option("--by", metavar="TEXT", help="A part of who did it, such as `ana@` or `token:ops`.")
@click.option("--kind", type=click.Choice([str(kind) for kind in ActKind]))
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Lines at most.")
@database_options
@json_option
def list_acts(
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    by: str | None,
    kind: str | None,
    limit: int,
    db: str | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """List who ordered what, newest first: retries, cancels, signals, pauses, limits and all others, with the reason.

    What one order did to many is one line of the table; --json has each. An execution's own are in `hydra show`.
    """
    with open_engine(db, namespace) as engine:

        def read(count: int) -> list[ActView]:
            return engine.acts(since=since, until=until, by=by, kind=kind, limit=count)

        if as_json:
            print_json(read(limit))
            return
        groups = read_groups(read, limit, MAX_READ)
    columns = ("time (UTC)", "what", "of", "by", "from", "why", "detail")
    print_table(columns, [_row(group) for group in groups], empty="no acts match")


def _row(group: ActGroup) -> tuple[object, ...]:
    act = group.act
    count = f"{group.count} executions" if group.is_whole else f"at least {group.count} executions"
    of = act.execution_id if group.count == 1 else f"{count}, such as {act.execution_id}"
    return act.done_at, act.kind, of, act.done_by, act.done_from, act.reason or None, group.detail or None


COMMANDS = (list_acts,)
