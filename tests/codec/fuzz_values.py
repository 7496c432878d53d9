"""What the fuzzers of values draw from: values of every kind under any annotation, odd exceptions, JSON."""

from __future__ import annotations

import collections
import dataclasses
import enum
import ipaddress
import json
import pathlib
import zlib
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pydantic
import pytest
from hydra import codec
from hydra.body.waits import Wanted
from hydra.client.arguments import parse_json
from hydra.errors import LocalClass, PayloadError
from hydra.values.jsonschema import mismatch
from hypothesis import strategies as st

from tests.codec.fuzz_models import MODELS, check_model
from tests.codec.test_classes import (
    Boxed,
    Cents,
    Colour,
    Counted,
    Invoice,
    Loose,
    Money,
    Names,
    Odd,
    Patch,
    Picky,
    Place,
    Rights,
)
from tests.codec.test_failures import (
    ODD,
    AnyAttribute,
    Code,
    Declined,
    Frozen,
    OddArgs,
    OddAttributes,
    OddCause,
    OddNotes,
    OddText,
    Raising,
    SlottedData,
    WithResponse,
)
from tests.codec.values import DECIMALS, HASHABLE, HASHABLE_SCALARS, KEYS, TEXT, VALUES, same


@dataclasses.dataclass
class Holder:
    item: Any = None
    others: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Stranger:
    item: Any = None
    others: list[Any] = dataclasses.field(default_factory=list)


class Packed(msgspec.Struct, rename="camel"):
    first_name: Any
    last_name: Any = msgspec.UNSET


def _patch(given: dict[str, Any], seen: list[Any]) -> Patch:
    patch = Patch(**given)
    patch._seen.extend(seen)
    return patch


def _counted(base: int, total: Any) -> Counted:
    counted = Counted(base)
    counted.total = total
    return counted


FINITE = st.decimals(allow_nan=False, allow_infinity=False)
HASHABLE_OBJECTS = st.one_of(
    st.builds(Money, FINITE, TEXT),
    st.builds(Place, TEXT, st.integers()),
    st.sampled_from([*Colour, *Odd]),
    st.sampled_from([Rights(0), Rights.READ, Rights.READ | Rights.WRITE]),
    st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address),
    st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address),
    st.fractions().map(lambda number: Fraction(number)),
    st.sampled_from([pathlib.PurePosixPath("/a"), pathlib.Path("b"), range(3), range(9, 1, -2), 1 + 2j]),
)
ELEMENTS = st.one_of(HASHABLE, HASHABLE_OBJECTS)
OBJECT_KEYS = st.one_of(KEYS, HASHABLE_OBJECTS, st.sampled_from(["$ref", "$object", "$known"]))


def _with_objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(OBJECT_KEYS, inner, max_size=3),
        st.sets(ELEMENTS, max_size=3),
        st.frozensets(ELEMENTS, max_size=3),
        st.builds(Holder, inner, st.lists(inner, max_size=2)),
        st.builds(Packed, inner, inner),
        st.builds(Packed, inner),
        st.builds(lambda amount, net: Invoice(amount=amount, net=net), FINITE, FINITE),
        st.builds(_patch, st.fixed_dictionaries({}, optional={"name": TEXT, "limit": st.integers()}), st.lists(inner)),
        st.builds(lambda item, more: Loose(b=1, c=item, **more), inner, st.dictionaries(st.sampled_from("xyz"), inner)),
        st.builds(lambda item: Boxed(item=item), inner),
        st.builds(lambda item: Boxed[int](item=item), st.integers()),
        st.lists(st.text(max_size=3), max_size=3).map(Names),
        st.builds(_counted, st.integers(), inner),
        st.builds(Picky, st.integers(0, 20).filter(lambda amount: amount != 13)),
        st.builds(lambda pairs: collections.OrderedDict(pairs), st.lists(st.tuples(ELEMENTS, inner), max_size=3)),
        st.builds(lambda items, size: collections.deque(items, size), st.lists(inner), st.integers(0, 5) | st.none()),
        st.dictionaries(ELEMENTS, inner, max_size=3).map(lambda items: collections.defaultdict(list, items)),
        st.lists(ELEMENTS, max_size=4).map(collections.Counter),
        st.binary(max_size=9).map(bytearray),
    )


