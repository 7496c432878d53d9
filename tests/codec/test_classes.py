"""G10: objects of users' classes come back as they went in, or are refused at once with a sentence that says why."""

from __future__ import annotations

import collections
import enum
import functools
import ipaddress
import pathlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import msgspec
import pydantic
import pytest
from hydra import codec
from hydra.errors import PayloadError

T = TypeVar("T")


@dataclass(frozen=True)
class Money:
    amount: Decimal
    currency: str = "EUR"


class Place(NamedTuple):
    street: str
    number: int = 1


class Colour(enum.Enum):
    RED = "red"


class Odd(enum.Enum):
    """Members whose values are no plain ones."""

    MONEY = Money(Decimal(1))
    PLACE = Place("a", 2)
    COLOUR = Colour.RED
    PAIR = (1, "x")
    NAN = float("nan")
    LIST = [1]  # noqa: RUF012
    CODE = functools.partial(int, "7")


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Invoice(pydantic.BaseModel):
    """Each alias is another field's name."""

    gross: Decimal = pydantic.Field(alias="amount")
    amount: Decimal = pydantic.Field(alias="net")


class Patch(pydantic.BaseModel):
    name: str = "nobody"
    limit: int | None = None
    _seen: list[str] = pydantic.PrivateAttr(default_factory=list)
    _plain: int = 1


