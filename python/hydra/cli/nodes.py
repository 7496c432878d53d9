"""Commands about nodes: start one, list them."""

from __future__ import annotations

import sys
from contextlib import suppress

import click

from hydra.cli.options import DURATION, database_options, json_option, open_engine
from hydra.cli.output import print_json, print_table
from hydra.client.views import to_datetime
from hydra.config import database_url, module_name, namespace_name
from hydra.node.supervisor import LEASE_TTL_SECONDS_MINIMUM, Settings, Supervisor
from hydra.stores import absolute, without_password


@click.command()
@click.argument("module")
@click.option("--workers", type=click.IntRange(1), help="Processes that run your code (default: as many as cores).")
@click.option("--concurrency", type=click.IntRange(1), default=64, show_default=True, help="Executions per worker.")
@click.option(
    "--lease-ttl", type=DURATION, default="10s", show_default=True, help="After this silence others take over."
)
@click.option("--log-format", type=click.Choice(["console", "json"]), default="console", show_default=True)
@click.option("--reload", is_flag=True, help="Import the module anew when its files change.")
@click.option(
    "--spawn", is_flag=True, help="Import the module in each worker instead of forking; for code with threads."
)
@click.option(
    "--http", metavar="HOST:PORT", default="", help="Serve /metrics (Prometheus), /healthz and /readyz there."
)
@click.option(
    "--metric-tag",
    "metric_tags",
    multiple=True,
    metavar="NAME",
    help="Make this tag of executions a label of their metrics; for tags with few values.",
)
@click.option(
    "--transaction-connections",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="How many `@hydra.transaction` steps a worker runs at a time, each on a connection of its own.",
)
@database_options
def start(
    module: str,
    workers: int | None,
    concurrency: int,
    lease_ttl: float,
    log_format: str,
    reload: bool,
    spawn: bool,
    http: str,
    metric_tags: tuple[str, ...],
    transaction_connections: int,
    db: str | None,
    namespace: str | None,
) -> None:
    """Run the workflows of MODULE, such as `app` or `shop.billing`, until SIGTERM or Ctrl-C.

    The first signal finishes or hands back what runs, the second stops at once; SIGHUP imports MODULE anew.
    """
    if lease_ttl < LEASE_TTL_SECONDS_MINIMUM:
        raise click.UsageError(f"`--lease-ttl` must be at least {LEASE_TTL_SECONDS_MINIMUM * 1000:g}ms")
    url = absolute(database_url(db))
    with suppress(OSError):  # the disk of the log is full: no reason to leave work undone
        click.echo(f"database {without_password(url)}, namespace {namespace_name(namespace)}", err=True)
    settings = Settings(
        module=module_name(module),
        url=url,
        namespace=namespace_name(namespace),
        workers=workers or 0,
        concurrency=concurrency,
        lease_ttl_seconds=lease_ttl,
        log_format=log_format,
        reload=reload,
        spawn=spawn,
        http=http,
        metric_tags=list(metric_tags),
        transaction_connections=transaction_connections,
    )
    sys.exit(Supervisor(settings).run())


@click.command("nodes")
@database_options
@json_option
def list_nodes(db: str | None, namespace: str | None, as_json: bool) -> None:
    """List the nodes that run, or ran, executions in this database."""
    with open_engine(db, namespace) as engine:
        found = engine.nodes()
    if as_json:
        print_json(found)
        return
    rows = [
        (
            node.info.id,
            node.info.host,
            node.info.pid,
            node.state,
            node.code_version or None,
            node.info.workers,
            node.running_count,
            to_datetime(node.registered_at),
            to_datetime(node.beat_at),
        )
        for node in found
    ]
    columns = ("id", "host", "pid", "state", "code", "workers", "running", "registered", "last beat")
    print_table(columns, rows, empty="no nodes; `hydra start MODULE` makes this host one")


COMMANDS = (start, list_nodes)