TAKEN = st.recursive(st.one_of(HASHABLE_SCALARS, DECIMALS, HASHABLE_OBJECTS, VALUES), _with_objects, max_leaves=12)
REFUSED = st.sampled_from([Cents(1), memoryview(b"x"), object(), ValueError("x"), len, Picky])
CLASSES = (Money, Place, Colour, Odd, Rights, Invoice, Patch, Loose, Names, Counted, Picky, Holder, Stranger, Packed)
PLAIN_TYPES = (Any, object, int, str, float, Decimal, bytes, list, dict, set, Colour, Fraction)
ANNOTATIONS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([*CLASSES, *PLAIN_TYPES, None]),
    lambda inner: st.one_of(
        inner.map(lambda each: list[each]),  # type: ignore[valid-type]
        inner.map(lambda each: set[each]),  # type: ignore[valid-type]
        inner.map(lambda each: dict[str, each]),  # type: ignore[valid-type]
        inner.map(lambda each: dict[each, Any]),  # type: ignore[valid-type]
        inner.map(lambda each: each | None if each is not None else each),
        inner.map(lambda each: tuple[each, ...]),  # type: ignore[valid-type]
        st.tuples(inner, inner).map(lambda two: two[0] | two[1] if two[0] or two[1] else Any),
    ),
    max_leaves=3,
)


def is_same(left: Any, right: Any) -> bool:
    """`same`, for objects of classes and for what they carry beside their fields, too."""
    if type(left) is not type(right):
        return False
    if isinstance(left, enum.Enum):
        return left is right or (isinstance(left, enum.Flag) and left == right)
    if isinstance(left, pydantic.BaseModel):
        beside = ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
        return is_same(vars(left), vars(right)) and all(
            is_same(getattr(left, name) or None, getattr(right, name) or None) for name in beside
        )
    if isinstance(left, msgspec.Struct):
        return all(is_same(getattr(left, n), getattr(right, n)) for n in left.__struct_fields__)
    if dataclasses.is_dataclass(left):
        return is_same(vars(left), vars(right))
    if isinstance(left, (collections.OrderedDict, collections.Counter, collections.defaultdict)):
        return is_same(list(left.items()), list(right.items()))
    if isinstance(left, collections.deque):
        return left.maxlen == right.maxlen and is_same(list(left), list(right))
    if isinstance(left, dict):
        return is_same(list(left.items()), list(right.items()))
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(left, (set, frozenset)):
        rest = list(right)
        for item in left:
            found = next((index for index, other in enumerate(rest) if is_same(item, other)), None)
            if found is None:
                return False
            del rest[found]
        return not rest
    if isinstance(left, (complex, range, Fraction, pathlib.PurePath, bytearray, ipaddress._IPAddressBase)):
        return bool(left == right)
    return left is right or same(left, right)


def holds_refused(value: Any) -> bool:
    """Whether some part of it is none that hydra takes."""
    if isinstance(value, dict):
        return any(map(holds_refused, value)) or any(map(holds_refused, value.values()))
    if isinstance(value, (list, tuple, collections.deque)):
        return any(map(holds_refused, value))
    return isinstance(value, (Cents, memoryview, ValueError)) or callable(value) or type(value) is object


