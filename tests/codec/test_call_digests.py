"""The digest of a call, by which replays know it, is what it was when it was made with the call's payload."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hydra import codec
from hydra.body.step_call import IMMUTABLE
from hypothesis import given
from hypothesis import strategies as st

from tests.codec.values import TEXT, VALUES


class Colour(Enum):
    RED = 1


@dataclass
class Line:
    sku: str
    price: Any


class Unpicklable:
    def __reduce__(self) -> Any:
        raise TypeError("not this one")


OBJECTS = st.one_of(st.builds(Line, TEXT, VALUES), st.just(Colour.RED), st.builds(bytearray, st.binary(max_size=8)))
ARGUMENTS = st.lists(st.one_of(VALUES, OBJECTS, st.lists(OBJECTS, max_size=2)), max_size=4).map(tuple)


@given(ARGUMENTS, st.dictionaries(TEXT, st.one_of(VALUES, OBJECTS), max_size=3))
def test_it_is_that_of_the_calls_payload(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        digest = codec.encode_call(args, kwargs)[1]
    except Exception as error:
        with pytest.raises(type(error)) as raised:
            codec.digest_of_call(args, kwargs)
        assert str(raised.value) == str(error)
    else:
        assert codec.digest_of_call(args, kwargs)[0] == digest


@given(ARGUMENTS, st.dictionaries(TEXT, VALUES, max_size=2))
def test_what_is_told_to_be_fixed_needs_no_copy(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if codec.digest_of_call(args, kwargs)[1]:
        assert {type(each) for each in (*args, *kwargs.values())} <= IMMUTABLE


@pytest.mark.parametrize(
    ("args", "kwargs", "is_fixed"),
    [
        ((), {}, True),
        ((1, 2.5, True, None, "a", b"b", Decimal("1.10"), UUID(int=1)), {"key": "inv-1"}, True),
        (([],), {}, False),
        ((1,), {"lines": {}}, False),
        ((bytearray(b"a"),), {}, False),
        ((Line("a", 1),), {}, False),
        (((1, [2]),), {}, False),
        (({1},), {}, False),
    ],
)
def test_it_is_told_whether_arguments_can_be_changed_in_place(
    args: tuple[Any, ...], kwargs: dict[str, Any], is_fixed: bool
) -> None:
    assert codec.digest_of_call(args, kwargs)[1] is is_fixed


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("args", "max_bytes"),
    [
        *(((nested(depth),), codec.MAX_PAYLOAD_BYTES) for depth in (190, *range(195, 202), 500)),
        (([object()],), codec.MAX_PAYLOAD_BYTES),
        ((Unpicklable(),), codec.MAX_PAYLOAD_BYTES),
        (({"a": [{1: object()}]},), codec.MAX_PAYLOAD_BYTES),
        (("x" * 100,), 50),
        (([["x" * 100], ["y"]],), 50),
        *((("x" * length,), 50) for length in range(20, 32)),
    ],
)
def test_it_is_refused_as_the_calls_payload_is(args: tuple[Any, ...], max_bytes: int) -> None:
    def outcome(call: Any) -> object:
        try:
            return call()
        except Exception as error:
            return type(error), str(error)

    payload = outcome(lambda: codec.encode_call(args, {}, max_bytes)[1])
    assert outcome(lambda: codec.digest_of_call(args, {}, max_bytes)[0]) == payload
    named = outcome(lambda: codec.encode_call((), {"a": args}, max_bytes)[1])
    assert outcome(lambda: codec.digest_of_call((), {"a": args}, max_bytes)[0]) == named
