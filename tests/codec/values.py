"""Hypothesis strategies for everything that G10 names."""

from __future__ import annotations

import math
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

ZONES = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-1), "X"), ZoneInfo("Europe/Berlin")]
)
DECIMALS = st.one_of(
    st.decimals(),
    st.sampled_from([Decimal("sNaN"), Decimal("NaN123"), Decimal("-0E+7"), Decimal("1.10"), Decimal("1E-999999")]),
)
TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
INTS = st.one_of(st.integers(), st.integers(-(2**4000), 2**4000), st.sampled_from([2**63 - 1, 2**63, -(2**63) - 1]))
HASHABLE_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    INTS,
    st.floats(),
    DECIMALS.filter(lambda value: not value.is_snan()),
    TEXT,
    st.binary(max_size=40),
    st.dates(),
    st.datetimes(timezones=ZONES),
    st.builds(lambda moment, fold: moment.replace(fold=fold), st.times(timezones=ZONES), st.sampled_from([0, 1])),
    st.builds(lambda moment, fold: moment.replace(fold=fold), st.datetimes(timezones=ZONES), st.sampled_from([0, 1])),
    st.timedeltas(),
    st.uuids(),
)
HASHABLE = st.recursive(
    HASHABLE_SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3)),
    max_leaves=5,
)
KEYS = st.one_of(TEXT, st.sampled_from(["$tuple", "$", "$dict", ""]), HASHABLE)
VALUES = st.recursive(
    st.one_of(HASHABLE_SCALARS, DECIMALS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(HASHABLE, max_size=4),
        st.frozensets(HASHABLE, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=20,
)


def same(left: Any, right: Any) -> bool:
    """Equal in value and type all the way down; NaN is the same as NaN, -0.0 is not 0.0, order in dicts counts."""
    if type(left) is not type(right):
        return False
    match left:
        case float():
            return (math.isnan(left) and math.isnan(right)) or (
                left == right and math.copysign(1, left) == math.copysign(1, right)
            )
        case Decimal():
            return str(left) == str(right)
        case datetime() | time():
            return (
                left.replace(tzinfo=None) == right.replace(tzinfo=None)
                and left.fold == right.fold
                and left.tzinfo == right.tzinfo
                and (not isinstance(left.tzinfo, timezone) or left.tzname() == right.tzname())
            )
        case list() | tuple():
            return len(left) == len(right) and all(map(same, left, right))
        case set() | frozenset():
            rest = list(right)
            for item in left:
                found = next((index for index, other in enumerate(rest) if same(item, other)), None)
                if found is None:
                    return False
                del rest[found]
            return not rest
        case dict():
            return same(list(left.items()), list(right.items()))
    return bool(left == right)
