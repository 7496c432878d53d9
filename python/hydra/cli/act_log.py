"""`hydra acts`: who ordered what, when, from where and why."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from hydra.cli.options import WHEN, database_options, json_option, open_engine
from hydra.cli.output import print_json, print_table
from hydra.cli.watching import watchable
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
        first = engine.acts(since=since, until=until, by=by, kind=kind, limit=limit)
        if as_json:
            print_json(first)
            return
        found = first  # as many as make the lines of the table, each with the whole of its order
        asked = limit
        while len(found) == asked < MAX_READ and len(_orders(found)) <= limit:
            asked = min(asked * 8, MAX_READ)
            found = engine.acts(since=since, until=until, by=by, kind=kind, limit=asked)
    rows = [_row(order, is_all=len(found) < MAX_READ) for order in _orders(found)[:limit]]
    columns = ("time (UTC)", "what", "of", "by", "from", "why", "detail")
    print_table(columns, rows, empty="no acts match")


def _orders(acts: list[ActView]) -> list[list[ActView]]:
    """What one order did, together. Of what was run again the old one's line stands for the new one's, too."""
    is_asked = {(act.execution_id, act.other_id) for act in acts if act.kind == ActKind.RERUN}
    orders: dict[tuple[object, ...], list[ActView]] = {}
    for act in acts:
        if act.kind == ActKind.RERUN_OF and (act.other_id, act.execution_id) in is_asked:
            continue
        orders.setdefault(_order_of(act), []).append(act)
    return list(orders.values())


def _order_of(act: ActView) -> tuple[object, ...]:
    if act.kind == ActKind.RERUN:  # its id is the other one's; the lines of one order have one time
        return act.kind, act.done_at, act.done_by, act.done_from, act.reason
    return act.kind, act.order_id or (act.execution_id, act.other_id), act.execution_id is None


def _row(acts: list[ActView], *, is_all: bool) -> tuple[object, ...]:
    act = acts[0]
    detail = act.detail if len({each.detail for each in acts}) == 1 else ""
    count = f"{len(acts)} executions" if is_all else f"at least {len(acts)} executions"
    of = act.execution_id if len(acts) == 1 else f"{count}, such as {act.execution_id}"
    return act.done_at, act.kind, of, act.done_by, act.done_from, act.reason or None, detail or None


COMMANDS = (list_acts,)