def check_value(value: Any, annotation: Any) -> str:
    """Equal, or refused at once and for a reason; and for people always something to look at."""
    try:
        payload, digest = codec.encode_with_digest(value)
    except LocalClass:
        raise
    except PayloadError as error:
        assert holds_refused(value), f"refused: {error}"
        assert "\n" not in str(error)
        return "refused"
    assert not holds_refused(value)
    try:
        back = codec.decode(payload, annotation)
    except PayloadError as error:
        # A plain dict with a class's field names goes through its constructor, which may refuse it: at once for a step.
        assert "refused the fields it was given" in str(error), error
        return "refused under its annotation"
    if not is_same(back, value):
        assert is_same(codec.decode(payload), value), "an object did not come back as it went in"
        assert _may_convert(annotation), f"{back!r} is not {value!r}"
    assert codec.encode_with_digest(codec.decode(payload))[1] == digest
    assert is_same(codec.decode(codec.encode(codec.decode(payload))), value)
    codec.decode_plain(payload)
    json.dumps(codec.describe(payload))
    return "equal"


def _may_convert(annotation: Any) -> bool:
    """Whether the annotation names a class that plain values become."""
    return any(cls.__name__ in str(annotation) for cls in (*CLASSES, Colour))


class Drawn:
    """Holds what nobody had better look at but hydra."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "Drawn(…)"


def _open(drawn: Any) -> Any:
    if type(drawn) is Drawn:
        return drawn.value
    return [_open(each) for each in drawn] if type(drawn) is list else drawn


ODD_EXCEPTIONS = st.sampled_from(ODD).map(lambda make: Drawn(make()))
RAISING = st.builds(lambda: Drawn(Raising()))
ATTRIBUTES = st.one_of(TAKEN, REFUSED, RAISING, st.lists(TAKEN | RAISING, max_size=2), ODD_EXCEPTIONS)
CALM = [ValueError, KeyError, OSError, RuntimeError, AnyAttribute, OddArgs, OddNotes, OddCause, OddAttributes, OddText]
LINKS = st.sampled_from(["__cause__", "__context__"])
EXCEPTIONS = st.recursive(
    st.one_of(
        st.builds(lambda cls, args: Drawn(cls(*_open(args))), st.sampled_from(CALM), st.lists(ATTRIBUTES, max_size=3)),
        st.integers().map(lambda amount: Drawn(Declined(Code.STOLEN, amount=amount))),
        st.integers().map(lambda code: Drawn(Frozen(code))),
        st.integers().map(lambda code: Drawn(SlottedData(code))),
        st.builds(lambda text, response: Drawn(WithResponse(text, _open(response))), TEXT, ATTRIBUTES),
        ODD_EXCEPTIONS,
    ),
    lambda inner: st.one_of(
        st.builds(lambda link, outer, other: _link(link, outer, other), LINKS, inner, inner),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda members: Drawn(BaseExceptionGroup("several", _open(members)))
        ),
        st.builds(lambda error, name, value: _put(error, name, value), inner, TEXT, ATTRIBUTES),
        st.builds(lambda error, notes: _put(error, "__notes__", notes), inner, ATTRIBUTES),
    ),
    max_leaves=5,
)


def _link(name: str, outer: Drawn, inner: Drawn) -> Drawn:
    vars(BaseException)[name].__set__(outer.value, inner.value)
    return outer


def _put(error: Drawn, name: str, value: Any) -> Drawn:
    vars(BaseException)["__dict__"].__get__(error.value)[name] = _open(value)
    return error


def check_failure(drawn: Drawn) -> str:
    """It gets its record, which everybody can read, and from which an exception is made."""
    Raising.is_armed = True
    try:
        return _check_failure(drawn.value)
    finally:
        Raising.is_armed = False


def _check_failure(exception: BaseException) -> str:
    payload = codec.encode_failure(exception)
    failure = codec.decode_failure(payload)
    assert type(failure.message) is str
    rebuilt = codec.rebuild_exception(failure)
    assert issubclass(type(rebuilt), BaseException)
    if failure.importable:
        assert type(rebuilt) is type(exception), f"a {type(exception).__name__} came back as {type(rebuilt).__name__}"
    codec.cause_of(rebuilt)
    again = codec.rebuild_exception(codec.decode_failure(codec.encode_failure(rebuilt)))
    assert type(again) is type(rebuilt)
    json.dumps(codec.describe(payload))
    return "recorded"


def sealed(body: bytes) -> bytes:
    head = bytes([0xD1, 0])
    return head + zlib.crc32(head + body).to_bytes(4, "little") + body


FRAGMENTS = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [
            *(b'{"$object":["tests.x:Y",', b'{"$enum":["a:B",', b'{"$known":["collections:deque",'),
            *(b'{"$namedtuple":["a:B",', b'{"$dict":[[', b'{"$set":[', b'{"$bytearray":"', b'{"$tuple":['),
            *(b"[", b"]", b"{", b"}", b",", b":", b'"a"', b"1", b"]}", b"]}]}", b"null", b"1.5", b'"\\ud800"'),
            *(b'{"$datetime":["2026-01-01","x",0]}', b'{"$timedelta":[1,2,3]}'),
        ]
    ),
)
BODIES = st.lists(FRAGMENTS, max_size=14).map(b"".join)


def check_body(body: bytes) -> str:
    """Whatever is stored is a value or a PayloadError, to every reader."""
    payload = sealed(body)
    outcome = "refused"
    for read in (
        codec.decode,
        codec.decode_failure,
        codec.Signature.of(_takes).decode_call,
        codec.Signature.of(_takes).decode_results,
    ):
        try:
            read(payload)
            outcome = "read"
        except PayloadError:
            continue
        except (TypeError, KeyError, AttributeError):
            # A value, but no call, failure or list: whoever reads one wrote it.
            assert read is not codec.decode
    codec.decode_plain(payload)
    codec.read_failure(payload)
    return outcome


def _takes(a: list[Holder] | None = None, b: dict[str, Colour] | None = None) -> Packed | None: ...


NUMBERS = st.one_of(
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:f}"),
    st.builds(lambda digits, exponent: f"{digits}.5e{exponent}", st.integers(0, 10**25), st.integers(-30, 30)),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)


def check_number(text: str) -> str:
    """A number of JSON is kept to the last digit; read as what holds it, and refused as any other."""
    number = parse_json(f'{{"amount": [{text}]}}')["amount"][0]
    if isinstance(number, float):
        assert Decimal(repr(number)) == Decimal(text)
        assert type(codec.from_json(number, Decimal)) is Decimal
    assert Decimal(str(number)) == Decimal(text)
    for annotation in (Decimal, float):
        if is_of(number, annotation):
            assert Decimal(str(codec.decode_as(codec.encode(number), annotation))) == Decimal(text)
        else:
            with pytest.raises(PayloadError):
                codec.decode_as(codec.encode(number), annotation)
    assert codec.decode_taken(codec.encode(number), Decimal) == Decimal(text)
    return type(number).__name__


def is_of(number: int | float | Decimal, annotation: Any) -> bool:
    return isinstance(number, int | annotation)


def check_message(value: Any, annotation: Any) -> str:
    """What a sender refuses no wait would take; and what a wait takes is read."""
    try:
        payload = codec.encode(value)
    except PayloadError:
        return "refused"
    wanted = Wanted(annotation)
    problem = wanted.problem(payload)
    note = wanted.note()
    schema = {} if note is None else codec.decode(note).get("schema", {})
    refused = mismatch(codec.outline(value), schema, "value")
    assert refused is None or problem is not None, refused
    if problem is None:
        codec.decode_taken(payload, annotation)
        return "taken"
    return "set aside" if refused is None else "refused by the sender"


CHECKS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], str]]] = {
    "values": (st.tuples(TAKEN, ANNOTATIONS), lambda drawn: check_value(*drawn)),
    "refused": (st.tuples(st.lists(TAKEN | REFUSED, max_size=3), ANNOTATIONS), lambda drawn: check_value(*drawn)),
    "failures": (EXCEPTIONS, check_failure),
    "bodies": (BODIES, check_body),
    "numbers": (NUMBERS, check_number),
    "models": (MODELS, lambda drawn: check_model(*drawn)),
    "messages": (st.tuples(TAKEN, ANNOTATIONS), lambda drawn: check_message(*drawn)),
}
