"""Tables for people, JSON for programs, bars for long work. The only place that knows how things look, and through
which all goes that is printed: what others wrote (keys, errors, payloads) cannot act on the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from hydra.blocks import contextmanager
from hydra.client.plain_json import encode_json, writable
from hydra.terminal import SHOWN, SHOWN_IN_CELL, SHOWN_IN_JSON

if TYPE_CHECKING:  # imported where something is drawn: most commands print lines or JSON
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["cell", "console", "echo", "json_line", "print_json", "print_table", "progress_bar", "show", "show_duration"]

STATUS_STYLES = {
    "completed": "green",
    "failed": "red",
    "parked": "bold red",
    "cancelled": "yellow",
    "running": "cyan",
    "crashed": "red",
    "retrying": "yellow",
}


def print_json(value: Any) -> None:
    """For programs; indented, for people too."""
    click.echo(encode_json(value, is_indented=True).decode().translate(SHOWN_IN_JSON))


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """A line or several, for people. Control characters are shown by their number, as `\\x1b`."""
    click.echo(writable(text).translate(SHOWN), err=err, nl=nl)


def json_line(value: Any) -> str:
    """All of it in one line, as far as it can be written."""
    return encode_json(value).decode()


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
    """A table, or the sentence `empty` on standard error when there are no rows."""
    if not rows:
        echo(empty, err=True)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(cell(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(text := cell(show(value)), style=STATUS_STYLES.get(text, "")) for value in row))
    console().print(table)


def cell(text: str) -> str:
    """In one line, without anything that a terminal obeys."""
    return writable(text).translate(SHOWN_IN_CELL)


def console() -> Console:
    """Standard output; as wide as needed when nobody watches, so that no cell is cut or wrapped."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=400)


def show(value: Any) -> str:
    """One cell."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    if isinstance(value, timedelta):
        return show_duration(value)
    if isinstance(value, dict):
        return " ".join(f"{name}={text}" for name, text in value.items())
    return str(value)


def show_duration(duration: timedelta) -> str:
    """With the unit that reads best, three digits or so."""
    seconds = duration.total_seconds()
    if abs(seconds) < 1:
        return f"{seconds * 1000:.1f}ms"
    if abs(seconds) < 60:
        return f"{seconds:.2f}s"
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Progress | None]:
    """A bar on standard error when a person watches, else None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        bar.add_task(title, total=total)
        yield bar
