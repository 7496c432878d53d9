"""Options that many commands share, and the types of their values."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from hydra.cli.output import echo
from hydra.client.engine import Engine
from hydra.config import (
    OFFLOAD_OVER_VARIABLE,
    OFFLOAD_VARIABLE,
    PAYLOAD_KEYS_VARIABLE,
    namespace_name,
    parse_duration,
    parse_size,
    parse_when,
)
from hydra.database_map import database_map, find_database
from hydra.errors import ConfigError, HydraError
from hydra.execution import KeyReuse
from hydra.stores import without_password
from hydra.stores.moved import moved_to, why_incomplete

F = TypeVar("F", bound=Callable[..., Any])

DB_MAP = "hydra.db_map"  # in click's own dictionary of a run


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


def _use_payload_keys(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    """For every store that this process opens, and its children."""
    if path is not None:
        if not path:
            raise click.UsageError("`--payload-keys` is empty; name a file of payload keys, or leave it out")
        os.environ[PAYLOAD_KEYS_VARIABLE] = os.path.abspath(path)


def _use(variable: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    """For all that this process opens, and its children."""

    def use(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            os.environ[variable] = value

    return use


def _process_option(
    name: str,
    variable: str,
    metavar: str,
    help: str,
    use: Callable[[click.Context, click.Parameter, str | None], None] | None = None,
) -> Callable[[F], F]:
    """One that a command is not told of: it holds for the process, by its variable."""
    return click.option(
        name,
        envvar=variable,
        metavar=metavar,
        expose_value=False,
        is_eager=True,
        callback=use or _use(variable),
        help=help,
    )


def database_options(command: F) -> F:
    """`--db` and `--namespace`; `--db-map`, which `find_url` and `map_given` know of; `--payload-keys`, `--offload`."""
    command = _process_option(
        "--offload-over", OFFLOAD_OVER_VARIABLE, "SIZE", "From which size on, such as 1M (default: 256K)."
    )(command)
    command = _process_option(
        "--offload",
        OFFLOAD_VARIABLE,
        "URL",
        "Where large values lie in place of the database, such as s3://bucket/prefix.",
    )(command)
    command = _process_option(
        "--payload-keys",
        PAYLOAD_KEYS_VARIABLE,
        "FILE",
        "Keys that payloads are encrypted with: lines of an id and a key in base64, one with `current` behind.",
        _use_payload_keys,
    )(command)
    command = click.option(
        "--db-map",
        envvar="HYDRA_DB_MAP",
        metavar="FILE",
        expose_value=False,
        callback=_keep_map,
        help="In place of --db: lines of a namespace, or a pattern such as `shop-*`, and its database.",
    )(command)
    command = click.option(
        "--namespace", envvar="HYDRA_NAMESPACE", metavar="NAME", help="Tenant in the database (default: default)."
    )(command)
    return click.option(
        "--db", envvar="HYDRA_DB", metavar="URL", help="Database (default: $HYDRA_DB or sqlite:///hydra.db)."
    )(command)


def _keep_map(ctx: click.Context, param: click.Parameter, file: str | None) -> None:
    if file is not None:
        ctx.meta[DB_MAP] = file


def map_given(db: str | None) -> str | None:
    """The file of `--db-map`, where that says which database is meant. What the command line says outweighs variables.

    Raises:
        ConfigError: `--db` says another, in the same manner.
    """
    file: str | None = click.get_current_context().meta.get(DB_MAP)
    if file is None or (db is not None and _is_written("db") and not _is_written("db_map")):
        return None
    if db is not None and _is_written("db") == _is_written("db_map"):
        raise ConfigError("`--db` and `--db-map`, or their variables, both say which database is meant; give one")
    return file


def find_url(db: str | None, namespace: str | None) -> str:
    """Of the database in which the namespace lives."""
    file = map_given(db)
    return find_database(db if file is None else None, file, namespace_name(namespace))


def each_url(db: str | None, namespace: str | None) -> list[str]:
    """Of a command about databases: all of the map's where no namespace says which."""
    file = map_given(db)
    if file is None or namespace is not None:
        return [find_url(db, namespace)]
    return database_map(file).urls


def _is_written(name: str) -> bool:
    """On the command line: before an order's name or behind it."""
    ctx: click.Context | None = click.get_current_context()
    while ctx is not None and not _is_written_in(ctx, name):
        ctx = ctx.parent
    return ctx is not None


def _is_written_in(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def open_engine(db: str | None, namespace: str | None, *, migrate: bool = False) -> Engine:
    """An engine; only commands that put something into a database may make its tables."""
    return Engine(find_url(db, namespace), namespace=namespace_name(namespace), migrate=migrate)


def tell_moved(engine: Engine) -> None:
    """Where nothing goes on because `hydra move` moves it, or has moved it, it is said on stderr."""
    lines = engine.read(lambda store: store.move_lines())
    other = moved_to(lines)
    incomplete = why_incomplete(lines, engine.namespace, without_password(engine.url))
    if incomplete is not None:
        echo(f"{incomplete}", err=True)
    elif other is not None:
        told = "what was open then may have gone on there"
        echo(f"namespace `{engine.namespace}` was moved to `{other}`; use that database: {told}", err=True)


def engine_of(ctx: click.Context, db: str | None, namespace: str | None) -> Engine:
    """Of a command in a group: the options may stand before the order's name or behind it."""
    outer = ctx.parent
    if outer is not None:  # what is written before the order's name outweighs a variable, too
        db = db if _is_written_in(ctx, "db") else outer.params.get("db", db)
        namespace = namespace if _is_written_in(ctx, "namespace") else outer.params.get("namespace", namespace)
    return open_engine(db, namespace)


def end_refused(refused_count: int, count: int) -> None:
    """Exit code 1 where some of what was ordered was refused; each was told by itself."""
    if refused_count:
        echo(f"error: {refused_count} of {count} refused", err=True)
        sys.exit(1)
