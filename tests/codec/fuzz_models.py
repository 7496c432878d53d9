"""Pydantic models of every kind and what they are given: a sender refuses nothing that the model would take."""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import pathlib
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pydantic
from hydra import codec
from hydra.values.jsonschema import mismatch
from hydra.values.schemas import schema_of
from hypothesis import strategies as st
from typing_extensions import TypedDict


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Word(enum.StrEnum):
    YES = "yes"


class Address(TypedDict, total=False):
    street: str
    number: int


@dataclasses.dataclass
class Line:
    sku: str
    count: int = 1


class Card(pydantic.BaseModel):
    kind: Literal["card"]
    number: int = pydantic.Field(alias="no")


class Cash(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    kind: Literal["cash"] = "cash"


class Tree(pydantic.BaseModel):
    children: list[Tree] = []
    at: date | None = None


class Names(pydantic.RootModel[list[str]]):
    pass


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


FIELDS: list[Any] = [
    *(int, float, bool, str, bytes, Decimal, date, datetime, time, timedelta, UUID, Any, None, list, dict),
    *(Colour, Size, Word, Address, Line, Card, Cash, Tree, Names),
    *(pathlib.PurePath, ipaddress.IPv4Address, pydantic.AnyUrl, pydantic.SecretStr, pydantic.Json[int]),
    *(Literal["a", 1], Literal[True], pydantic.StrictInt, pydantic.PositiveInt, complex, type, Callable),
    Annotated[int, pydantic.Field(ge=1, lt=10)],
    Annotated[float, pydantic.Field(gt=0.1)],
    Annotated[Decimal, pydantic.Field(ge=Decimal("0.01"), max_digits=4)],
    Annotated[str, pydantic.Field(min_length=2, max_length=3)],
    Annotated[str, pydantic.StringConstraints(strip_whitespace=True, max_length=3)],
    Annotated[list[int], pydantic.Field(min_length=1, max_length=2)],
    Annotated[list[str], pydantic.BeforeValidator(_split)],
    Annotated[int, pydantic.PlainValidator(len)],
    Annotated[int, pydantic.WrapValidator(lambda value, inner: 0 if value == "none" else inner(value))],
    Annotated[int, pydantic.AfterValidator(abs)],
    Annotated[Card | Cash, pydantic.Field(discriminator="kind")],
]
ANNOTATIONS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(FIELDS),
    lambda inner: st.one_of(
        inner.map(lambda each: list[each]),  # type: ignore[valid-type]
        inner.map(lambda each: set[each]),  # type: ignore[valid-type]
        inner.map(lambda each: tuple[each, ...]),  # type: ignore[valid-type]
        st.tuples(inner, inner).map(lambda two: tuple[two[0], two[1]]),  # type: ignore[valid-type]
        inner.map(lambda each: dict[str, each]),  # type: ignore[valid-type]
        inner.map(lambda each: Annotated[each, "note"] | None),
    ),
    max_leaves=2,
)
TEXTS = st.sampled_from(
    [
        *("", "a", "ab", " ab ", "abcd", "1", "0", "-1", " 7 ", "5.0", "5.5", "1e3", "1_000", "0.1", "NaN", "Infinity"),
        *("true", "off", "red", "yes", "cash", "card", "none", "a,b", "soon", "\u0663", "127.0.0.1", "http://a.b"),
        *("2026-11-29", "2026-11-29T10:00:00Z", "10:00", "P1D", "1 day", "1 day, 10:00:00", "1764410400"),
        *("12345678-1234-5678-1234-567812345678", "urn:uuid:12345678-1234-5678-1234-567812345678"),
    ]
)
NUMBERS = st.sampled_from([0, 1, 2, 9, 10, 2**70, 0.0, 1.0, 0.1, 7.5, -1.5, float("nan"), float("inf"), 1764410400])
EXACT = st.sampled_from([Decimal("0.01"), Decimal("5"), Decimal("1E+400"), Decimal("NaN"), date(2026, 11, 29)])
OBJECTS = st.sampled_from([b"5", b"1234567812345678", Line("a"), Word.YES, Cash(), Names(["a"])])
OTHERS = st.sampled_from([None, True, False, time(10), timedelta(1), UUID(int=5), datetime(2026, 11, 29)])
PLAIN = st.one_of(TEXTS, NUMBERS, EXACT, OBJECTS, OTHERS)
KEYS = st.sampled_from(["kind", "no", "number", "street", "sku", "count", "children", "at", "field", "other", "1"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
    ),
    max_leaves=5,
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "extra": st.sampled_from(["allow", "forbid", "ignore"]),
        "strict": st.booleans(),
        "validate_by_name": st.booleans(),
        "coerce_numbers_to_str": st.booleans(),
        "str_strip_whitespace": st.booleans(),
        "use_enum_values": st.booleans(),
    },
)
ALIASES = st.sampled_from(
    [None, "other", "number", pydantic.AliasChoices("other", "no"), pydantic.AliasPath("other", 0)]
)


def check_model(annotation: Any, config: Any, alias: Any, is_optional: bool, value: Any, more: dict[str, Any]) -> str:
    """`value` for a field of the model, with whatever else is beside it."""
    options: dict[str, Any] = {} if alias is None else {"validation_alias": alias}
    if is_optional:
        options["default"] = None
    field: Any = pydantic.Field(**options)
    model = pydantic.create_model("Made", __config__=config, field=(annotation, field))
    given = {**more, alias if isinstance(alias, str) else "field": value}
    schema = schema_of(model)
    assert schema, "a model has a schema"
    problem = mismatch(codec.outline(given), schema, "value")
    try:
        model.model_validate(given)
    except Exception:  # validators of the user's own take part
        return "refused" if problem else "left to the worker"
    assert problem is None, f"{problem}, of {given!r:.300} for {annotation}"
    return "taken"


MODELS = st.tuples(ANNOTATIONS, CONFIGS, ALIASES, st.booleans(), VALUES, st.dictionaries(KEYS, PLAIN, max_size=2))
