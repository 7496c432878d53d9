"""Plain JSON to typed arguments, and the check that needs nobody's code."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec
import pydantic
import pytest
from hydra import codec
from hydra.errors import PayloadError
from hypothesis import given

from tests.codec.values import VALUES


@dataclass
class Line:
    sku: str
    price: Decimal


class Card(pydantic.BaseModel):
    number: str
    until: date


def bill(
    lines: list[Line], due: date, currency: Literal["EUR", "USD"] = "EUR", *, card: Card | None = None, tries: int = 1
) -> None:
    """Bill it."""


SIGNATURE = json.loads(json.dumps(codec.json_schema(bill)))
LINES = [{"sku": "a", "price": "1.10"}]


@pytest.mark.parametrize(
    "call", [{"lines": LINES, "due": "2026-11-23"}, [LINES, "2026-11-23"], [LINES, "2026-11-23", "USD"]]
)
def test_json_that_fits_passes_and_is_typed(call: Any) -> None:
    codec.check_json_against(SIGNATURE, call)
    args, kwargs = codec.fitter_of(bill).fit(*((tuple(call), {}) if isinstance(call, list) else ((), call)))
    lines, due = (*args, *kwargs.values())[:2]
    assert (lines, due) == ([Line("a", Decimal("1.10"))], date(2026, 11, 23))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({"lines": LINES}, "argument `due` is missing"),
        ([], "arguments `lines`, `due` are missing"),
        ({"lines": LINES, "due": "2026-11-23", "x": 1}, "argument `x` is unknown; the workflow takes `lines`, `due`"),
        ([LINES, "2026-11-23", "EUR", 1], "4 arguments given, and the workflow takes at most 3"),
        ("x", "the arguments must be a JSON object"),
        ({"lines": 1, "due": "2026-11-23"}, "`lines` must be an array, not 1"),
        ({"lines": [{"sku": 1, "price": "1"}], "due": "2026-11-23"}, r"`lines\[0\].sku` must be a string, not 1"),
        ({"lines": [{"sku": "a", "price": "x"}], "due": "2026-11-23"}, r"`lines\[0\].price` must be a string \(dec"),
        ({"lines": [{"sku": "a"}], "due": "2026-11-23"}, r"`lines\[0\]` lacks `price`"),
        ({"lines": LINES, "due": "soon"}, r"`due` must be a string \(date\)"),
        ({"lines": LINES, "due": "2026-11-23", "currency": "GBP"}, '`currency` must be one of "EUR", "USD"'),
        ({"lines": LINES, "due": "2026-11-23", "tries": True}, "`tries` must be an integer, not true"),
        (
            {"lines": LINES, "due": "2026-11-23", "tries": float("1e400")},
            "`tries` must be an integer, not infinity, or a number as large",
        ),
        ({"lines": LINES, "due": "2026-11-23", "card": 5}, "`card` must be"),
    ],
)
def test_json_that_does_not_fit_is_refused_in_one_sentence(call: Any, sentence: str) -> None:
    with pytest.raises(PayloadError, match=sentence):
        codec.check_json_against(SIGNATURE, call)


class Slot(msgspec.Struct, tag=True):
    begins: time


class Visit(msgspec.Struct, tag=True):
    at: datetime
    next: Visit | None = None


def plan(
    at: datetime, by_name: dict[str, datetime | None], pair: tuple[int, time], what: Slot | Visit | None, note: str = ""
) -> None: ...


def test_a_time_anywhere_in_a_signature_is_one() -> None:
    signature = json.loads(json.dumps(codec.json_schema(plan)))
    noon = "2026-11-23T12:00:00Z"
    visit = {"type": "Visit", "at": noon, "next": {"type": "Visit", "at": noon}}
    good = {"at": noon, "by_name": {"a": noon, "b": None}, "pair": [1, "12:00"], "what": visit, "note": "at noon"}
    codec.check_json_against(signature, good)
    slot, lost = {"type": "Slot", "begins": "noon"}, {**visit, "next": {"type": "Visit", "at": "noon"}}
    bad = [{"at": "noon"}, {"by_name": {"a": "noon"}}, {"pair": [1, "noon"]}, {"what": slot}, {"what": lost}]
    for part in bad:
        with pytest.raises(PayloadError, match=r"noon|`what`"):
            codec.check_json_against(signature, good | part)


@pytest.mark.parametrize(
    ("annotation", "text"), [(timedelta, "1 day"), (date, "23.11.2026"), (uuid.UUID, "urn:uuid:12"), (bytes, "a")]
)
def test_a_text_that_will_not_be_read_is_refused_before(annotation: type, text: str) -> None:
    def take(value: Any) -> None: ...

    take.__annotations__["value"] = annotation
    with pytest.raises(PayloadError, match="`value` must be a string"):
        codec.check_json_against(codec.json_schema(take), [text])


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(PayloadError, match=r"`lines\[0\]` has no `prise`; it takes `sku`, `price`"):
        codec.check_json_against(SIGNATURE, [[{"sku": "a", "price": "1", "prise": "2"}], "2026-11-23"])


def test_from_json_reads_what_json_lacks() -> None:
    one = uuid.uuid4()
    assert codec.from_json("1.10", Decimal) == Decimal("1.10")
    assert codec.from_json(str(one), uuid.UUID) == one
    assert codec.from_json("aGk=", bytes) == b"hi"
    assert codec.from_json("P1D", timedelta) == timedelta(days=1)
    assert codec.from_json("2026-11-23T10:00:00", datetime) == datetime(2026, 11, 23, 10)
    assert codec.from_json({"number": "1", "until": "2026-11-23"}, Card | None) == Card(
        number="1", until=date(2026, 11, 23)
    )
    assert codec.from_json([{"sku": "a", "price": 1}], list[Line | Card]) == [Line("a", Decimal(1))]


def test_from_json_refuses_in_one_sentence() -> None:
    with pytest.raises(PayloadError, match=r"`\$` does not fit `int`"):
        codec.from_json("many", int)
    with pytest.raises(PayloadError, match="does not fit"):
        codec.from_json({"number": 1}, Card)


@given(VALUES)
def test_any_value_can_be_shown_as_json(value: Any) -> None:
    json.dumps(codec.to_jsonable(value))
    assert codec.describe(codec.encode(value)) == codec.to_jsonable(value)


def test_values_are_shown_readably() -> None:
    value = {"when": date(2026, 11, 23), "amount": Decimal("1.10"), (1, 2): {3}, "line": Line("a", Decimal(1))}
    assert codec.describe(codec.encode(value)) == {
        "when": "2026-11-23",
        "amount": "1.10",
        "[1,2]": [3],
        "line": {"sku": "a", "price": "1"},
    }
