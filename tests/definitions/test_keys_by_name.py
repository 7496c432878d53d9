"""A call by name has the keys and attributes that it has with the code, or is refused: never others."""

from __future__ import annotations

import enum
import itertools
import json
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType, TypedDict

import hydra
import msgspec
import pytest
from hydra.call_terms import CallTerms, registered_terms
from hydra.errors import ConfigError, PayloadError
from hydra.worker.imported_app import describe_call

NAMES = itertools.count()
CAPITALS = "C0FFEE00-1111-4222-8333-444455556666"
Account = NewType("Account", uuid.UUID)


NO_ACCOUNT = uuid.UUID(int=1)


class Plan(enum.Enum):
    FREE = "free"


class Loose(enum.Enum):
    FREE = "free"

    @classmethod
    def _missing_(cls, value: object) -> Loose:
        return cls.FREE


class Struct(msgspec.Struct):
    ref: uuid.UUID


class Renamed(msgspec.Struct, rename="camel"):
    the_ref: str


class Loud(msgspec.Struct):
    ref: str

    def __post_init__(self) -> None:
        self.ref = self.ref.upper()


class Typed(TypedDict):
    ref: Decimal


@dataclass
class Computed:
    ref: str = field(init=False, default="x")


@dataclass
class Deep:
    ref: uuid.UUID = NO_ACCOUNT
    account: Account | None = None
    amount: Decimal = Decimal(0)
    day: date | None = None
    at: datetime | None = None
    hour: time | None = None
    text: str = "t"
    short: Annotated[str, msgspec.Meta(max_length=9)] = "s"
    count: int = 0
    plan: Plan = Plan.FREE
    loose: Loose = Loose.FREE
    way: Literal["air", "sea"] = "air"
    anything: Any = None
    either: str | uuid.UUID = ""


@dataclass
class Box:
    deep: Deep = field(default_factory=Deep)
    rows: dict[str, Struct] | None = None
    loud: Loud | None = None
    typed: Typed | None = None
    renamed: Renamed | None = None
    computed: Computed | None = None
    pair: tuple[str, str] | None = None


def both_ways(key: str, annotation: Any, value: Any, search: type | None = None) -> tuple[Any, Any]:
    """With the code, and by what is registered; a refusal's class where it is refused."""

    def billed(x: Any) -> None: ...

    billed.__annotations__ = {"x": annotation}
    options: dict[str, Any] = {"search": {"x": search}} if search else {"limits": [hydra.Concurrency(1, key=key)]}
    flow: Any = hydra.workflow(name=f"by_name_{next(NAMES)}", **options)(billed)
    registered = json.loads(msgspec.json.encode(describe_call(flow)))

    def found(terms: Any) -> Any:
        try:
            known: CallTerms = terms()
        except (ConfigError, PayloadError) as error:
            return type(error)
        return known.attributes if search else [each.split(":", 2)[2] for each in known.limit_keys or ()]

    return (
        found(lambda: flow.terms((value,), {})),
        found(lambda: registered_terms(registered, flow.name, (value,), {}, None)),
    )


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("ref", CAPITALS, CAPITALS.lower()),
        ("ref", uuid.UUID(CAPITALS), CAPITALS.lower()),
        ("account", CAPITALS.replace("-", ""), CAPITALS.lower()),
        ("account", None, ""),
        ("amount", "01.50", "1.50"),
        ("day", "2026-11-30", "2026-11-30"),
        ("at", "2026-11-30T10:00:00Z", "2026-11-30T10:00:00+00:00"),
        ("hour", "10:00:00", "10:00:00"),
        ("text", CAPITALS, CAPITALS),
        ("short", "abc", "abc"),
        ("count", 7, "7"),
        ("plan", "free", "free"),
        ("way", "sea", "sea"),
        ("anything", CAPITALS, CAPITALS),
    ],
)
def test_a_field_of_a_field_has_one_key(name: str, given: Any, text: str) -> None:
    assert both_ways(f"x.deep.{name}", Box, {"deep": {name: given}}) == ([text], [text])


def test_fields_of_dicts_and_structs_have_one_key() -> None:
    for key, value in (("x.rows.a.ref", {"rows": {"a": {"ref": CAPITALS}}}), ("x.rows.a.ref", {"rows": None})):
        with_code, by_name = both_ways(key, Box, value)
        assert with_code == by_name and with_code in ([CAPITALS.lower()], [""])
    assert both_ways("x.typed.ref", Box, {"typed": {"ref": "01.50"}}) == (["1.50"], ["1.50"])


@pytest.mark.parametrize(
    ("key", "value", "with_code"),
    [
        ("x.deep.ref", {"deep": {}}, [str(NO_ACCOUNT)]),
        ("x.deep.ref", {}, [str(NO_ACCOUNT)]),
        ("x.deep.loose", {"deep": {"loose": "other"}}, ["free"]),
        ("x.loud.ref", {"loud": {"ref": "acme"}}, ["ACME"]),
        ("x.computed.ref", {"computed": {}}, ["x"]),
        ("x.renamed.the_ref", {"renamed": {"theRef": "acme"}}, ["acme"]),
    ],
)
def test_what_only_the_code_can_say_is_refused_by_name(key: str, value: Any, with_code: list[str]) -> None:
    assert both_ways(key, Box, value) == (with_code, ConfigError)


def test_a_field_of_two_types_or_of_no_name_is_refused_by_name() -> None:
    assert both_ways("x.deep.either", Box, {"deep": {"either": CAPITALS}})[1] is ConfigError
    assert both_ways("x.pair.first", Box, {"pair": ["a", "b"]})[1] is ConfigError


def test_an_enum_that_reads_other_values_is_refused_by_name() -> None:
    assert both_ways("x", Loose, "other") == (["free"], ConfigError)
    assert both_ways("x", Loose | None, "other") == (["free"], ConfigError)
    assert both_ways("x", Plan, "free") == (["free"], ["free"])
    assert both_ways("x", Loose, "other", str) == ({"x": b"sfree"}, ConfigError)
    assert both_ways("x", Plan, "free", str) == ({"x": b"sfree"},) * 2


@pytest.mark.parametrize("annotation", [Decimal, date, time])
def test_an_attribute_that_is_no_text_with_the_code_is_none_by_name(annotation: Any) -> None:
    given = {Decimal: "01.50", date: "2026-11-30", time: "10:00:00"}[annotation]
    assert both_ways("x", annotation, given, str) == (PayloadError, PayloadError)
    assert both_ways("x", uuid.UUID, CAPITALS, str) == ({"x": b"s" + CAPITALS.lower().encode()},) * 2


def test_a_text_that_is_no_such_value_is_refused() -> None:
    assert both_ways("x.deep.ref", Box, {"deep": {"ref": "no-id"}}) == (PayloadError, PayloadError)
