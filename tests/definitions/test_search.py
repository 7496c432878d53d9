"""What `search=` takes and refuses, the keys of values, and what is asked for."""

from __future__ import annotations

import enum
import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from random import Random
from typing import Any

import hydra
import msgspec
import pytest
from hydra.attributes import DEFAULTS, MAX_ATTRIBUTES, changes_of, key_of, keys_of_registered, value_of
from hydra.errors import ConfigError, PayloadError
from hydra.sought import Sought, check_sought, together
from hydra.worker.imported_app import describe_call


class Region(enum.Enum):
    EAST = "east"


@hydra.workflow(name="searched", search={"customer": str, "amount": float, "region": str, "state": str})
def searched(customer: Any, amount: int | None = None, *more: str, region: Any = Region.EAST) -> None: ...


BEFORE_ALL = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
BEHIND_ALL = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12)))


def values(keys: Any) -> dict[str, Any]:
    return {name: value_of(key) for name, key in keys.items()}


def test_a_call_begins_with_its_arguments_of_those_names() -> None:
    assert values(searched.terms(("c-17", 3), {}).attributes) == {"customer": "c-17", "amount": 3.0, "region": "east"}
    assert values(searched.terms(("c-17",), {"region": None}).attributes) == {"customer": "c-17"}
    own = uuid.uuid4()
    assert values(searched.terms((own,), {}).attributes)["customer"] == str(own)

    @hydra.workflow(name="unsearched")
    def unsearched(customer: str) -> None: ...

    assert unsearched.terms(("c-17",), {}).attributes is None


@hydra.workflow(name="told", search={"at": datetime, "owner": str, "region": str, "count": int, "state": str})
def told(
    at: datetime, owner: uuid.UUID | None, *more: str, region: Region = Region.EAST, count: int | None = 7
) -> None: ...


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("2026-01-01T00:00:00Z", "ABCDEF00-0000-0000-0000-00000000000F"), {}),
        (("2026-01-01T01:00:00+01:00", "abcdef0000000000000000000000000f", "x", "y"), {"region": "east"}),
        ((datetime(2026, 1, 1, tzinfo=UTC), uuid.UUID("abcdef0000000000000000000000000f")), {"count": 7}),
    ],
)
def test_one_call_has_the_same_attributes_with_the_code_and_without(args: Any, kwargs: Any) -> None:
    registered = json.loads(msgspec.json.encode(describe_call(told)))
    found = keys_of_registered(registered, "told", args, kwargs)
    assert found == told.terms(args, kwargs).attributes
    assert values(found) == {
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "owner": "abcdef00-0000-0000-0000-00000000000f",
        "region": "east",
        "count": 7,
    }
    nothing = {**kwargs, "count": None, "region": None}
    assert set(keys_of_registered(registered, "told", args, nothing)) == {"at", "owner"}


def test_what_no_text_says_is_refused_with_the_code_and_without() -> None:
    registered = json.loads(msgspec.json.encode(describe_call(told)))
    for attributes in (lambda *call: told.terms(*call).attributes, partial(keys_of_registered, registered, "told")):
        with pytest.raises(PayloadError, match="attribute `at` is datetime, and not a `str`"):
            attributes(("tomorrow", None), {})


