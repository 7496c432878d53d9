"""`hydra bench`: what this database does on this machine, measured in a few seconds. Says what figures it stands on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import click

import hydra
from hydra import _core
from hydra.cli.bench_run import BenchRun, Figure
from hydra.cli.options import json_option
from hydra.cli.output import echo, print_json, print_table, progress_bar
from hydra.config import database_url
from hydra.errors import ConfigError, HydraError, SchemaError
from hydra.stores import open_store
from hydra.stores.findings import Severity
from hydra.stores.store import Store


@click.command()
@click.option(
    "--seconds", type=click.FloatRange(0.1, 600), default=2.0, show_default=True, help="For each measurement."
)
@click.option("--db", envvar="HYDRA_DB", metavar="URL", help="Database (default: $HYDRA_DB or sqlite:///hydra.db).")
@json_option
def bench(seconds: float, db: str | None, as_json: bool) -> None:
    """Measure this database from this machine: submissions, pickup, drain.

    Runs in a namespace of its own and empties it afterwards. Anything else that uses the machine or the database
    meanwhile changes the figures.
    """
    require_release_build(_core.build_profile())
    url = database_url(db)
    store = open_store(url)
    left = describe_new_tables(store)
    durability = describe_durability(store)
    store.close()
    figures: list[Figure] = []
    with progress_bar("measuring", BenchRun.PHASES) as bar:

        def tell(what: str) -> None:
            if bar is not None:
                bar.update(bar.task_ids[0], description=what, advance=1)

        run = BenchRun(url, seconds, tell)
        with run.engine:
            run.engine.stats()  # before there is anything to clean
            try:
                figures += run.figures()
            finally:
                left = clean(run) + left
    report = {
        "database": store.url,
        "durability": durability,
        "machine": machine(),
        "figures": figures,
        "left_behind": left,
    }
    if as_json:
        print_json(report)
    else:
        show(report)


def clean(run: BenchRun) -> list[str]:
    """What stays; where cleaning fails, how to do it later."""
    try:
        return run.clean()
    except HydraError as error:
        namespace = run.namespace
        echo(f"warning: namespace `{namespace}` could not be emptied: {error}", err=True)
        return [
            f"executions in namespace `{namespace}`; "
            f"`hydra purge --older-than 0s --namespace {namespace}` deletes those that ended"
        ]


def show(report: dict[str, Any]) -> None:
    rows = [
        (figure.what, f"{figure.figure:,.{2 if figure.unit == 'ms' else 0}f}", figure.unit)
        for figure in report["figures"]
    ]
    print_table(("measured", "figure", "unit"), rows, empty="")
    echo("")
    echo(f"database: {report['database']}")
    echo(f"durability: {report['durability']}")
    echo("machine: " + ", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    for each in report["left_behind"]:
        echo(f"left behind: {each}")


def require_release_build(profile: str) -> None:
    if profile != "release":
        raise ConfigError(
            f"`hydra bench` refuses a `{profile}` build of hydra, whose figures say nothing; build with `--release`"
        )


def describe_durability(store: Store) -> str:
    """What the database says of a power cut, and whatever else of it is no good."""
    found = store.examine()
    told = [each.sentence for each in found if each.subject == "durability"]
    told += [
        f"{each.subject}: {each.sentence}"
        for each in found
        if each.severity == Severity.DANGER and each.subject != "durability"
    ]
    return "; ".join(told)


def describe_new_tables(store: Store) -> list[str]:
    """What the first use of this database makes, and keeps."""
    if store.path is not None and not os.path.exists(store.path):
        return [f"the database file `{store.path}`, made for this"]
    try:
        store.open(migrate=False)
    except SchemaError:
        return ["hydra's tables, made or migrated for this"]
    return [] if store.path is None else [f"`{store.path}` keeps its size; the room is used again"]


def machine() -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine())
    return {
        "cpu": f"{len(os.sched_getaffinity(0))} x {model}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "hydra": f"{hydra.__version__} ({_core.build_profile()} build)",
    }


COMMANDS = (bench,)
