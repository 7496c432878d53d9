"""What executions are found by: attributes that a workflow declares by `search=`, each of one type.

A value is kept as a key, whose bytes sort as the values do. The first byte is its type's:

    b  bool         1 byte
    f  float        8 bytes
    i  int          8 bytes; of 64 bits
    s  str          as UTF-8, at most 256 bytes
    t  datetime     8 bytes; microseconds since 1970, UTC

Knows no database.
"""

from __future__ import annotations

import contextlib
import enum
import inspect
import math
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from hydra import _core
from hydra.errors import ConfigError, PayloadError
from hydra.execution import RESERVED_PREFIX
from hydra.values.same_text import read_as
from hydra.values.secret import names_secret
from hydra.written import written

ATTRIBUTES = f"{RESERVED_PREFIX}attributes"  # of the records of `hydra.set_attributes`
SEARCH = "search"  # of what a node registers of a workflow's signature
DEFAULTS = "search_defaults"  # likewise: the keys of the parameters' defaults
BY_CODE = "search_by_code"  # likewise: the parameters that only code can read
MAX_ATTRIBUTES = 16  # of one workflow
MAX_NAME_LENGTH = 64
MAX_TEXT_BYTES = 256  # of one value, in UTF-8

TAG_OF: dict[type, bytes] = {bool: b"b", float: b"f", int: b"i", str: b"s", datetime: b"t"}
TYPES = {kind.__name__: kind for kind in (str, int, float, bool, datetime)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = (extreme.replace(tzinfo=UTC) for extreme in (datetime.min, datetime.max))
_MICROSECOND = timedelta(microseconds=1)
SIGN = 1 << 63
TAGS = sorted(TAG_OF.values())  # with which keys begin
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

Keys = dict[str, bytes]  # by name
KeyChanges = dict[str, bytes | None]  # None: it has none any more


def check_search(search: object, workflow: str, signature: inspect.Signature) -> dict[str, type]:
    """What a decorator was given; ConfigError for what cannot be."""
    owner = f"`search` of workflow `{workflow}`"
    if not isinstance(search, Mapping):
        raise ConfigError(
            f'{owner} must be a dict of types by name, such as `{{"customer": str}}`, not {written(search)}'
        )
    if len(search) > MAX_ATTRIBUTES:
        raise ConfigError(f"{owner} has {len(search)} attributes, and may have {MAX_ATTRIBUTES}")
    for name, kind in search.items():
        if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
            raise ConfigError(f"{owner} has an attribute `{written(name)}`; its name must be a word such as `customer`")
        parameter = signature.parameters.get(name)
        declared = None if parameter is None else parameter.annotation
        if names_secret(kind) or names_secret(declared):
            raise ConfigError(f"{owner} names `{name}`, which is a Secret, and attributes are shown; leave it out")
        if kind not in TAG_OF:
            raise ConfigError(f"{owner} gives `{name}` the type {written(kind)}; it is one of {', '.join(TYPES)}")
        if parameter is None:
            continue
        if parameter.kind in _VARIADIC:
            raise ConfigError(f"{owner} names the parameter `{name}`, which takes many arguments; name another one")
        declared = TYPES.get(declared, declared) if isinstance(declared, str) else declared
        if declared in TAG_OF and declared is not kind and (declared, kind) != (int, float):
            raise ConfigError(
                f"{owner} says that `{name}` is {kind.__name__}, and its parameter is {declared.__name__}; say the same"
            )
    return dict(search)


def keys_of_call(
    search: Mapping[str, type],
    workflow: str,
    signature: inspect.Signature,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    fit: Callable[[tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]],
) -> Keys:
    """With which attributes a call begins: of those that are parameters, the arguments. None is no value. `fit` is
    asked for what a text stands for where a parameter takes something else."""
    bound = signature.bind(*args, **kwargs)
    if any(
        isinstance(bound.arguments.get(name), str) and signature.parameters[name].annotation not in (str, "str")
        for name in search
    ):
        with contextlib.suppress(PayloadError):  # which the execution meets, too
            fitted_args, fitted_kwargs = fit(tuple(args), dict(kwargs))
            bound = signature.bind(*fitted_args, **fitted_kwargs)
    bound.apply_defaults()
    return _keys(search, bound.arguments, workflow)


def keys_of_defaults(search: Mapping[str, type], signature: inspect.Signature) -> Keys:
    """Those of a call without arguments, as a node registers them. One that does not fit is left out."""
    found = {}
    for name, kind in search.items():
        default = signature.parameters[name].default if name in signature.parameters else None
        if default is not None and default is not inspect.Parameter.empty:
            with contextlib.suppress(PayloadError):
                found[name] = key_of(name, default, kind)
    return found


def keys_of_registered(registered: Mapping[str, Any], workflow: str, args: Sequence[Any], kwargs: Any) -> Keys:
    """`keys_of_call` by a program that knows only what a node has registered. ConfigError where that is too little."""
    parameters = registered["parameters"]
    positional = [each["name"] for each in parameters if each["kind"] in ("positional", "any")]
    given = {**dict(zip(positional, args, strict=False)), **kwargs}
    schemas = {each["name"]: each["schema"] for each in parameters}
    search = {name: TYPES[kind] for name, kind in registered[SEARCH].items() if kind in TYPES}
    typed = {name: read_as(given[name], schemas.get(name, {})) for name in search if name in given}
    if unknown := [name for name in registered.get(BY_CODE, ()) if typed.get(name) is not None]:
        message = f"attribute `{unknown[0]}` is a value that only code can read, and it is not here"
        raise ConfigError(f"{message}; submit workflow `{workflow}` where its code is")
    defaults = msgspec.convert(registered.get(DEFAULTS, {}), Keys)
    return {name: key for name, key in defaults.items() if name not in given} | _keys(search, typed, workflow)


def _keys(search: Mapping[str, type], given: Mapping[str, Any], workflow: str) -> Keys:
    found = {}
    for name, kind in search.items():
        if given.get(name) is not None:
            try:
                found[name] = key_of(name, given[name], kind)
            except PayloadError as error:
                raise PayloadError(f"workflow `{workflow}` cannot be submitted like this: {error}") from None
    return found


def changes_of(search: Mapping[str, type], workflow: str, values: Mapping[str, Any]) -> KeyChanges:
    """What a body, or an operator, sets; PayloadError for what was not declared, or does not fit."""
    for name in values:
        if name not in search:
            known = f"there are {', '.join(f'`{each}`' for each in search)}" if search else "it has none"
            raise PayloadError(f"workflow `{workflow}` declares no attribute `{name!s:.80}` by `search=`; {known}")
    return {name: None if values[name] is None else key_of(name, values[name], search[name]) for name in sorted(values)}


def last_of(changes: Iterable[tuple[str, KeyChanges]]) -> dict[tuple[str, str], bytes | None]:
    """What changes of executions come to, made in their order: the last key of each execution and name."""
    return {(id, name): key for id, own in changes for name, key in own.items()}


def key_of(name: str, value: Any, kind: type) -> bytes:
    """PayloadError, in one sentence, for a value that has no key."""
    if isinstance(value, enum.Enum):
        value = value.value
    if kind is str and isinstance(value, UUID):
        value = str(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = _float(name, value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise PayloadError(f"attribute `{name}` is {kind.__name__}, and not a `{type(value).__name__}`")
    content: bytes = _WRITERS[kind](name, value)
    return TAG_OF[kind] + content


def value_of(key: bytes) -> Any:
    """What the key stands for; ValueError where that cannot be read."""
    tag, content = key[:1], key[1:]
    if tag == b"s":
        return content.decode()
    if tag == b"b" and len(content) == 1:
        return content == b"\1"
    if tag in (b"f", b"i", b"t") and len(content) == 8:
        number = int.from_bytes(content)
        if tag == b"f":
            return struct.unpack(">d", (number ^ SIGN if number & SIGN else number ^ (1 << 64) - 1).to_bytes(8))[0]
        try:
            return number - SIGN if tag == b"i" else _EPOCH + (number - SIGN) * _MICROSECOND
        except OverflowError:
            pass
    raise ValueError(f"`{key[:20].hex()}` is no attribute's value")


def encode_changes(changes: KeyChanges) -> bytes:
    """The payload of a record of `hydra.set_attributes`."""
    return _core.encode(changes)


def decode_changes(payload: bytes) -> KeyChanges:
    changes: KeyChanges = _core.decode(payload)
    return changes


def as_text(value: Any) -> str:
    """As a person reads it, and writes it in a filter."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else str(value)


# keys, by type


def _write_text(name: str, value: str) -> bytes:
    try:
        octets = value.encode()
    except UnicodeEncodeError:
        raise PayloadError(f"the value of attribute `{name}` is not Unicode text: {written(value)}") from None
    if len(octets) > MAX_TEXT_BYTES:
        raise PayloadError(f"the value of attribute `{name}` has {len(octets):,} bytes, and may have {MAX_TEXT_BYTES}")
    return octets


def _write_int(name: str, value: int) -> bytes:
    if not -SIGN <= value < SIGN:
        raise PayloadError(f"the value of attribute `{name}` is a whole number of more than 64 bits; make it a str")
    return (value + SIGN).to_bytes(8)


def _write_float(name: str, value: float) -> bytes:
    if math.isnan(value):
        raise PayloadError(f"the value of attribute `{name}` is no number (NaN), which has no place among others")
    number = int.from_bytes(struct.pack(">d", value + 0.0))  # -0.0 is 0.0
    return (number ^ (1 << 64) - 1 if number & SIGN else number ^ SIGN).to_bytes(8)


def _write_bool(name: str, value: bool) -> bytes:
    return b"\1" if value else b"\0"


def _write_datetime(name: str, value: datetime) -> bytes:
    if value.tzinfo is None:
        raise PayloadError(f"the value of attribute `{name}` is a time without a time zone; give it one")
    if not FIRST <= value <= LAST:
        raise PayloadError(f"the value of attribute `{name}` is not between the years 1 and 9999 in UTC: {value}")
    return _write_int(name, (value - _EPOCH) // _MICROSECOND)


def _float(name: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise PayloadError(f"the value of attribute `{name}` is too large for a float; make it a str") from None


_WRITERS: dict[type, Any] = {
    bool: _write_bool,
    float: _write_float,
    int: _write_int,
    str: _write_text,
    datetime: _write_datetime,
}
