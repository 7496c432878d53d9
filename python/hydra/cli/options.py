"""Options that many commands share, and the types of their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hydra.client.engine import Engine
from hydra.config import database_url, namespace_name, parse_duration
from hydra.errors import HydraError

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


class TagType(click.ParamType[Any]):
    """`name=value`."""

    name = "tag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"`{value}` is not a tag; write `name=value`", param, ctx)
        return name, text


DURATION = DurationType()
TAG = TagType()


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
