"""Commands about values that lie in an object store."""

from __future__ import annotations

import click

from hydra import config
from hydra.cli.options import DURATION, database_options, find_url, json_option, open_engine
from hydra.cli.output import echo, print_json
from hydra.errors import ConfigError
from hydra.move.offloaded import sweep as sweep_all
from hydra.object_store import ObjectStore
from hydra.payload_keys import NO_KEYS

MIN_AGE_SECONDS = 3600.0  # from the moment an object is written until its row is there


@click.group("offload")
def offload() -> None:
    """Values that lie in an object store: see to what is left of them."""


@offload.command()
@click.option(
    "--older-than",
    type=DURATION,
    default="1d",
    show_default=True,
    help="Only what was written so long ago; from 1h on.",
)
@click.option("--dry-run", is_flag=True, help="Delete nothing; say how many would go.")
@click.option("--force", is_flag=True, help="Also where no row of the database points at any object.")
@json_option
@database_options
def sweep(older_than: float, dry_run: bool, force: bool, as_json: bool, db: str | None, namespace: str | None) -> None:
    """Delete objects that no row points at: of executions that were deleted, or left by a crash.

    It reads all rows of the namespace, beside programs and nodes at work. Where payloads are encrypted it needs their
    keys.
    """
    if older_than < MIN_AGE_SECONDS:
        raise ConfigError("`--older-than` is less than 1h, in which rows may still come to point at an object")
    given = config.offload(None)
    if given is None:
        raise ConfigError("say where the objects lie: `--offload URL` or HYDRA_OFFLOAD")
    with open_engine(db, namespace) as engine:
        now = engine.session().now()
    keys = config.payload_keys(None) or NO_KEYS
    objects = ObjectStore(given, engine.namespace, keys)
    url, age_us = find_url(db, namespace), round(older_than * 1e6)
    swept = sweep_all(url, engine.namespace, objects, keys, now, age_us, is_dry_run=dry_run, force=force)
    if as_json:
        print_json(swept._asdict())
        return
    echo(f"{swept.deleted:,} objects {'would be' if dry_run else 'were'} deleted, {swept.kept:,} stay")


COMMANDS = (offload,)