class Loose(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    a: int = pydantic.Field(alias="b")


class Boxed(pydantic.BaseModel, Generic[T]):
    item: T


class Names(pydantic.RootModel[list[str]]):
    pass


@pydantic.dataclasses.dataclass
class Checked:
    amount: Decimal


@dataclass
class Counted:
    base: int

    def __post_init__(self) -> None:
        self.total = self.base * 2

    @functools.cached_property
    def lock(self) -> object:
        return object()


class Picky(msgspec.Struct):
    amount: int

    def __post_init__(self) -> None:
        if self.amount == 13:
            raise ValueError("not thirteen")


@dataclass
class Tree:
    children: list[Any] = field(default_factory=list)


class Cents(int):
    pass


class Word(str):
    pass


class Moment(datetime):
    pass


class Key(UUID):
    pass


def back(value: Any, annotation: Any = Any) -> Any:
    return codec.decode(codec.encode(value), annotation)


@pytest.mark.parametrize("annotation", [Any, object, set[Money], frozenset[Any], list[Money], dict[Money, Any]])
@pytest.mark.parametrize(
    "value",
    [
        {Money(Decimal("1.10")), Money(Decimal(2))},
        frozenset({Money(Decimal(1)), Place("a")}),
        {Money(Decimal(1)): 1, Colour.RED: 2, Place("x", 3): Money(Decimal(3))},
        {"by": {(Money(Decimal(1)), Colour.RED): [Place("b")]}},
    ],
)
def test_g10_objects_are_elements_of_sets_and_keys_of_dicts(value: Any, annotation: Any) -> None:
    assert back(value, annotation) == value
    assert {type(item) for item in back(value)} == {type(item) for item in value}
    codec.decode_plain(codec.encode(value))
    codec.describe(codec.encode(value))


@pytest.mark.parametrize("member", list(Odd), ids=lambda member: member.name)
@pytest.mark.parametrize("annotation", [Any, Odd, Odd | None, object, str])
def test_g10_an_enum_may_have_any_value(member: Odd, annotation: Any) -> None:
    assert back(member, annotation) is member
    assert back({member: [member]}, dict[Any, list[Odd]]) == {member: [member]}


def test_g10_a_flag_of_several_comes_back() -> None:
    both = Rights.READ | Rights.WRITE
    assert back(both) == both
    assert type(back(both)) is Rights


def test_a_member_that_the_enum_has_lost_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = codec.encode([Colour.RED])

    class Fewer(enum.Enum):
        BLUE = "blue"

    monkeypatch.setitem(globals(), "Colour", Fewer)
    with pytest.raises(PayloadError, match="has no member 'red' any more"):
        codec.decode(payload)


def test_g10_a_model_whose_alias_is_another_fields_name_keeps_both_amounts() -> None:
    invoice = Invoice(amount=Decimal(119), net=Decimal(100))
    for annotation in (Any, Invoice, Invoice | None):
        assert (back(invoice, annotation).gross, back(invoice, annotation).amount) == (Decimal(119), Decimal(100))
    raw = {"amount": Decimal(119), "net": Decimal(100)}
    assert codec.decode(codec.encode(raw), Invoice) == invoice


def test_g10_a_model_knows_which_fields_were_set() -> None:
    patch = back(Patch(limit=None))
    assert patch.model_fields_set == {"limit"}
    assert patch.model_dump(exclude_unset=True) == {"limit": None}
    assert back(Patch()).model_fields_set == set()
    assert back(Patch(name="a", limit=1)).model_fields_set == {"name", "limit"}


def test_g10_a_model_keeps_its_private_attributes() -> None:
    patch = Patch(name="a")
    patch._seen.append("x")
    patch._plain = 2
    assert (back(patch)._seen, back(patch)._plain, back(patch)) == (["x"], 2, patch)
    bare = back(Patch.model_construct(name="a"))
    assert (bare._seen, bare._plain) == ([], 1)


def test_g10_models_of_other_kinds_come_back() -> None:
    values = [Loose(b=1, c=Money(Decimal(1))), Boxed[int](item=1), Boxed(item="x"), Names(["a"]), Checked(Decimal(1))]
    assert back(values) == values
    assert [type(value) for value in back(values)] == [type(value) for value in values]
    assert back(values[0]).model_extra == {"c": Money(Decimal(1))}


def test_a_model_with_two_values_of_one_name_is_refused() -> None:
    with pytest.raises(PayloadError, match=r"of one name, `a`; rename one"):
        codec.encode(Loose(b=1, a=2))


def test_g10_what_a_dataclass_carries_beside_its_fields_comes_back() -> None:
    counted = Counted(2)
    counted.total = 5
    _ = counted.lock
    assert vars(back(counted)) == {"base": 2, "total": 5}
    counted.total = object()
    with pytest.raises(PayloadError, match=r"\.total: object of type `object` cannot be encoded"):
        codec.encode(counted)


def test_a_digest_does_not_see_what_stands_behind_the_fields() -> None:
    """So that what was recorded before it was kept is the same call."""
    seen, unseen = Patch(name="a", limit=1), Patch(name="a", limit=1)
    seen._seen.append("x")
    assert codec.encode_call((seen,), {})[1] == codec.encode_call((unseen,), {})[1]
    assert codec.encode_call((seen,), {})[1] == codec.encode_call(({"limit": 1, "name": "a"},), {})[1]


def test_a_value_whose_own_constructor_refuses_it_is_refused_at_once() -> None:
    assert back([Picky(1)]) == [Picky(1)]
    refused = Picky(1)
    refused.amount = 13
    with pytest.raises(PayloadError, match="Python cannot build: not thirteen"):
        codec.encode([refused])


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict([("b", 1), ("a", Money(Decimal(1)))]),
        collections.Counter("hydra"),
        collections.deque([1, Money(Decimal(1))], maxlen=3),
        collections.deque(),
        collections.defaultdict(list, {Place("a"): [1]}),
        collections.defaultdict(None, {1: 2}),
        1 + 2j,
        range(1, 10, 3),
        Fraction(1, 3),
        pathlib.PurePosixPath("/a/b"),
        pathlib.Path("c"),
        pathlib.PureWindowsPath("c:\\d"),
        ipaddress.ip_address("10.0.0.1"),
        ipaddress.ip_address("fe80::1%eth0"),
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("fe80::/64"),
        ipaddress.ip_interface("10.0.0.1/8"),
        ipaddress.ip_interface("fe80::1/64"),
        bytearray(b"a"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_g10_classes_of_pythons_own_come_back(value: Any) -> None:
    for annotation in (Any, type(value), object, dict[str, Any]):
        found = back(value, annotation)
        assert (type(found), found) == (type(value), value)
    assert back({"in": [value]}) == {"in": [value]}
    if isinstance(value, collections.deque):
        assert back(value).maxlen == value.maxlen
    if isinstance(value, collections.defaultdict):
        assert back(value).default_factory is value.default_factory
    codec.decode_plain(codec.encode([value]))
    assert codec.describe(codec.encode([value])) is not None


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (Cents(1), r"`.*\.Cents` cannot be encoded: it is a subclass of int; use `int\(value\)`"),
        (Word("a"), r"it is a subclass of str; use `str\(value\)`"),
        (Moment(2026, 1, 1), "it is a subclass of datetime; use a plain datetime"),
        (Key(int=1), r"use `UUID\(int=value.int\)`"),
        (memoryview(b"a"), r"use `bytes\(value\)`"),
        (ValueError("x"), "an exception is no value; raise it"),
        (collections.defaultdict(lambda: 1), r"a defaultdict of this factory cannot be encoded; use `dict\(value\)`"),
        (object(), "hydra takes None, bool, int"),
    ],
    ids=lambda item: type(item).__name__,
)
def test_g10_what_is_not_taken_is_refused_with_what_to_use(value: Any, sentence: str) -> None:
    with pytest.raises(PayloadError, match=sentence):
        codec.encode({"a": [value]})


