"""What a user may write for a duration, a database or a name, and what it means. Opens nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hydra.clock import seconds_of
from hydra.errors import ConfigError
from hydra.execution import FINAL
from hydra.interruptions import let_out
from hydra.offload import DEFAULT_OVER, IN_MEMORY, Offload
from hydra.payload_keys import PayloadKeys
from hydra.written import as_text, written

DEFAULT_DATABASE_URL = "sqlite:///hydra.db"
DEFAULT_NAMESPACE = "default"
PAYLOAD_KEYS_VARIABLE = "HYDRA_PAYLOAD_KEYS"  # a file; a node's workers inherit it
OFFLOAD_VARIABLE = "HYDRA_OFFLOAD"  # a URL; a node's workers inherit it, and the size
OFFLOAD_OVER_VARIABLE = "HYDRA_OFFLOAD_OVER"
MAX_NAME_LENGTH = 200
MAX_COUNT = 2**31 - 1

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMG])(?:i?B)?", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9_.:-]+")


def parse_duration(text: str) -> float:
    """Seconds of `500ms`, `10s`, `5m`, `2h` or `30d`."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"`{text}` is not a duration; write a number and a unit: `500ms`, `10s`, `5m`, `2h` or `30d`")
    return seconds_of(float(found[1]) * _UNIT_SECONDS[found[2]], f"`{text}`")


def parse_when(text: str) -> datetime | timedelta:
    """`2h` is a timedelta: that long ago; an instant is in UTC where it names no zone, as instants are shown."""
    try:
        return timedelta(seconds=parse_duration(text))
    except (ConfigError, OverflowError) as error:
        let_out(error)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        let_out(error)
        raise ConfigError(f"`{text:.80}` is no time; write `2h` for two hours ago, or `2026-03-01T06:00`") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def parse_size(text: str) -> int:
    """Bytes of `512M` or `2G`: K, M and G are powers of 1,024."""
    found = _SIZE.fullmatch(text.strip())
    size = 0 if found is None else int(float(found[1]) * _UNIT_BYTES[found[2].upper()])
    if size <= 0:
        raise ConfigError(f"`{text}` is not a size; write a number and a unit: `512M` or `2G`")
    return size


def to_instant(moment: datetime) -> int:
    """Microseconds since 1970 UTC of a zoned datetime; a naive one would mean another instant on every host."""
    if not isinstance(moment, datetime):
        raise ConfigError(f"`{written(moment)}` is not a time; give a zoned datetime, such as `datetime.now(UTC)`")
    if moment.tzinfo is None:
        raise ConfigError(f"`{moment}` has no time zone; give a zoned datetime, such as `datetime.now(UTC)`")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def to_moment(given: datetime | timedelta, now: int) -> int:
    """`to_instant`; a timedelta is that long ago."""
    if isinstance(given, timedelta):
        return now - given // timedelta(microseconds=1)
    return to_instant(given)


def retention_of(given: Any, what: str) -> dict[str, int | None]:
    """How long what has ended is kept, in microseconds, by outcome; None: for ever. A duration is for all outcomes."""
    outcomes = sorted(str(status) for status in FINAL)
    ages = given if isinstance(given, Mapping) else dict.fromkeys(outcomes, given)
    unknown = next((each for each in ages if each not in outcomes), None)
    if unknown is not None:
        known = ", ".join(f"`{each}`" for each in outcomes)
        raise ConfigError(f"{what} names the outcome {written(unknown)}; there are {known}")
    return {str(name): None if age is None else round(seconds_of(age, what) * 1e6) for name, age in ages.items()}


def database_url(url: str | None) -> str:
    """The URL given, or `$HYDRA_DB`, or a SQLite file in the current directory. An empty one is a mistake."""
    chosen = os.environ.get("HYDRA_DB") or DEFAULT_DATABASE_URL if url is None else url
    if not isinstance(chosen, str):
        raise ConfigError(f"`{written(chosen)}` is not a database URL; give a text, such as `{DEFAULT_DATABASE_URL}`")
    return chosen


