"""Commands about nodes: start one, list them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

from hydra.cli.circuits import read_circuits
from hydra.cli.options import (
    DURATION,
    NAMES,
    SIZE,
    F,
    database_options,
    find_url,
    json_option,
    map_given,
    open_engine,
)
from hydra.cli.output import echo, print_json, print_table
from hydra.cli.watching import watchable
from hydra.client.views import to_datetime
from hydra.config import (
    label_names,
    module_name,
    namespace_name,
    parse_duration,
    retention_of,
    workflow_patterns,
)
from hydra.database_map import database_map
from hydra.errors import ConfigError
from hydra.execution import FINAL
from hydra.logging import Filter
from hydra.node.archive import FORMATS
from hydra.node.many_nodes import LEFT_VARIABLE, URL_VARIABLE, ManyNodes
from hydra.observability.logs import configure_logging
from hydra.stores import absolute, without_password


def option(flag: str, *declarations: str, **settings: Any) -> Callable[[F], F]:
    """Each may be given by its environment variable: `--lease-ttl` as `HYDRA_LEASE_TTL`."""
    variable = f"HYDRA_{flag.removeprefix('--').replace('-', '_').upper()}"
    return click.option(flag, *declarations, envvar=variable, show_envvar=True, **settings)


@click.command()
@click.argument("module")
@option("--workers", type=click.IntRange(1), help="Processes that run your code (default: as many as cores).")
@option("--concurrency", type=click.IntRange(1), default=64, show_default=True, help="Executions per worker.")
@option("--lease-ttl", type=DURATION, default="10s", show_default=True, help="After this silence others take over.")
@option(
    "--drain-timeout",
    type=DURATION,
    default="20s",
    show_default=True,
    help="How long what runs may take to end after SIGTERM, or in old workers after SIGHUP.",
)
@option("--log-format", type=click.Choice(["console", "json"]), default="console", show_default=True)
@option("--reload", is_flag=True, help="Import the module again when its files change.")
@option("--spawn", is_flag=True, help="Import the module in each worker instead of forking; for code with threads.")
@option("--http", metavar="HOST:PORT", default="", help="Serve /metrics, /healthz, /readyz and the page there.")
@option(
    "--metric-tag",
    "metric_tags",
    multiple=True,
    metavar="NAME",
    help="Make this tag of executions a label of their metrics; for tags with few values.",
)
@option(
    "--metrics-token",
    metavar="TOKEN",
    default="",
    help="Show /metrics to who sends this bearer token; give it by its variable, since `ps` shows options.",
)
@option(
    "--token-file",
    metavar="FILE",
    help="Who may come to the page of --http, as for `hydra dashboard`; without it only this host may, on 127.0.0.1.",
)
@option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name under which a proxy asks for the page; needs --token-file. May be repeated.",
)
@option(
    "--transaction-connections",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="How many `@hydra.transaction` steps a worker runs at a time, each on a connection of its own.",
)
@option(
    "--only",
    type=NAMES,
    default=(),
    metavar="NAME,…",
    help="Run these workflows of MODULE only; patterns such as `bill*` are allowed.",
)
@option(
    "--labels",
    type=NAMES,
    default=(),
    metavar="LABEL,…",
    help="Run workflows that ask for labels, too, where all of them are among these.",
)
@option(
    "--circuit",
    "circuits",
    multiple=True,
    metavar="[CIRCUIT.]SETTING=VALUE",
    help="When a circuit breaker opens, and for how long: `slow=2s`, `claim.error-rate=0.3`.",
)
@option(
    "--worker-memory",
    type=SIZE,
    metavar="SIZE",
    help="Replace a worker that takes more memory than this, such as 512M, once its steps have ended.",
)
@option(
    "--retention",
    "retentions",
    multiple=True,
    metavar="[OUTCOME=]DURATION",
    help="Delete what has ended so long ago, such as 30d or failed=90d; a workflow's own `retention` goes before it.",
)
@option("--archive", metavar="DIR", default="", help="Write what is deleted by its retention to files there, before.")
@option(
    "--archive-format",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="JSON lines, or Parquet files, which need the extra `parquet`.",
)
@database_options
def start(
    module: str,
    workers: int | None,
    concurrency: int,
    lease_ttl: float,
    drain_timeout: float,
    log_format: str,
    reload: bool,
    spawn: bool,
    http: str,
    metric_tags: tuple[str, ...],
    metrics_token: str,
    token_file: str | None,
    hosts: tuple[str, ...],
    transaction_connections: int,
    only: tuple[str, ...],
    labels: tuple[str, ...],
    circuits: tuple[str, ...],
    worker_memory: int | None,
    retentions: tuple[str, ...],
    archive: str,
    archive_format: str,
    db: str | None,
    namespace: str | None,
) -> None:
    """Run the workflows of MODULE, such as `app` or `shop.billing`, until SIGTERM or Ctrl-C.

    The first signal finishes or hands back what runs, the second stops at once; SIGHUP imports MODULE again.

    With --db-map and without --namespace: a node for each namespace that the map names, each a process of its own with
    --workers of its own. SIGHUP reads the map again, too.
    """
    # Most of a node: not for every command.
    from hydra.node.supervisor import LEASE_TTL_SECONDS_MINIMUM, Supervisor, SupervisorSettings

    if lease_ttl < LEASE_TTL_SECONDS_MINIMUM:
        raise click.UsageError(f"`--lease-ttl` must be at least {LEASE_TTL_SECONDS_MINIMUM * 1000:g}ms")
    if (token_file or hosts) and not http:
        raise click.UsageError("`--token-file` and `--allow-host` are for the page of `--http`; say where it is")
    # Of one of many; the app's own engines, and what it starts, don't see them.
    url, left = os.environ.pop(URL_VARIABLE, ""), os.environ.pop(LEFT_VARIABLE, "")
    if not url:
        file = map_given(db)
        if file is not None and namespace is None:
            sys.exit(start_many(file, http, log_format))
        url = absolute(find_url(db, namespace))
    with suppress(OSError):  # the disk of the log is full: no reason to leave work undone
        echo(f"database {without_password(url)}, namespace {namespace_name(namespace)}", err=True)
    if left:
        from hydra.move import refuse_unmoved  # with the drivers of all stores: not for every command

        refuse_unmoved(namespace_name(namespace), url, json.loads(left))
    settings = SupervisorSettings(
        module=module_name(module),
        url=url,
        namespace=namespace_name(namespace),
        workers=workers or 0,
        concurrency=concurrency,
        lease_ttl_seconds=lease_ttl,
        drain_grace_seconds=drain_timeout,
        log_format=log_format,
        reload=reload,
        spawn=spawn,
        http=http,
        metric_tags=list(metric_tags),
        metrics_token=metrics_token,
        page_token_file=token_file,
        page_hosts=hosts,
        transaction_connections=transaction_connections,
        only=workflow_patterns(only),
        labels=label_names(labels, "`--labels`"),
        circuits=read_circuits(circuits),
        worker_memory_bytes=worker_memory or 0,
        retention=read_retentions(retentions),
        archive=archive and os.path.abspath(archive),
        archive_format=archive_format,
    )
    sys.exit(Supervisor(settings).run())


def start_many(file: str, http: str, log_format: str) -> int:
    """The same command again, for each namespace of the map."""
    if http:
        raise ConfigError(
            "`--http` is the address of one node, and `--db-map` starts one for each namespace, which share nothing; "
            "start each that is to be seen with `--namespace NAME --http HOST:PORT` of its own, or show its page "
            "without a node by `hydra dashboard --namespace NAME`"
        )

    def urls() -> dict[str, str]:
        found = database_map(file)
        if not found.namespaces:
            raise ConfigError(f"{found.name} names no namespace, only patterns; say which with `--namespace`")
        return {name: absolute(found.url_of(name)) for name in found.namespaces}

    configure_logging(log_format, Filter())
    return ManyNodes([sys.executable, "-m", "hydra.cli", *sys.argv[1:]], urls).run()


def read_retentions(texts: tuple[str, ...]) -> dict[str, int | None]:
    """`30d`, `failed=90d`, `failed=forever`; what names an outcome goes before what names none."""
    general: dict[str, int | None] = {}
    special: dict[str, int | None] = {}
    for text in texts:
        outcome, equals, duration = text.rpartition("=")
        age = None if duration == "forever" else parse_duration(duration)
        found = retention_of({outcome: age} if equals else dict.fromkeys(map(str, FINAL), age), "`--retention`")
        (special if equals else general).update(found)
    return general | special


@click.command("nodes")
@watchable
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
            ", ".join(node.info.labels) or None,
            node.info.workers,
            node.running_count,
            to_datetime(node.registered_at),
            to_datetime(node.beat_at),
        )
        for node in found
    ]
    columns = ("id", "host", "pid", "state", "code", "labels", "workers", "running", "registered", "last beat")
    print_table(columns, rows, empty="no nodes; `hydra start MODULE` makes this host one")


COMMANDS = (start, list_nodes)