def _local_class() -> Any:
    @dataclass(frozen=True)
    class Local:
        a: int

    return Local


def test_g10_a_class_that_nobody_finds_is_refused_unless_an_annotation_names_it() -> None:
    local = _local_class()

    def of(function: Callable[..., Any]) -> codec.Signature:
        return codec.Signature.of(function)

    def named() -> Any: ...

    named.__annotations__["return"] = local

    def bare(): ...  # type: ignore[no-untyped-def]

    with pytest.raises(PayloadError, match=r"no class is found by that name; define it at the top of a module"):
        codec.encode([local(1)])
    with pytest.raises(PayloadError, match="which is not found"):
        of(bare).encode_result(local(1))
    with pytest.raises(PayloadError):
        of(bare).encode_proven_result(local(1))
    assert of(named).encode_result(local(1))[1] == local(1)
    assert of(named).decode_result(of(named).encode_proven_result(local(1))) == local(1)


def test_g10_an_input_is_proven_to_decode_before_it_is_submitted() -> None:
    local = _local_class()

    def takes(value: Any) -> None: ...

    takes.__annotations__["value"] = local

    def takes_any(value: Any) -> None: ...

    payload, _ = codec.encode_input(takes, (local(1),), {})
    assert codec.decode_call(payload, takes) == ((local(1),), {})
    for function in (takes_any, None):
        with pytest.raises(PayloadError, match=r"no class is found by that name|which is not found"):
            codec.encode_input(function, (local(1),), {})


def test_objects_nested_deeper_than_python_could_make_them_again_are_refused_in_one_sentence() -> None:
    tree = Tree()
    for _ in range(98):
        tree = Tree([tree])
    assert back(tree, Tree) == tree
    for _ in range(2):
        tree = Tree([tree])
    with pytest.raises(PayloadError, match="nested more than 100 deep, or contain themselves; keep the deep part"):
        codec.encode(tree)


PROGRAM = """
import enum, sys
from dataclasses import dataclass
from hydra import codec

@dataclass
class Card:
    number: str

class Kind(enum.Enum):
    A = "a"

class Declined(Exception):
    pass

if __name__ == "__main__":
    payload = codec.encode([Card("1"), Kind.A])
    assert b"{name}:Card" in payload, payload
    card, kind = codec.decode(payload)
    assert type(card) is Card and kind is Kind.A
    failure = codec.decode_failure(codec.encode_failure(Declined("no")))
    assert failure.exception_type == "{name}:Declined", failure
    assert type(codec.rebuild_exception(failure)) is Declined
    assert "{name}" == "__main__" or "{name}" not in sys.modules
    print(payload.hex())
"""


@pytest.mark.parametrize("started", [["billing_app.py"], ["-m", "billing_app"]], ids=["as a file", "as a module"])
def test_g10_classes_of_the_program_that_was_started_are_themselves(tmp_path: pathlib.Path, started: list[str]) -> None:
    (tmp_path / "billing_app.py").write_text(PROGRAM.replace("{name}", "billing_app"))
    said = subprocess.run([sys.executable, *started], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    read = "import sys; from hydra import codec; print(codec.decode(bytes.fromhex(sys.argv[1])))"
    found = subprocess.run(
        [sys.executable, "-c", read, said.stdout.strip()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.stdout == "[Card(number='1'), <Kind.A: 'a'>]\n", found.stderr


def test_g10_a_program_that_nobody_can_import_keeps_its_classes(tmp_path: pathlib.Path) -> None:
    (tmp_path / "billing-app.py").write_text(PROGRAM.replace("{name}", "__main__"))
    said = subprocess.run([sys.executable, "billing-app.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