def payload_keys(given: PayloadKeys | None) -> PayloadKeys | None:
    """The keys given, or those of the file that `$HYDRA_PAYLOAD_KEYS` names, or None: payloads are not encrypted."""
    if given is not None and not isinstance(given, PayloadKeys):
        raise ConfigError(
            f"`payload_keys` is {type(given).__name__}; give `hydra.PayloadKeys({{id: key}}, current=id)`"
        )
    path = os.environ.get(PAYLOAD_KEYS_VARIABLE)
    if given is not None or path is None:
        return given
    if not path:
        raise ConfigError(f"{PAYLOAD_KEYS_VARIABLE} is empty; set it to a file of payload keys, or unset it")
    return PayloadKeys.from_file(path)


def offload(given: Offload | None) -> Offload | None:
    """What is given, or what `$HYDRA_OFFLOAD` and `$HYDRA_OFFLOAD_OVER` say, or None: all lies in the database."""
    if given is not None and not isinstance(given, Offload):
        raise ConfigError(f'`offload` is {type(given).__name__}; give `hydra.Offload("s3://bucket/prefix")`')
    url = os.environ.get(OFFLOAD_VARIABLE)
    if given is not None or url is None:
        return given
    if not url:
        raise ConfigError(f"{OFFLOAD_VARIABLE} is empty; set it to a URL, such as `s3://bucket/prefix`, or unset it")
    text = os.environ.get(OFFLOAD_OVER_VARIABLE)
    found = Offload(url, DEFAULT_OVER if text is None else parse_size(text))
    if found.protocol == IN_MEMORY:
        raise ConfigError(
            f"what is offloaded to `{url}` ends with its process; name a bucket, or a folder as `file:///…`"
        )
    return found


def namespace_name(name: str | None) -> str:
    """The namespace given, or `$HYDRA_NAMESPACE`, or `default`. An empty one is a mistake: it is nobody's tenant."""
    chosen = os.environ.get("HYDRA_NAMESPACE") or DEFAULT_NAMESPACE if name is None else name
    if not isinstance(chosen, str) or len(chosen) > MAX_NAME_LENGTH or _NAME.fullmatch(chosen) is None:
        allowed = f"1 to {MAX_NAME_LENGTH} letters, digits and any of `_ . : -`"
        raise ConfigError(f"`{as_text(chosen):.{MAX_NAME_LENGTH}}` is not a namespace; use {allowed}")
    return chosen


def module_name(name: str) -> str:
    """The name of an app, as `import` takes it."""
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(f"`{name}` is not a module; name it as `import` would, such as `app` or `shop.billing`")
    return name


def label_names(labels: object, what: str) -> tuple[str, ...]:
    """Names of groups of nodes, in order, each once."""
    if isinstance(labels, str) or not isinstance(labels, list | tuple | set | frozenset):
        raise ConfigError(f'{what} must be a list of texts, such as `["gpu"]`, not `{written(labels)}`')
    for label in labels:
        if not isinstance(label, str) or len(label) > MAX_NAME_LENGTH or _NAME.fullmatch(label) is None:
            allowed = f"1 to {MAX_NAME_LENGTH} letters, digits and any of `_ . : -`"
            raise ConfigError(f"`{as_text(label):.{MAX_NAME_LENGTH}}` is not a label, in {what}; use {allowed}")
    return tuple(sorted(set(labels)))


def workflow_patterns(only: object) -> tuple[str, ...]:
    """Names of workflows, or patterns of such."""
    if isinstance(only, str) or not isinstance(only, list | tuple | set | frozenset):
        raise ConfigError(f'`only` must be a list of workflows\' names, such as `["bill*"]`, not `{written(only)}`')
    if not all(isinstance(name, str) and name for name in only):
        raise ConfigError(f'`only` must be a list of workflows\' names, such as `["bill*"]`, not `{written(only)}`')
    return tuple(sorted(set(only)))


def count_of(number: object, what: str) -> int:
    """A whole number from 1 on."""
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_COUNT:
        raise ConfigError(f"{what} must be a whole number from 1 on, not `{written(number)}`")
    return number
