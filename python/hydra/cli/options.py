"""Options that many commands share, and the types of their values."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from hydra.cli.output import echo
from hydra.client.engine import Engine
from hydra.config import database_url, namespace_name, parse_duration, parse_size, parse_when
from hydra.errors import HydraError
from hydra.execution import KeyReuse

F = TypeVar("F", bound=Callable[..., Any])


class DurationType(click.ParamType[Any]):
    """`500ms`, `10s`, `5m`, `2h`, `30d`; the command gets seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except HydraError as error:
            self.fail(str(error), param, ctx)


class KeyReuseType(click.ParamType[Any]):
    """`first`, `reject`, `after_end`, or a duration such as `1h`; the command gets the name, or seconds."""

    name = "policy"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | float:
        if isinstance(value, float):
            return value
        if value in tuple(KeyReuse):
            return str(value)
        try:
            return parse_duration(value)
        except HydraError:
            self.fail(f"`{value}` is none of {', '.join(KeyReuse)}, and no duration such as `1h`", param, ctx)


class SizeType(click.ParamType[Any]):
    """`512M`, `2G`; the command gets bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_size(value)
        except HydraError as error:
            self.fail(str(error), param, ctx)


class TagType(click.ParamType[Any]):
    """`name=value`."""

    name = "tag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"`{value}` is not a tag; write `name=value`", param, ctx)
        return name, text


class NamesType(click.ParamType[Any]):
    """`billing,refunds`."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(","))
        if not all(names):
            self.fail(f"`{value}` has an empty name; write `one,another`", param, ctx)
        return names


class MomentType(click.ParamType[Any]):
    """`2026-03-01`, `2026-03-01T06:00`, `2026-03-01T06:00Z`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"`{value}` is not a time; write it as `2026-03-01T06:00` or `2026-03-01T06:00Z`", param, ctx)


class WhenType(click.ParamType[Any]):
    """`2h` (that long ago), or an instant as of `MomentType`, in UTC where it names no zone, as instants are shown."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime | timedelta:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        try:
            return parse_when(value)
        except HydraError as error:
            self.fail(str(error), param, ctx)


DURATION = DurationType()
KEY_REUSE = KeyReuseType()
MOMENT = MomentType()
NAMES = NamesType()
SIZE = SizeType()
TAG = TagType()
WHEN = WhenType()


def database_options(command: F) -> F:
    """`--db` and `--namespace`."""
    command = click.option(
        "--namespace", envvar="HYDRA_NAMESPACE", metavar="NAME", help="Tenant in the database (default: default)."
    )(command)
    return click.option(
        "--db", envvar="HYDRA_DB", metavar="URL", help="Database (default: $HYDRA_DB or sqlite:///hydra.db)."
    )(command)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def open_engine(db: str | None, namespace: str | None, *, migrate: bool = False) -> Engine:
    """An engine; only commands that put something into a database may make its tables."""
    return Engine(database_url(db), namespace=namespace_name(namespace), migrate=migrate)


def tell_moved(engine: Engine) -> None:
    """Where nothing goes on because `hydra move` has moved it, it is said on stderr."""
    from hydra.move import moved_to  # with the drivers of all stores: not for every command

    other = engine.read(lambda store: moved_to(store, engine.url))
    if other is not None:
        echo(f"namespace `{engine.namespace}` was moved to `{other}`; use that database", err=True)


def engine_of(ctx: click.Context, db: str | None, namespace: str | None) -> Engine:
    """Of a command in a group: the options may stand before the order's name or behind it."""
    outer = ctx.parent.params if ctx.parent is not None else {}
    return open_engine(db or outer.get("db"), namespace or outer.get("namespace"))


def end_refused(refused_count: int, count: int) -> None:
    """Exit code 1 where some of what was ordered was refused; each was told by itself."""
    if refused_count:
        echo(f"error: {refused_count} of {count} refused", err=True)
        sys.exit(1)
