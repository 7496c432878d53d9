"""`hydra acts`: who ordered what, when, from where and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby

import click

from hydra.cli.options import WHEN, database_options, json_option, open_engine
from hydra.cli.output import print_json, print_table
from hydra.cli.watching import watchable
from hydra.client.act_orders import ActView
from hydra.stores.acts import ActKind


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
        found = engine.acts(since=since, until=until, by=by, kind=kind, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = [_row(list(together)) for _, together in groupby(found, _order_of)]
    columns = ("time (UTC)", "what", "of", "by", "from", "why", "detail")
    print_table(columns, rows, empty="no acts match")


def _order_of(act: ActView) -> tuple[object, ...]:
    return act.kind, act.order_id or act.execution_id, act.execution_id is None


def _row(acts: list[ActView]) -> tuple[object, ...]:
    act = acts[0]
    detail = act.detail if len({each.detail for each in acts}) == 1 else ""
    of = act.execution_id if len(acts) == 1 else f"{len(acts)} executions, such as {act.execution_id}"
    return act.done_at, act.kind, of, act.done_by, act.done_from, act.reason or None, detail or None


COMMANDS = (list_acts,)
