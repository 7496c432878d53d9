"""What a workflow's own code refuses, whoever has only its name is told before: the signature knows the same limits.

Each case is put to both: to the signature, as `hydra.named` and the command line do, and to the code's own arguments.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from decimal import Decimal
from typing import Annotated, Any, Literal

import pydantic
import pydantic.dataclasses
import pytest
from hydra import codec
from hydra.errors import PayloadError
from pydantic import Field


@pydantic.dataclasses.dataclass
class Card:
    digits: Annotated[int, Field(gt=3)]
    holder: str = Field(default="somebody", min_length=2)


@pydantic.dataclasses.dataclass(config=pydantic.ConfigDict(extra="forbid"))
class Strict:
    count: int
    aliased: int = Field(alias="other", default=1)


@dataclasses.dataclass
class Order:
    card: Card
    note: Any = dataclasses.field(default_factory=object)


class Price(pydantic.BaseModel):
    amount: Annotated[Decimal, Field(max_digits=5, decimal_places=2)]


class Places(pydantic.BaseModel):
    amount: Annotated[Decimal, Field(decimal_places=2)]


class Digits(pydantic.BaseModel):
    amount: Annotated[Decimal, Field(max_digits=3)]


class Packs(pydantic.BaseModel):
    count: Annotated[int, Field(multiple_of=5, ge=5)]


class Ratio(pydantic.BaseModel):
    share: Annotated[float, Field(allow_inf_nan=False)]


class Tier(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Rate(enum.Enum):
    LOW = 0.5
    HIGH = 1.0


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Forgiving(enum.Enum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> Forgiving:
        return cls.RED


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Bits(enum.IntFlag):
    READ = 1
    WRITE = 2


class Chosen(pydantic.BaseModel):
    tier: Tier


class Allowed(pydantic.BaseModel):
    access: Access


NOT_A_NUMBER, INFINITE = float("nan"), float("inf")
CASES: list[tuple[Any, list[Any], list[Any]]] = [  # a type, what its code takes, and what it refuses
    (
        Card,
        [{"digits": 5}, {"digits": "5"}, {"digits": 5, "more": 1}, Card(digits=7)],
        [{"digits": 1}, {"digits": "1"}, {"digits": True}, {"digits": 5, "holder": "a"}, {}, 5],
    ),
    (Card | None, [None, {"digits": 5}], [{"digits": 1}]),
    (list[Card], [[], [{"digits": 5}]], [[{"digits": 5}, {"digits": 1}]]),
    (dict[str, Card], [{"a": {"digits": 5}}], [{"a": {"digits": 1}}]),
    (tuple[Card, int], [[{"digits": 5}, 1]], [[{"digits": 1}, 1]]),
    (Order, [{"card": {"digits": 5}}, Order(Card(digits=5))], [{"card": {"digits": 1}}, {}]),
    (Strict, [{"count": 1}, {"count": 1, "other": 2}], [{"count": 1, "unknown": 1}, {"count": "x"}]),
    (
        Price,
        [{"amount": each} for each in ("123.45", "1.230000", "1e2", "0E-5", 100, 1.5, Decimal("1.5"))],
        [{"amount": each} for each in ("123.456", "1234", "1e3", 12345, 1.555, "0.001", Decimal("1.555"))],
    ),
    (Price, [], [{"amount": each} for each in ("NaN", "Infinity", Decimal("NaN"))]),
    (Places, [{"amount": each} for each in ("123456.7", "1.50000")], [{"amount": "0.001"}]),
    (Digits, [{"amount": each} for each in ("1.50000", "100", "0.001")], [{"amount": "1000"}, {"amount": "0.0012"}]),
    (
        Packs,
        [{"count": each} for each in (5, 10, "10", 10.0)],
        [{"count": each} for each in (7, "7", 7.0, 0, True)],
    ),
    (Ratio, [{"share": 0.5}, {"share": "0.5"}], [{"share": each} for each in ("inf", "nan", INFINITE, NOT_A_NUMBER)]),
    (Tier, [1, Tier.LARGE], [True, 1.0, 3, "1"]),
    (Colour, [1, Colour.RED], [True, 1.0, 3]),
    (Rate, [0.5, 1], [True, 0.7]),
    (Mixed, [1, "two"], [True, 1.0, "three"]),
    (Forgiving, ["red", "anything"], []),
    (Literal[1, "a"], [1, "a"], [True, 1.0, "b"]),
    (Chosen, [{"tier": each} for each in (1, "1", True, 1.0)], [{"tier": 3}, {"tier": "3"}]),
    (Access, [0, 1, 3, -1, -2, Access.READ | Access.WRITE], [4, 7, -5, True]),
    (Bits, [3, 4, -5], [True, "1"]),
    (Allowed, [{"access": 1}], [{"access": 3}, {"access": 4}]),
]
TAKEN = [(annotation, value) for annotation, taken, _ in CASES for value in taken]
REFUSED = [(annotation, value) for annotation, _, refused in CASES for value in refused]


def call(annotation: Any, value: Any) -> None:
    """As `hydra.named(…).bind(value)` is checked against the database's copy of the signature."""

    def workflow(value: Any) -> None: ...

    workflow.__annotations__["value"] = annotation
    signature = json.loads(json.dumps(codec.json_schema(workflow)))
    codec.check_call_against(signature, codec.outline([value]), {})


def fit(annotation: Any, value: Any) -> None:
    """As the workflow's own code takes it."""

    def workflow(value: Any) -> None: ...

    workflow.__annotations__["value"] = annotation
    codec.fitter_of(workflow).fit((value,), {})


@pytest.mark.parametrize(("annotation", "value"), TAKEN)
def test_what_the_code_takes_its_signature_lets_through(annotation: Any, value: Any) -> None:
    fit(annotation, value)
    call(annotation, value)


@pytest.mark.parametrize(("annotation", "value"), REFUSED)
def test_what_the_code_refuses_its_signature_refuses(annotation: Any, value: Any) -> None:
    with pytest.raises(PayloadError):
        fit(annotation, value)
    with pytest.raises(PayloadError, match="`value"):
        call(annotation, value)


def test_the_sentence_says_which_limit_it_was() -> None:
    for annotation, value, sentence in (
        (Card, {"digits": 1}, "`value.digits` must be greater than 3, not 1"),
        (Price, {"amount": "1.234"}, '`value.amount` must have at most 2 decimal places, not "1.234"'),
        (Price, {"amount": "12345"}, '`value.amount` must have at most 3 digits before the point, not "12345"'),
        (Digits, {"amount": "1000"}, '`value.amount` must have at most 3 digits, not "1000"'),
        (Ratio, {"share": "inf"}, '`value.share` must be finite, not "inf"'),
        (Packs, {"count": 7}, "`value.count` must be a multiple of 5, not 7"),
        (Access, 4, "`value` must have no bits but those of 3, not 4"),
        (Tier, True, "`value` must be one of 1, 2, not true"),
    ):
        with pytest.raises(PayloadError) as refused:
            call(annotation, value)
        assert str(refused.value) == sentence
