"""`hydra top`: what there is at a glance. Counts, what waits, nodes, and what fails."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import click

from hydra.cli.options import DURATION, WHEN, database_options, open_engine
from hydra.cli.output import echo, print_table, show
from hydra.cli.watching import watchable
from hydra.client.engine import Engine
from hydra.client.views import to_datetime
from hydra.execution import Status

SHOWN_ERRORS = 10
PAUSE_SECONDS = 2.0


@click.command()
@click.option(
    "--every", type=DURATION, default=PAUSE_SECONDS, show_default="2s", help="How often it looks, on a terminal."
)
@click.option("--since", type=WHEN, default="1h", show_default=True, help="Errors of what was submitted then or later.")
@database_options
def top(every: float, since: datetime | timedelta, db: str | None, namespace: str | None) -> None:
    """Show counts by workflow and status, what waits, the nodes, and the most frequent errors, until Ctrl-C.

    Where nobody watches (its output is no terminal) it shows them once.
    """
    look: Callable[..., None] = watchable(_look)
    look(watch=every if sys.stdout.isatty() else None, since=since, db=db, namespace=namespace)


def _look(since: datetime | timedelta, db: str | None, namespace: str | None) -> None:
    with open_engine(db, namespace) as engine:
        _show_counts(engine)
        _show_nodes(engine)
        _show_errors(engine, since)


def _show_counts(engine: Engine) -> None:
    found = engine.stats()
    statuses = [status for status in Status if any(status in counts for counts in found.counts.values())]
    rows = [(workflow, *(counts.get(status, 0) for status in statuses)) for workflow, counts in found.counts.items()]
    print_table(("workflow", *statuses), rows, empty="no executions")
    if found.oldest_due_at is not None:
        age = max(datetime.now(UTC) - to_datetime(found.oldest_due_at), datetime.resolution)
        echo(f"oldest due work: {show(age)}")
    for workflow, count in found.unclaimed.items():
        echo(f"{count} due of workflow `{workflow}`, which no living node serves")
    echo()


def _show_nodes(engine: Engine) -> None:
    alive = [node for node in engine.nodes() if node.state == "alive"]
    rows = [
        (
            node.info.host,
            node.info.pid,
            node.info.workers,
            node.running_count,
            node.info.places or None,
            to_datetime(node.beat_at),
        )
        for node in alive
    ]
    print_table(("host", "pid", "workers", "running", "places", "last beat (UTC)"), rows, empty="no node is alive")
    echo()


def _show_errors(engine: Engine, since: datetime | timedelta) -> None:
    found = engine.select(since=since).errors()[:SHOWN_ERRORS]
    rows = [(one.error, one.count, one.kind, one.step or None, one.message or None, one.last_at) for one in found]
    print_table(("error", "count", "class", "step", "message", "last (UTC)"), rows, empty="nothing failed or is parked")


COMMANDS = (top,)