def test_what_an_older_node_registered_is_enough() -> None:
    registered = json.loads(msgspec.json.encode(describe_call(searched)))
    registered.pop(DEFAULTS)
    found = keys_of_registered(registered, "w", ("c-1", 2, "x", "y"), {})
    assert values(found) == {"customer": "c-1", "amount": 2.0}


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        (["customer"], "must be a dict of types by name"),
        ({"customer": list}, "it is one of str, int, float, bool, datetime"),
        ({"customer": "str"}, "gives `customer` the type 'str'"),
        ({"a b": str}, "its name must be a word"),
        ({"x" * 65: str}, "its name must be a word"),
        ({"more": str}, "takes many arguments"),
        ({"amount": str}, "says that `amount` is str, and its parameter is int"),
        ({f"a{n}": str for n in range(MAX_ATTRIBUTES + 1)}, "may have 16"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(search: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:

        @hydra.workflow(name="undeclared", search=search)
        def undeclared(customer: str, amount: int, *more: str) -> None: ...

    assert sentence in str(caught.value) and "`undeclared`" in str(caught.value)
    assert not str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        (str, 5, "is str, and not a `int`"),
        (int, True, "is int, and not a `bool`"),
        (int, 1.0, "is int, and not a `float`"),
        (float, "1", "is float, and not a `str`"),
        (int, 1 << 63, "more than 64 bits"),
        (float, float("nan"), "NaN"),
        (float, 10**400, "too large for a float"),
        (str, "ä" * 129, "has 258 bytes, and may have 256"),
        (str, "\ud800", "is not Unicode text"),
        (datetime, datetime(2026, 1, 1), "without a time zone"),
        (datetime, BEFORE_ALL, "not between the years 1 and 9999 in UTC"),
        (datetime, BEHIND_ALL, "not between the years 1 and 9999 in UTC"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_a_sentence(kind: type, value: Any, sentence: str) -> None:
    with pytest.raises(PayloadError) as caught:
        key_of("amount", value, kind)
    assert sentence in str(caught.value) and "`amount`" in str(caught.value)


def test_what_was_not_declared_is_not_set() -> None:
    with pytest.raises(PayloadError, match="declares no attribute `custmer` by `search=`; there are `customer`"):
        changes_of({"customer": str}, "bill", {"custmer": "x"})
    with pytest.raises(PayloadError, match="declares no attribute `5`"):
        changes_of({"customer": str}, "bill", {5: 1})  # type: ignore[dict-item]
    with pytest.raises(PayloadError, match="it has none"):
        changes_of({}, "bill", {"customer": "x"})


def test_keys_sort_as_their_values_do_and_come_back() -> None:
    random = Random(7)
    base = datetime(2026, 1, 1, tzinfo=UTC)
    floats = [random.uniform(-1e9, 1e9) for _ in range(200)] + [0.0, float("-inf"), float("inf"), 5e-324, -5e-324]
    many: list[tuple[type, list[Any]]] = [
        (int, [random.randrange(-(1 << 63), 1 << 63) for _ in range(200)] + [0, -1, 1]),
        (float, floats),
        (bool, [False, True]),
        (datetime, [base + timedelta(microseconds=random.randrange(-(10**16), 10**16)) for _ in range(200)]),
        (str, ["", "a", "a\0", "ab", "b", "ä", "☃"]),
    ]
    for kind, each in many:
        ordered = sorted(each)
        keys = [key_of("x", value, kind) for value in ordered]
        assert keys == sorted(keys)
        assert [value_of(key) for key in keys] == ordered
    assert key_of("x", -0.0, float) == key_of("x", 0.0, float)
    here = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert key_of("x", here, datetime) == key_of("x", base, datetime)
    for bad in (b"", b"i", b"b\2\1", b"z1234", b"t" + b"\xff" * 8):
        with pytest.raises(ValueError, match="no attribute's value"):
            value_of(bad)


def admitted(asked: Any, *values: Any) -> list[Any]:
    """Of these, those that one of the ways finds."""
    (ways,) = check_sought(asked)
    return [value for value in values if any(way.admits({way.name: value}) for way in ways)]


def test_what_is_asked_for_is_found_and_nothing_else() -> None:
    numbers = (1, 2, 2.5, 3, 3.0, -7)
    assert admitted({"n": 3}, *numbers) == admitted(["n=3"], *numbers) == [3, 3.0]
    assert admitted({"n >=": 2.5}, *numbers) == admitted(["n >= 2.5"], *numbers) == [2.5, 3, 3.0]
    assert admitted({"n>": 2.5}, *numbers) == [3, 3.0]
    assert admitted({"n <": 2.5}, *numbers) == admitted(["n<2.5"], *numbers) == [1, 2, -7]
    assert admitted({"n <=": 2}, *numbers) == [1, 2, -7]
    assert admitted({"n": 2.5}, *numbers) == [2.5]
    assert admitted(["done=true"], True, False, "true") == [True, "true"]
    instant = datetime(2026, 1, 2, tzinfo=UTC)
    assert admitted(["at<2026-01-02"], instant, instant - timedelta(1)) == [instant - timedelta(1)]
    assert admitted(["name==x"], "=x", "x") == ["=x"]
    assert admitted(["name="], "", "x") == [""]
    (exact,), (wide, *_) = check_sought({"a": "x", "b >": 1})
    assert isinstance(exact, Sought) and exact.is_exact and not wide.is_exact


BEYOND = (2**63, 10**30, 10**400, float(2**63), 1e300, float("inf"))


def test_a_number_beyond_all_separates_all_from_none() -> None:
    whole = (-(2**63), -1, 0, 2**63 - 1)
    for value in BEYOND:
        assert admitted({"n <": value}, *whole) == admitted({"n <=": value}, *whole) == list(whole)
        assert admitted({"n >": -2 * value}, *whole) == admitted({"n >=": -value}, *whole) == list(whole)
        assert admitted({"n >": value}, *whole) == admitted({"n >=": value}, *whole) == []
        assert admitted({"n <": -2 * value}, *whole) == admitted({"n": value}, *whole) == []
        assert admitted([f"n<{value}"], *whole) == admitted([f"n>={-2 * value}"], *whole) == list(whole)
    assert admitted({"n <=": -float(2**63)}, *whole) == admitted({"n <": 0.5 - 2**62}, *whole) == [-(2**63)]
    assert admitted(["n>-99999999999999999999"], *whole) == admitted([f"n<{'9' * 5000}"], *whole) == list(whole)


def test_a_whole_number_beyond_all_floats_is_before_infinity() -> None:
    floats = (float("-inf"), -1e308, 0.0, 1e308, float("inf"))
    assert admitted({"f <": 10**400}, *floats) == admitted([f"f<{10**400}"], *floats) == list(floats[:-1])
    assert admitted({"f >": 10**400}, *floats) == admitted({"f >=": 10**400}, *floats) == [float("inf")]
    assert admitted({"f >": -(10**400)}, *floats) == list(floats[1:])
    assert admitted({"f <=": -(10**400)}, *floats) == [float("-inf")] and admitted({"f": 10**400}, *floats) == []
    assert admitted({"f <=": float("inf")}, *floats) == list(floats)
    assert admitted({"f": 2**53 + 1}, float(2**53 + 1)) == [2.0**53], "as it was kept"


def test_a_time_beyond_all_separates_all_from_none() -> None:
    times = tuple(each.replace(tzinfo=UTC) for each in (datetime.min, datetime(2026, 1, 1), datetime.max))
    assert admitted({"t >=": BEFORE_ALL}, *times) == admitted({"t <": BEHIND_ALL}, *times) == list(times)
    assert admitted([f"t>{BEFORE_ALL.isoformat()}"], *times) == list(times)
    assert admitted({"t <": BEFORE_ALL}, *times) == admitted({"t": BEHIND_ALL}, *times) == []


def test_what_an_attribute_takes_is_asked_for_by_the_same() -> None:
    own = uuid.uuid4()
    assert admitted({"region": Region.EAST}, "east", "Region.EAST") == ["east"]
    assert admitted({"owner": own}, str(own), own.hex) == [str(own)]
    with pytest.raises(ConfigError, match="looked for by a `list`"):
        check_sought({"region": enum.Enum("Odd", {"ONE": [1]}).ONE})  # type: ignore[attr-defined]


def test_a_sign_the_wrong_way_round_is_no_text() -> None:
    with pytest.raises(ConfigError, match=r"`n=>5` is not an attribute to look for; write `n>=5`, or `n= >5` for"):
        check_sought(["n=>5"])
    with pytest.raises(ConfigError, match=r"write `n<=5`"):
        check_sought(["n =<5"])
    assert admitted(["n= >5"], ">5", 7) == admitted({"n": ">5"}, ">5", 7) == [">5"]


def test_two_sides_of_one_attribute_are_one_range() -> None:
    (low,), (high,), (other,) = check_sought({"a >=": "b", "a <": "d", "c": "x"})
    assert together([low, high, other]) == (Sought("a", low.low, high.high), other)
    assert together([high]) == (high,) and together([]) == ()
    (early,) = check_sought({"a <": "a"})[0]
    assert together([low, early]) is None


@pytest.mark.parametrize(
    "asked",
    [
        "customer=x",
        {"a b": 1},
        {"a": [1]},
        {"a": None},
        {5: 1},
        ["customer"],
        [5],
        {"a >= 3": 1},
        {"": 1},
        {"a <": float("nan")},
    ],
)
def test_what_cannot_be_asked_for_is_refused(asked: Any) -> None:
    with pytest.raises(ConfigError):
        check_sought(asked)
