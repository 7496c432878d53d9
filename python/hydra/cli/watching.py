"""`--watch`: a command that looks, again and again, until Ctrl-C. Orders nothing."""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime
from typing import Any

import click

from hydra.cli.options import DURATION, F
from hydra.cli.output import echo, show
from hydra.errors import ConfigError, StoreUnavailable

SHORTEST_PAUSE_SECONDS = 0.1


def watchable(command: F) -> F:
    """Gives the command `--watch`. A database that does not answer is said to, and asked again."""

    @functools.wraps(command)
    def watched(watch: float | None, **rest: Any) -> Any:
        if watch is None:
            return command(**rest)
        if watch < SHORTEST_PAUSE_SECONDS:
            raise ConfigError(f"`--watch` must be at least {SHORTEST_PAUSE_SECONDS * 1000:g}ms")
        while True:
            click.clear()
            echo(f"{show(datetime.now(UTC))} UTC, again every {watch:g} s; Ctrl-C ends it", err=True)
            try:
                command(**rest)
            except StoreUnavailable as error:
                echo(f"error: {error!s}", err=True)
            pause(watch)

    option = click.option("--watch", type=DURATION, metavar="DURATION", help="Look again so often, such as 2s.")
    found: Any = option(watched)
    return found  # type: ignore[no-any-return]


def pause(seconds: float) -> None:
    time.sleep(seconds)
