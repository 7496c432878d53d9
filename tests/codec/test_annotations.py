"""G10: Enum, dataclass, Struct, pydantic model and NamedTuple come back where an annotation names them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
    Union,
)

import msgspec
import pydantic
import pytest
from hydra import codec
from hydra.errors import ConfigError, PayloadError

from tests.codec.values import same

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Word(enum.StrEnum):
    A = "a"


@dataclass
class Line:
    sku: str
    price: float


@dataclass(frozen=True, slots=True)
class Invoice:
    id: str
    lines: list[Line]
    colour: Colour | None = None
    parent: Optional[Invoice] = None  # noqa: UP045
    total: Decimal = Decimal(0)


@dataclass
class Twin:
    sku: str
    price: float


@dataclass
class Detailed(Line):
    note: str = ""


@dataclass
class Computed:
    base: int
    doubled: int = field(init=False)

    def __post_init__(self) -> None:
        self.doubled = self.base * 2


@dataclass
class Box(Generic[T]):
    item: T


@dataclass
class LineBox(Box[Line]):
    pass


class Point(NamedTuple):
    x: int
    colour: Colour


class Record(msgspec.Struct):
    a: int
    line: Line
    later: int | msgspec.UnsetType = msgspec.UNSET


class Tagged(msgspec.Struct, tag=True, rename="camel", frozen=True):
    first_name: str


class Model(pydantic.BaseModel):
    amount: float
    invoices: list[Invoice]
    child: Model | None = None


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    a: int = pydantic.Field(alias="b")


class Typed(TypedDict):
    line: Line
    count: NotRequired[int]


class LineTree(TypedDict):
    line: Line
    branches: list[LineTree]


Key = NewType("Key", Colour)
INVOICE = Invoice("1", [Line("a", 2)], Colour.RED, Invoice("0", []), Decimal("1.10"))

CASES: list[tuple[Any, Any]] = [
    (INVOICE, Invoice),
    ([INVOICE], list[Invoice]),
    ((INVOICE,), list[Invoice]),
    ({"a": INVOICE}, dict[str, Invoice]),
    ((INVOICE, 1), tuple[Invoice, int]),
    ((INVOICE, INVOICE), tuple[Invoice, ...]),
    (None, Optional[Invoice]),  # noqa: UP045
    (INVOICE, Invoice | Line),
    (Line("a", 1), Union[Twin, Line, int]),  # noqa: UP007
    (Twin("a", 1), Line | Twin),
    (Size.RED, Colour | Size),
    (Colour.RED, Size | Colour | None),
    ({Colour.RED}, set[Colour]),
    ({Colour.RED: INVOICE}, dict[Colour, Invoice]),
    (Level.LOW, Level),
    (Access.READ | Access.WRITE, Access),
    (Word.A, Word | str),
    ("a", Word | str),
    (Detailed("a", 1, "n"), Line),
    (Computed(2), Computed),
    (Box(INVOICE), Box[Invoice]),
    (Box([Line("a", 1)]), Box[list[Line]]),
    (LineBox(Line("a", 1)), LineBox),
    (LineBox(Line("a", 1)), Box[Line]),
    (Point(1, Colour.RED), Point),
    ([Point(1, Colour.RED)], list[Point | None]),
    (Record(1, Line("a", 1)), Record),
    (Record(1, Line("a", 1), 5), Record),
    (Tagged("x"), Tagged | Record),
    (Model(amount=1, invoices=[INVOICE], child=Model(amount=2, invoices=[])), Model),
    (Open(b=1, more={"$x": 2}), Open),
    ({"line": Line("x", 1)}, Typed),
    ({"line": Line("x", 1), "branches": [{"line": Line("y", 1), "branches": []}]}, LineTree),
    (Colour.RED, Annotated[Key, "note"]),
    ("x", Literal["x", "y"]),
    ({"any": [1, 2.0]}, dict[str, Any]),
    ({"a": 1}, Invoice),
    ("purple", Colour),
    (1, Invoice | None),
]


@pytest.mark.parametrize(("value", "annotation"), CASES, ids=lambda item: str(item)[:40])
def test_g10_an_annotated_value_comes_back_as_it_went_in(value: Any, annotation: Any) -> None:
    back = codec.decode(codec.encode(value), annotation)
    assert type(back) is type(value)
    assert back == value
    assert same(codec.decode(codec.encode(back)), codec.decode(codec.encode(value)))


def test_g10_fields_keep_the_types_of_their_values() -> None:
    line = codec.decode(codec.encode(Line("a", 2)), Line)
    assert type(line.price) is int
    model = Model.model_construct(amount=3, invoices=[])
    assert type(codec.decode(codec.encode(model), Model).amount) is int


def test_g10_without_an_annotation_objects_are_of_the_class_they_were() -> None:
    values = [Colour.RED, Line("a", 1), Point(1, Colour.RED), INVOICE, Record(1, Line("a", 1))]
    for annotation in (Any, object, list[Any], list[str | Line], list[Twin]):
        assert codec.decode(codec.encode(values), annotation) == values
    assert codec.decode(codec.encode({"x": Colour.RED, "y": INVOICE}), dict[str, str | Line])["x"] is Colour.RED


def test_for_people_objects_are_their_fields() -> None:
    payload = codec.encode([Colour.RED, Line("a", 1), Point(1, Colour.RED)])
    assert codec.decode_plain(payload) == ["red", {"sku": "a", "price": 1}, (1, "red")]


def test_plain_fields_become_the_annotated_class() -> None:
    raw = {"id": "1", "lines": [{"sku": "a", "price": 1}], "colour": "red"}
    assert codec.decode(codec.encode(raw), Invoice) == Invoice("1", [Line("a", 1)], Colour.RED)
    assert codec.decode(codec.encode(raw), Invoice | dict[str, Any]) == raw
    assert codec.decode(codec.encode({"firstName": "x"}), Tagged) == Tagged("x")
    assert codec.decode(codec.encode({"b": 1}), Open) == Open(b=1)


def test_a_constructor_that_refuses_plain_fields_is_a_payload_error() -> None:
    with pytest.raises(PayloadError, match="refused"):
        codec.decode(codec.encode({"amount": "much", "invoices": []}), Model)


def test_a_field_that_the_class_has_gained_takes_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Longer:
        sku: str
        price: float
        extra: list[int] = field(default_factory=list)

    payload = codec.encode(Line("a", 1))
    monkeypatch.setitem(globals(), "Line", Longer)
    assert codec.decode(payload, Longer) == codec.decode(payload) == Longer("a", 1, [])


def test_a_class_that_moved_is_still_the_annotated_class(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = codec.encode({"lines": [Line("a", 1)], "colour": Colour.RED})
    monkeypatch.delitem(globals(), "Line")
    monkeypatch.delitem(globals(), "Colour")
    assert codec.decode(payload, dict[str, list[Twin] | Size]) == {"lines": [Twin("a", 1)], "colour": Size.RED}
    with pytest.raises(PayloadError, match=r"class `tests.codec.test_annotations:(Line|Colour)`, which is not found"):
        codec.decode(payload)


def test_g10_an_object_of_another_class_than_the_annotation_says_stays_what_it_is() -> None:
    assert codec.decode(codec.encode(Line("a", 1)), Twin) == Line("a", 1)
    assert codec.decode(codec.encode(Word.A), Colour) is Word.A


def test_the_digest_of_a_call_does_not_see_where_a_class_lives() -> None:
    left = codec.encode_call((Line("a", 1), Colour.RED), {})[1]
    assert left == codec.encode_call((Twin("a", 1), Size.RED), {})[1]
    assert left == codec.encode_call(({"price": 1, "sku": "a"}, "red"), {})[1]


def test_a_call_is_typed_by_the_functions_annotations() -> None:
    def bill(invoice: Invoice, *colours: Colour, amount: float = 1, **lines: Line) -> Box[Line]: ...

    args, kwargs = (INVOICE, Colour.RED, Colour.BLUE), {"amount": 2, "x": Line("a", 1)}
    payload, digest = codec.encode_call(args, kwargs)
    assert codec.decode_call(payload, bill) == (args, kwargs)
    assert len(digest) == 16
    assert codec.encode_calls([(args, kwargs)]) == [(payload, digest)]
    result = codec.encode(Box(Line("a", 1)))
    assert codec.Signature.of(bill).decode_result(result) == Box(Line("a", 1))


def test_a_class_of_the_enclosing_function_is_found_when_the_body_uses_it() -> None:
    @dataclass
    class Local:
        a: int

    def work(value: Local) -> Local:
        return Local(value.a)

    payload, _ = codec.encode_call((Local(1),), {})
    assert codec.decode_call(payload, work) == ((Local(1),), {})


def test_an_annotation_that_cannot_be_resolved_is_a_config_error() -> None:
    def work(value: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigError, match="Missing"):
        codec.Signature.of(work).check()
