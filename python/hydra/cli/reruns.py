"""`hydra rerun`: ended executions again, as new ones under their keys."""

from __future__ import annotations

from functools import partial

import click

from hydra.cli.acts import REASON
from hydra.cli.filters import Order, Where, act_on_many, filter_options, is_by_filter, order_options
from hydra.cli.options import database_options, end_refused, open_engine
from hydra.cli.output import echo, print_json
from hydra.errors import IllegalMove


@click.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@click.option("--force", is_flag=True, help="Also what has completed, or did something that was not undone.")
@REASON
@filter_options(reason="--with-reason")
@order_options
@database_options
def rerun(
    ids: tuple[str, ...],
    force: bool,
    reason: str,
    where: Where,
    order: Order,
    db: str | None,
    namespace: str | None,
) -> None:
    """Begin new executions from the input of ended ones, under their keys: by ids, or by a filter.

    For what failed, or was cancelled, and did nothing that still stands: `hydra retry` goes on from the failure, and
    keeps what is recorded; this does everything again, under other idempotency keys. Both executions say which the
    other is, who ordered it and why. What was run again before is not once more. Exit code 1 if any is refused; the
    others are begun.
    """
    as_json = order.as_json
    if is_by_filter(ids, where, order):
        with open_engine(db, namespace) as engine:
            selection = where.select(engine)
            act_on_many(selection, order, "rerun", partial(selection.rerun, reason=reason, force=force))
        return
    begun: dict[str, str] = {}
    refused: dict[str, str] = {}
    with open_engine(db, namespace) as engine:
        for id in [engine.get(each).id for each in ids]:
            try:
                begun[id] = engine.rerun(id, reason=reason, force=force).id
            except IllegalMove as error:
                refused[id] = str(error)
    if as_json:
        print_json({"done": begun, "refused": refused})
    else:
        for id, again in begun.items():
            echo(f"{id} runs again as {again}")
    for id, why in refused.items():
        echo(f"{id} refused: {why}", err=True)
    end_refused(len(refused), len(ids))


COMMANDS = (rerun,)
