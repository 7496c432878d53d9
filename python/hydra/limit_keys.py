"""What a limit's key says: `concurrency:bill.tenant:acme`, of which kind and limit, and for which value.

Sorted, the keys of a call are the order in which an execution takes its places: turns first, since they order what
waits further on; then those of concurrency, so that no token grows old while it waits for a slot. Knows no limit.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from hydra.errors import PayloadError
from hydra.execution import RESERVED_PREFIX
from hydra.interruptions import let_out
from hydra.written import written

FAIR, CONCURRENCY, RATE = "by_turns", "concurrency", "rate"  # sorted, in this order
# Of the rows that say how many may be pending, of what their name says; no execution has such a key.
PENDING = "pending"
OF_WORKFLOW, OF_LIMIT, OF_NAMESPACE = "workflow:", "limit:", "namespace:"  # begin those names; no limit's has a colon
TURNS_AT = "turns_at"  # of the key that keeps the virtual time of a `Fair`; nobody waits at it
WEIGHT_UNIT = 1000  # weights are whole thousandths
TAG_PREFIX = "tag:"
MAX_VALUE_LENGTH = 200
PLAIN = (str, int, UUID, Decimal, date, time)


def split_key(key: str) -> tuple[str, str, str]:
    """Kind, name and value. A text that is no key (of a damaged row) is a kind that nobody knows: it is shown as it is,
    and no limit lets it in."""
    kind, _, rest = key.partition(":")
    name, _, value = rest.partition(":")
    return kind, name, value


def keys_of_limit(kind: str, name: str) -> tuple[str, str]:
    """Its keys are those from the first to before the second."""
    return f"{kind}:{name}:", f"{kind}:{name};"


def is_of_turns(key: str) -> bool:
    return key.startswith(f"{FAIR}:")


def virtual_time_key(key: str) -> str:
    """Of one of a Fair's keys: where the limit's virtual time is kept."""
    return f"{TURNS_AT}:{split_key(key)[1]}:"


def shown_key(key: str) -> str:
    """As people read it."""
    kind, name, value = split_key(key)
    return f"{name}={value}" if value else name or kind


def interval_us(count: int, per_us: int) -> int:
    """From one token to the next, rounded up: never more than the rate."""
    return math.ceil(per_us / count)


def key_of(kind: str, name: str, value: Any) -> str:
    return f"{kind}:{name}:{text_of(value, f'limit `{name}`')}"


def text_of(value: Any, whose: str) -> str:
    """None is a value, too: what has no key shares one."""
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None:
        return ""
    if not isinstance(value, PLAIN):
        raise PayloadError(
            f"the key of {whose} is a `{type(value).__name__}`; it must be a text, a whole number, a UUID, a "
            "Decimal or a date"
        )
    try:
        text = value.isoformat() if isinstance(value, date | time) else str(value)
    except ValueError as error:  # Python does not write its digits
        let_out(error)
        message = f"the key of {whose} is a whole number of more digits than Python writes, and may have"
        raise PayloadError(f"{message} {MAX_VALUE_LENGTH}") from None
    if len(text) > MAX_VALUE_LENGTH:
        message = f"the key {written(text)} of {whose} has {len(text):,} characters"
        raise PayloadError(f"{message}, and may have {MAX_VALUE_LENGTH}")
    odd = next((each for each in text if not each.isprintable()), None)
    if odd is not None:
        message = f"the key {written(text)} of {whose} has {odd!a} in it, which cannot be printed"
        raise PayloadError(f"{message}; give a key without it")
    return text


def find_value(path: str, given: Mapping[str, Any], tags: Mapping[str, str] | None, limit: str) -> Any:
    if path.startswith(TAG_PREFIX):
        return (tags or {}).get(path.removeprefix(TAG_PREFIX))
    first, *fields = path.split(".")
    value = given.get(first)
    for field in fields:
        if value is None:
            return None
        try:
            value = value[field] if isinstance(value, Mapping) else getattr(value, field)
        except (KeyError, AttributeError) as error:
            let_out(error)
            raise PayloadError(f"the key `{path}` of limit `{limit}` has no field `{field}` here") from error
    return value


def told_owner(workflow: str) -> str:
    kind, _, step = workflow.removeprefix(RESERVED_PREFIX).partition(":")
    return f"step `{step}`" if kind == "step" and workflow.startswith(RESERVED_PREFIX) else f"workflow `{workflow}`"
