"""What is asked for of attributes, in ranges of their keys. Knows no database."""

from __future__ import annotations

import contextlib
import enum
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from hydra.attributes import FIRST, LAST, NAME, SIGN, TAG_OF, TYPES, key_of
from hydra.errors import ConfigError, PayloadError
from hydra.written import as_text, written

_SOUGHT = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(>=|<=|=|>|<)\s*(.*)", re.DOTALL)
_TURNED = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=([<>])(.*)", re.DOTALL)  # `>=` the wrong way round
_WHOLE = re.compile(r"[+-]?[0-9]{1,4000}")

Attributes = Mapping[str, Any] | Sequence[str]  # as they are asked for; see `check_sought`


class Sought(msgspec.Struct, frozen=True):
    """Values of one attribute: those whose keys are from `low` on and before `high`."""

    name: str
    low: bytes
    high: bytes

    @property
    def is_exact(self) -> bool:
        return self.high == _after(self.low)

    def admits(self, attributes: Mapping[str, Any]) -> bool:
        value = attributes.get(self.name)
        return value is not None and self.low <= key_of(self.name, value, type(value)) < self.high


def check_sought(asked: object) -> tuple[tuple[Sought, ...], ...]:
    """What is asked for; for each, the ways in which it may have been declared.

    `{"customer": "c-17", "amount >=": 1000}`: a name alone asks for a value, and with `>=`, `>`, `<=` or `<` for those
    on that side of it. Or as people write it, `["customer=c-17", "amount>=1000"]`: of what type it is the database
    knows.
    """
    if isinstance(asked, list | tuple):
        return tuple(_read_sought(text) for text in asked)
    if not isinstance(asked, Mapping):
        raise ConfigError(
            f'`attributes` must be a dict of values by name, such as `{{"customer": "c-17"}}`, not {written(asked)}'
        )
    found = []
    for text, value in asked.items():
        match = _SOUGHT.fullmatch(f"{text} =" if isinstance(text, str) and NAME.fullmatch(text.strip()) else f"{text}")
        if match is None or match[3]:
            raise ConfigError(f"`{written(text)}` is not an attribute to look for; write `customer`, or `amount >=`")
        value = value.value if isinstance(value, enum.Enum) else value
        value = str(value) if isinstance(value, UUID) else value
        if type(value) not in TAG_OF:
            raise ConfigError(
                f"attribute `{match[1]}` is looked for by a `{type(value).__name__}`; it is one of {', '.join(TYPES)}"
            )
        kinds = (int, float) if type(value) in (int, float) else (type(value),)
        try:
            found.append(_ways(match[1], match[2], [(kind, value) for kind in kinds]))
        except PayloadError as error:
            raise ConfigError(str(error)) from None
    return tuple(found)


def _read_sought(text: object) -> tuple[Sought, ...]:
    match = _SOUGHT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(
            f"`{as_text(text):.80}` is not an attribute to look for; write `customer=c-17` or `amount>=1000`"
        )
    if (turned := _TURNED.fullmatch(match[0])) is not None:
        name, sign, value = turned.groups()
        told = f"write `{name}{sign}={value:.80}`, or `{name}= {sign}{value:.80}` for a text that begins with `{sign}`"
        raise ConfigError(f"`{match[0]:.80}` is not an attribute to look for; {told}")
    found: list[Sought] = []
    for kind in TAG_OF:
        with contextlib.suppress(PayloadError):  # none of that type has it
            value = _parsed(match[3], kind)
            found += _ways(match[1], match[2], [] if value is None else [(kind, value)])
    return tuple(found)


def together(sought: Sequence[Sought]) -> tuple[Sought, ...] | None:
    """One for each name: what lies in all that is asked of it. None: nothing does."""
    found: dict[str, Sought] = {}
    for each in sought:
        known = found.get(each.name, each)
        found[each.name] = Sought(each.name, max(known.low, each.low), min(known.high, each.high))
    return tuple(found.values()) if all(each.low < each.high for each in found.values()) else None


def _ways(name: str, operator: str, values: Sequence[tuple[type, Any]]) -> tuple[Sought, ...]:
    """Those in which something can lie; PayloadError for a value that has no place among those of its type."""
    found = []
    for kind, value in values:
        tag = TAG_OF[kind]
        first, behind = _place(name, value, kind)
        low, high = {
            "=": (first, behind),
            ">=": (first, _next(tag)),
            ">": (behind, _next(tag)),
            "<": (tag, first),
            "<=": (tag, behind),
        }[operator]
        if low < high:
            found.append(Sought(name, low, high))
    return tuple(found)


def _place(name: str, value: Any, kind: type) -> tuple[bytes, bytes]:
    """The first key that is not before the value, and the first behind it: the same where none of the type equals it,
    as for a number between two that have keys, or beyond them all."""
    if kind is int:
        if isinstance(value, float):
            if math.isnan(value):
                return _place(name, value, float)  # which refuses it
            if not math.isinf(value) and not value.is_integer():
                return (_place(name, math.ceil(value), int)[0],) * 2
            value = int(value) if not math.isinf(value) else SIGN if value > 0 else -SIGN - 1
        if not -SIGN <= value < SIGN:
            return (TAG_OF[int] if value < 0 else _next(TAG_OF[int]),) * 2
    if kind is datetime and value.tzinfo is not None and not FIRST <= value <= LAST:
        return (TAG_OF[datetime] if value < FIRST else _next(TAG_OF[datetime]),) * 2
    if kind is float and isinstance(value, int):
        try:
            value = float(value)
        except OverflowError:  # beyond all that are finite
            return (key_of(name, math.inf, float),) * 2 if value > 0 else (_after(key_of(name, -math.inf, float)),) * 2
    key = key_of(name, value, kind)
    return key, _after(key)


def _parsed(text: str, kind: type) -> Any:
    """None for a text that is nothing of that type."""
    try:
        if kind in (int, float):
            return int(text) if _WHOLE.fullmatch(text.strip()) else float(text)
        if kind is bool:
            return {"true": True, "false": False}.get(text.strip().lower())
        if kind is datetime:
            found = datetime.fromisoformat(text.strip())
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        return text
    except ValueError:
        return None


def _after(key: bytes) -> bytes:
    """The first key behind it."""
    return key + b"\0"


def _next(tag: bytes) -> bytes:
    return bytes([tag[0] + 1])
