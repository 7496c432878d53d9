"""G10: values come back as they went in."""

from __future__ import annotations

import random
import sys
import threading
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal, localcontext
from typing import Any

import pydantic
import pytest
from hydra import _core, codec
from hydra.errors import PayloadError, PayloadTooLarge
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codec.values import INTS, VALUES, same

ANNOTATIONS: list[Any] = [Any, int, float, str, Decimal, bytes, list[float], dict[str, float], float | None, object]


class Stranger:
    pass


@given(VALUES)
@settings(max_examples=500)
def test_g10_every_value_comes_back_with_its_type(value: Any) -> None:
    assert same(codec.decode(codec.encode(value)), value)


@given(VALUES, st.sampled_from(ANNOTATIONS))
def test_g10_no_annotation_changes_a_value(value: Any, annotation: Any) -> None:
    assert same(codec.decode(codec.encode(value), annotation), value)


@given(INTS)
def test_g10_an_int_is_never_a_float(value: int) -> None:
    assert type(codec.decode(codec.encode(value), float)) is int


def test_g10_ints_do_not_depend_on_pythons_limit_of_digits() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        for value in (10**600, 10**639, 10**700, -(10**20_000)):
            assert codec.decode(codec.encode(value)) == value
    finally:
        sys.set_int_max_str_digits(before)


def test_g10_a_decimal_does_not_depend_on_the_context() -> None:
    value = Decimal("1.23456789012345678901234567890E+50")
    with localcontext(prec=3, capitals=0):
        payload = codec.encode(value)
        assert str(codec.decode(payload)) == str(value)
    assert payload == codec.encode(value)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=6), st.randoms(use_true_random=False))
def test_g10_the_digest_does_not_see_the_order_of_a_dict(value: dict[str, Any], rng: random.Random) -> None:
    items = list(value.items())
    rng.shuffle(items)
    assert codec.encode_with_digest([value])[1] == codec.encode_with_digest([dict(items)])[1]


@given(VALUES, VALUES)
def test_g10_values_that_differ_have_digests_that_differ(left: Any, right: Any) -> None:
    digests = codec.encode_with_digest(left)[1], codec.encode_with_digest(right)[1]
    if same(left, right):
        assert digests[0] == digests[1]
    elif codec.encode_with_digest(codec.decode(codec.encode(left)))[0] != codec.encode(right):
        # Only the order of some dict may differ and give one digest; sorting by text settles which.
        assert (digests[0] == digests[1]) == (_without_order(left) == _without_order(right))


def _without_order(value: Any) -> Any:
    match value:
        case dict():
            entries = sorted((repr(_without_order(k)), repr(_without_order(v))) for k, v in value.items())
            return f"dict{entries}"
        case list() | tuple():
            return f"{type(value).__name__}{[_without_order(item) for item in value]}"
        case set() | frozenset():
            return f"{type(value).__name__}{sorted(repr(_without_order(item)) for item in value)}"
    return codec.encode(value)


def test_g10_digests_do_not_see_compression() -> None:
    large = {"text": "x" * 5000, "another": 1}
    assert len(codec.encode(large)) < 1000
    reordered = dict(reversed(large.items()))
    assert codec.encode_with_digest(large)[1] == codec.encode_with_digest(reordered)[1]


@given(st.lists(VALUES, max_size=5))
def test_encoding_many_is_encoding_each(values: list[Any]) -> None:
    assert codec.encode_many(values) == [codec.encode_with_digest(value) for value in values]


@given(VALUES, st.data())
def test_g10_damage_never_gives_another_value(value: Any, data: st.DataObject) -> None:
    payload = bytearray(codec.encode(value))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(PayloadError):
        codec.decode(bytes(payload))


@pytest.mark.parametrize("value", [{"invoice": "inv-42", "total": Decimal("10.50")}, ["line " * 10] * 200])
def test_g10_damage_at_any_byte_or_length_is_a_payload_error(value: Any) -> None:
    payload = codec.encode(value)
    for at in range(len(payload)):
        broken = bytearray(payload)
        broken[at] ^= 0x10
        for damaged in (bytes(broken), payload[:at], payload + payload[: at + 1]):
            with pytest.raises(PayloadError):
                codec.decode(damaged)


@given(st.binary(max_size=200))
def test_g10_bytes_of_any_kind_are_a_value_or_a_payload_error(noise: bytes) -> None:
    with pytest.raises(PayloadError):
        codec.decode(noise)


def _sealed(body: bytes) -> bytes:
    import zlib

    head = bytes([0xD1, 0])
    return head + zlib.crc32(head + body).to_bytes(4, "little") + body


@given(st.binary(max_size=40), st.sampled_from([b"", b'{"$', b"[", b'{"$datetime":[', b'{"$set":[[]', b"-", b'"\\u']))
def test_g10_a_body_of_any_kind_is_a_value_or_a_payload_error(noise: bytes, start: bytes) -> None:
    try:
        codec.decode(_sealed(start + noise))
    except PayloadError:
        return


@pytest.mark.parametrize(
    "body",
    [
        b'{"$datetime":"2026-13-45"}',
        b'{"$decimal":"ten"}',
        b'{"$uuid":"12"}',
        b'{"$timedelta":[99999999999999999999,0,0]}',
        b'{"$set":[[1]]}',
        b'{"$datetime":["2026-01-01","No/Where",0]}',
        b'{"$int":"xyz"}',
        b'{"$bytes":"*"}',
        b'{"$new":1}',
        b"[" * 100_000,
        b"1 2",
        b"9" * 5000,
    ],
)
def test_g10_a_body_that_python_cannot_build_is_a_payload_error(body: bytes) -> None:
    with pytest.raises(PayloadError):
        codec.decode(_sealed(body))


