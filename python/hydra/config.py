"""What a user may write for a duration, a database or a name, and what it means. Opens nothing."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta

from hydra.clock import seconds_of
from hydra.errors import ConfigError

DEFAULT_DATABASE_URL = "sqlite:///hydra.db"
DEFAULT_NAMESPACE = "default"
MAX_NAME_LENGTH = 200

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_NAME = re.compile(r"[A-Za-z0-9_.:-]+")


def parse_duration(text: str) -> float:
    """Seconds of `500ms`, `10s`, `5m`, `2h` or `30d`."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"`{text}` is not a duration; write a number and a unit: `500ms`, `10s`, `5m`, `2h` or `30d`")
    return seconds_of(float(found[1]) * _UNIT_SECONDS[found[2]], f"`{text}`")


def to_instant(moment: datetime) -> int:
    """Microseconds since 1970 UTC of a zoned datetime; a naive one would mean another instant on every host."""
    if moment.tzinfo is None:
        raise ConfigError(f"`{moment}` has no time zone; give a zoned datetime, such as `datetime.now(UTC)`")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def database_url(url: str | None) -> str:
    """The URL given, or `$HYDRA_DB`, or a SQLite file in the current directory."""
    return url or os.environ.get("HYDRA_DB") or DEFAULT_DATABASE_URL


def namespace_name(name: str | None) -> str:
    """The namespace given, or `$HYDRA_NAMESPACE`, or `default`."""
    chosen = name or os.environ.get("HYDRA_NAMESPACE") or DEFAULT_NAMESPACE
    if len(chosen) > MAX_NAME_LENGTH or _NAME.fullmatch(chosen) is None:
        allowed = f"up to {MAX_NAME_LENGTH} letters, digits and any of `_ . : -`"
        raise ConfigError(f"`{chosen[:MAX_NAME_LENGTH]}` is not a namespace; use {allowed}")
    return chosen
