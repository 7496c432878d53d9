"""JSON forms become what the annotation names, or are refused, whatever kind of class that is."""

from __future__ import annotations

import collections
import enum
import fractions
import ipaddress
import pathlib
from collections.abc import Iterable
from dataclasses import InitVar, dataclass, field
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

import pydantic
import pytest
from hydra import codec
from hydra.errors import PayloadError
from pydantic import Field, RootModel

T = TypeVar("T")


class Permission(enum.Flag):
    READ = 1
    WRITE = 2


class Rate(enum.Enum):
    LOW = Decimal("0.07")
    HIGH = Decimal("0.19")


class Name(enum.StrEnum):
    A = "a"


class Amounts(RootModel[list[Decimal]]):
    pass


@pydantic.dataclasses.dataclass
class Priced:
    amount: Decimal = Field(default=Decimal("1.10"), gt=0)
    lines: list[int] = Field(default_factory=list)


@dataclass
class Account:
    ip: ipaddress.IPv4Address
    totals: collections.defaultdict[str, Decimal]
    priced: Priced | None = None


@dataclass
class Scaled:
    value: Decimal
    scale: InitVar[int]
    scaled: Decimal = field(init=False)

    def __post_init__(self, scale: int) -> None:
        self.scaled = self.value * scale


@dataclass
class Box(Generic[T]):
    value: T


ONE = Decimal("1.10")
TAKEN: list[tuple[Any, Any, Any]] = [
    (collections.defaultdict[str, Decimal], {"a": "1.10"}, collections.defaultdict(Decimal, {"a": ONE})),
    (collections.OrderedDict[str, Decimal], {"a": "1.10"}, collections.OrderedDict({"a": ONE})),
    (collections.Counter[str], {"a": 2}, collections.Counter({"a": 2})),
    (collections.deque[Decimal], ["1.10"], collections.deque([ONE])),
    (collections.deque[Decimal], collections.deque(["1.10"], 3), collections.deque([ONE], 3)),
    (Iterable[Decimal], ["1.10"], [ONE]),
    (ipaddress.IPv4Address, "10.0.0.1", ipaddress.IPv4Address("10.0.0.1")),
    (list[ipaddress.IPv6Network], ["::/0"], [ipaddress.IPv6Network("::/0")]),
    (fractions.Fraction, "1/3", fractions.Fraction(1, 3)),
    (pathlib.Path, "a/b", pathlib.Path("a/b")),
    (complex, [1.0, 2.0], 1 + 2j),
    (range, [0, 9, 2], range(0, 9, 2)),
    (bytearray, "AAE=", bytearray(b"\x00\x01")),
    (Permission, 3, Permission.READ | Permission.WRITE),
    (Permission, 1, Permission.READ),
    (Rate, "0.07", Rate.LOW),
    (list[Rate], ["0.07", Rate.HIGH], [Rate.LOW, Rate.HIGH]),
    (Literal[Name.A], "a", Name.A),
    (Amounts, ["1.10"], Amounts([ONE])),
    (Priced, {"amount": "5"}, Priced(amount=Decimal(5))),
    (Priced, {"lines": [1]}, Priced(lines=[1])),
    (dict[str, Priced | None], {"a": {}, "b": None}, {"a": Priced(), "b": None}),
    (Scaled, {"value": "1.10", "scale": 2}, Scaled(ONE, 2)),
    (
        Account,
        {"ip": "10.0.0.1", "totals": {"a": "1.10"}, "priced": {"amount": "1.10"}},
        Account(ipaddress.IPv4Address("10.0.0.1"), collections.defaultdict(Decimal, {"a": ONE}), Priced()),
    ),
]


@pytest.mark.parametrize(("annotation", "given", "wanted"), TAKEN, ids=lambda each: repr(each)[:60])
def test_g10_a_json_form_becomes_what_its_annotation_names(annotation: Any, given: Any, wanted: Any) -> None:
    made = codec.fit(given, annotation, "x")
    assert made == wanted and type(made) is type(wanted)
    assert codec.fit(made, annotation, "x") is made, "what is of its type stays as it is"


@pytest.mark.parametrize(
    ("annotation", "given"),
    [
        (collections.defaultdict[str, Decimal], {"a": "?"}),
        (collections.deque[Decimal], ["?"]),
        (Iterable[Decimal], ["?"]),
        (ipaddress.IPv4Address, "zz"),
        (ipaddress.IPv4Address, 5),
        (fractions.Fraction, "1/0"),
        (pathlib.Path, 5),
        (range, [0, "x"]),
        (Permission, 8),
        (Rate, "0.08"),
        (Literal[Name.A], "b"),
        (Amounts, ["?"]),
        (Priced, {"amount": "-5"}),
        (Priced, {"amount": "-5", "lines": []}),
        (list[Priced], [{"amount": "-5"}]),
        (Scaled, {"value": "1.10"}),
        (Scaled, {"value": "1.10", "scale": 2, "other": 1}),
        (Account, {"ip": "10.0.0.1", "totals": {}, "priced": {"amount": "-1"}}),
    ],
    ids=lambda each: repr(each)[:60],
)
def test_g10_what_is_no_form_of_its_annotation_is_refused_by_its_place(annotation: Any, given: Any) -> None:
    with pytest.raises(PayloadError, match="`x"):
        codec.fit(given, annotation, "x")


def test_g10_an_object_made_by_its_classs_alias_is_taken() -> None:
    made = Box[Decimal](ONE)
    assert codec.decode(codec.encode(made)) == Box(ONE)
    assert codec.encode(made) == codec.encode(Box(ONE))


@pytest.mark.parametrize("given", ["\ud800", {"\ud800": ["\udfff"]}])
def test_g10_a_refusal_shows_half_of_a_surrogate_pair(given: Any) -> None:
    with pytest.raises(PayloadError, match=r"\\ud800"):
        codec.fit(given, Decimal, "x")