def test_what_cannot_be_encoded_is_named_with_its_path() -> None:
    with pytest.raises(PayloadError, match=r"at \$\.args\[0\]\.card: object of type `.*Stranger` cannot be encoded"):
        codec.encode({"args": [{"card": Stranger()}]})
    with pytest.raises(PayloadError, match=r"at \$\['a b'\]\[1\]: object of type `function`"):
        codec.encode({"a b": (1, lambda: None)})


def test_nesting_without_end_is_a_payload_error() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    for value in (cycle, deep):
        with pytest.raises(PayloadError, match="nested more than 512 deep"):
            codec.encode(value)
    while deep:
        deep = deep["a"]


def test_values_nested_as_deep_as_is_allowed_come_back() -> None:
    value: Any = 1
    for _ in range(256):
        value = [(value,)]
    assert codec.decode(codec.encode(value)) == value


def test_a_payload_over_the_limit_names_both_sizes() -> None:
    with pytest.raises(PayloadTooLarge, match="1002 bytes exceeds the limit of 1000 bytes"):
        codec.encode("x" * 1000, 1000)
    assert codec.encode("x" * 998, 1000)


def test_the_limit_is_of_what_is_encoded_and_not_yet_compressed() -> None:
    """What `docs/guides/values.md` says of it."""
    for most in (bytes(12_582_900), "x" * (codec.MAX_PAYLOAD_BYTES - 2)):
        assert len(codec.encode(most)) < 10_000, "it compresses well"
        with pytest.raises(PayloadTooLarge, match=f"exceeds the limit of {codec.MAX_PAYLOAD_BYTES} bytes"):
            codec.encode(most + most[:1])
    sizes = {text: len(codec.encode(text)) - len(codec.encode("")) for text in ("é", "\n", '"', "\\", "\1")}
    assert sizes == {"é": 2, "\n": 2, '"': 2, "\\": 2, "\1": 6}


def test_a_bomb_is_refused() -> None:
    payload = bytearray(codec.encode("\0" * 1_000_000))
    import zlib

    payload[6:10] = (2**32 - 1).to_bytes(4, "little")
    payload[2:6] = zlib.crc32(bytes(payload[:2]) + bytes(payload[6:])).to_bytes(4, "little")
    with pytest.raises(PayloadTooLarge):
        codec.decode(bytes(payload))


def test_g10_a_bytearray_comes_back_as_one_and_a_memoryview_is_refused() -> None:
    assert same(codec.decode(codec.encode([bytearray(b"a"), b"a"])), [bytearray(b"a"), b"a"])
    assert codec.encode_with_digest([bytearray(b"a")])[1] == codec.encode_with_digest([b"a"])[1]
    with pytest.raises(PayloadError, match=r"`memoryview` cannot be encoded; use `bytes\(value\)`"):
        codec.encode(memoryview(b"a"))
    assert codec.decode(memoryview(codec.encode(1))) == 1


def test_a_dict_that_another_thread_changes_is_encoded_or_refused() -> None:
    shared = {str(index): {index} for index in range(50)}
    is_done = threading.Event()

    def change() -> None:
        index = 0
        while not is_done.is_set():
            index += 1
            shared[f"new{index % 100}"] = {index}
            shared.pop(f"new{(index - 50) % 100}", None)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(2000):
            try:
                codec.encode(shared)
            except PayloadError:
                continue
    finally:
        is_done.set()
        thread.join()


def test_ids_ascend_are_unique_and_have_the_usual_form() -> None:
    import uuid

    ids = [_core.uuid7() for _ in range(1000)] + _core.uuid7_many(1000)
    assert sorted(set(ids)) == ids
    assert all(str(uuid.UUID(one)) == one and uuid.UUID(one).version == 7 for one in ids)


class Hook(pydantic.BaseModel):
    at: datetime


class OwnZone(tzinfo):
    """Of a class that hydra does not know."""

    def __init__(self, winter: int, summer: int) -> None:
        self.hours = winter, summer

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=self.hours[moment is not None and 4 <= moment.month <= 9])

    def dst(self, moment: datetime | None) -> None:
        return None

    def tzname(self, moment: datetime | None) -> str:
        return "own"


@pytest.mark.parametrize("zone", ["Z", "+02:00", "-09:30"])
def test_g10_a_moment_that_pydantic_read_keeps_its_offset(zone: str) -> None:
    hook = Hook.model_validate_json(f'{{"at":"2026-07-01T12:00:00.5{zone}"}}')
    back = codec.decode(codec.encode(hook))
    assert back == hook and back.at.utcoffset() == hook.at.utcoffset()
    assert type(back.at.tzinfo) is timezone


def test_g10_a_zone_of_a_class_of_ones_own_is_kept_where_its_offset_is_fixed() -> None:
    fixed = datetime(2026, 7, 1, 12, tzinfo=OwnZone(3, 3))
    assert codec.decode(codec.encode(fixed)) == fixed
    assert codec.decode(codec.encode(fixed.timetz())) == fixed.timetz()
    for moment in (datetime(2026, 1, 1, tzinfo=OwnZone(1, 2)), datetime(2026, 7, 1, tzinfo=OwnZone(1, 2))):
        with pytest.raises(PayloadError, match="OwnZone` cannot be encoded; use datetime"):
            codec.encode(moment)
