"""`hydra.Secret`: recorded and compared as what it hides, shown by nothing that prints it."""

from __future__ import annotations

import copy
import dataclasses
import enum
import json
import pickle
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import hydra
import msgspec
import orjson
import pydantic
import pytest
from hydra import Secret, codec
from hydra.client import arguments
from hydra.client.arguments import read_call
from hydra.client.plain_json import encode_json
from hydra.values.schemas import schema_of
from hydra.values.secret import names_secret

HIDDEN = "s3cr3t-4711"
MASK = "**********"


class Color(enum.Enum):
    RED = HIDDEN


@dataclass(frozen=True)
class Card:
    number: Secret[str]
    pins: tuple[Secret[int], ...] = ()


class Login(msgspec.Struct, frozen=True):
    user: str
    password: Secret[str] | None = None


class Account(pydantic.BaseModel):
    user: str
    token: Secret[str]
    other: Secret[UUID] | None = None


class Pair(NamedTuple):
    left: Secret[str]
    right: int


class Fields(TypedDict):
    token: Secret[str]


@dataclass(frozen=True)
class Plain:
    text: str


SECRET = Secret(HIDDEN)
HOLDERS: list[tuple[Any, Any]] = [
    (SECRET, Secret[str]),
    (Secret(HIDDEN.encode()), Secret[bytes]),
    (Secret(Decimal("4711.10")), Secret[Decimal]),
    (Secret(4711), Secret[int]),
    (Secret(None), Secret[None]),
    (Secret("\ud800 4711"), Secret[str]),
    (Secret([HIDDEN]), Secret[list[str]]),
    (Secret(Plain(HIDDEN)), Secret[Plain]),
    (Secret(Color.RED), Secret[Color]),
    (Secret(SECRET), Secret[Secret[str]]),
    ([SECRET], list[Secret[str]]),
    ((SECRET, 1), tuple[Secret[str], int]),
    ({SECRET}, set[Secret[str]]),
    ({"token": SECRET}, dict[str, Secret[str]]),
    ({SECRET: 1}, dict[Secret[str], int]),
    ({"token": SECRET}, Fields),
    (SECRET, Secret[str] | None),
    (Pair(SECRET, 1), Pair),
    (Card(SECRET, (Secret(4711),)), Card),
    (Login("ann", SECRET), Login),
    (Account(user="ann", token=SECRET), Account),
    ([Card(SECRET)], list[Card] | Secret[str]),
]


@pytest.mark.parametrize(("value", "annotation"), HOLDERS, ids=repr)
def test_it_comes_back_wherever_it_stood_and_is_shown_nowhere(value: Any, annotation: Any) -> None:
    payload = codec.encode(value)
    for known in (Any, annotation):
        back = codec.decode(payload, known)
        assert back == value and type(back) is type(value)
        assert codec.encode(back) == payload
    assert codec.decode_as(payload, annotation) == value
    assert codec.fit(value, annotation, "$") is value
    plain = codec.decode_plain(payload)
    shown = [
        repr(value),
        str(plain),
        f"{plain!r}",
        json.dumps(codec.describe(payload)),
        json.dumps(codec.to_jsonable(value)),
    ]
    shown += [encode_json(plain).decode(), encode_json({"result": plain}, is_indented=True).decode()]
    for text in shown:
        assert MASK in text and "4711" not in text


def test_what_prints_it_prints_a_mask_of_one_length() -> None:
    assert (repr(SECRET), str(SECRET), f"{SECRET:>12}", "%s" % SECRET) == (  # noqa: UP031
        f"Secret({MASK!r})",
        MASK,
        f"  {MASK}",
        MASK,
    )
    assert repr(Secret("")) == repr(SECRET) == repr(Secret[str](HIDDEN))
    with pytest.raises(TypeError):
        json.dumps(SECRET)
    with pytest.raises(TypeError):
        orjson.dumps(SECRET)
    with pytest.raises(TypeError):
        msgspec.json.encode(SECRET)
    assert "4711" not in str(dataclasses.asdict(Card(SECRET))) and not hasattr(SECRET, "__dict__")


def test_it_equals_another_of_the_same_value_and_stays_as_it_is() -> None:
    assert Secret(HIDDEN) == SECRET != Secret("other") and hash(Secret(HIDDEN)) == hash(SECRET)
    assert Secret("é") == Secret("é") != Secret("e") and Secret(b"x") == Secret(b"x") != Secret("x")
    assert Secret("\ud800") == Secret("\ud800")
    assert SECRET != HIDDEN and Secret(1) == Secret(1.0)
    for copied in (copy.copy(SECRET), copy.deepcopy(SECRET), pickle.loads(pickle.dumps(SECRET))):
        assert copied == SECRET
    inner = Secret([1])
    assert copy.deepcopy(inner).get_secret_value() is not inner.get_secret_value()
    with pytest.raises(AttributeError, match="cannot be changed"):
        SECRET._value = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot be changed"):
        del SECRET._value


def test_a_digest_is_of_the_value() -> None:
    def digest(value: Any) -> bytes:
        return codec.encode_with_digest(value)[1]

    assert digest(Secret(HIDDEN)) == digest(SECRET)
    assert len({digest(SECRET), digest(Secret("other")), digest(HIDDEN), digest([SECRET])}) == 4
    assert digest(Secret({"a": 1, "b": 2})) == digest(Secret({"b": 2, "a": 1}))
    assert not codec.is_call_of(codec.encode_call((SECRET,), {})[1], (Secret("other"),), {})
    assert "4711" not in codec.why_other_call(digest(SECRET), (Secret("other"),), {})


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (HIDDEN, Secret[str], SECRET),
        ("1.50", Secret[Decimal], Secret(Decimal("1.50"))),
        (Secret("1.50"), Secret[Decimal], Secret(Decimal("1.50"))),
        ([HIDDEN], list[Secret[str]], [SECRET]),
        (HIDDEN, Secret[str] | None, SECRET),
        (None, Secret[str] | None, None),
        ({"number": HIDDEN}, Card, Card(SECRET)),
        ({"user": "ann", "password": HIDDEN}, Login, Login("ann", SECRET)),
        ({"user": "ann", "password": SECRET}, Login, Login("ann", SECRET)),
        ({"user": "ann", "token": HIDDEN}, Account, Account(user="ann", token=SECRET)),
    ],
    ids=repr,
)
def test_what_is_given_bare_becomes_one_by_its_annotation(value: Any, annotation: Any, expected: Any) -> None:
    assert codec.fit(value, annotation, "$") == expected


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (HIDDEN, Secret[int]),
        (SECRET, Secret[UUID]),
        (4711, Secret[str]),
        (SECRET, str),
        (SECRET, UUID),
        ({"number": 4711}, Card),
        ({"user": "ann", "password": 4711}, Login),
        ({"user": "ann", "token": Secret(4711)}, Account),
        (Secret(Plain(HIDDEN)), Secret[str]),
    ],
    ids=repr,
)
def test_a_refusal_does_not_say_the_value(value: Any, annotation: Any) -> None:
    with pytest.raises(hydra.PayloadError) as refused:
        codec.fit(value, annotation, "$")
    assert "4711" not in str(refused.value)


def give(token: Any) -> Secret[str] | None:
    return token  # type: ignore[no-any-return]


def test_a_result_that_was_returned_bare_is_recorded_as_one() -> None:
    payload, value = codec.Signature.of(give).encode_result(HIDDEN)
    assert value == SECRET and codec.decode(payload) == SECRET
    assert codec.decode(codec.Signature.of(give).encode_proven_result(HIDDEN)) == SECRET
    assert codec.Signature.of(give).encode_result(None)[1] is None


def test_a_record_of_before_the_annotation_named_it_is_read() -> None:
    assert codec.decode(codec.encode(HIDDEN), Secret[str]) == SECRET
    assert codec.decode(codec.encode(7), Secret[str]) == 7
    assert codec.decode(codec.encode(HIDDEN), Secret[str] | str) == HIDDEN
    assert codec.decode(codec.encode(Card(SECRET)), Secret[str] | Card) == Card(SECRET)


def test_a_class_in_it_that_has_moved_is_found_by_the_annotation() -> None:
    other = dataclasses.make_dataclass("Moved", [("text", str)], frozen=True)
    local = codec.encode(Secret(other("x")), codec.MAX_PAYLOAD_BYTES, True)
    assert codec.decode(local, Secret[Plain]) == Secret(Plain("x"))
    assert codec.decode(local, list[Secret[Plain]] | Secret[Plain]) == Secret(Plain("x"))
    with pytest.raises(hydra.PayloadError, match="not found"):
        codec.decode(local)
    assert repr(codec.decode_plain(local)) == repr(SECRET)


def pay(
    login: Login, account: Account, token: Secret[str], *more: Secret[str] | None, **rest: list[Secret[str]]
) -> None:
    pass


def test_what_json_says_for_one_is_a_secret_before_any_code_sees_it() -> None:
    info: Any = SimpleNamespace(name="pay", signature=json.dumps(codec.json_schema(pay)))
    call = {
        "login": {"user": "ann", "password": HIDDEN},
        "account": {"user": "ann", "token": HIDDEN, "other": None},
        "token": HIDDEN,
        "extra": [HIDDEN],
    }
    _, kwargs = read_call(json.dumps(call), info)
    assert kwargs["token"] == SECRET and kwargs["extra"] == [SECRET]
    assert kwargs["login"] == {"user": "ann", "password": SECRET}
    assert kwargs["account"] == {"user": "ann", "token": SECRET, "other": None}
    assert "4711" not in json.dumps(codec.describe(codec.encode(kwargs)))
    args, _ = read_call(json.dumps([call["login"], call["account"], HIDDEN, None, HIDDEN]), info)
    assert args[2:] == [SECRET, None, SECRET]
    fitted, _ = codec.fitter_of(pay).fit(tuple(args), {})
    assert fitted[:2] == (Login("ann", SECRET), Account(user="ann", token=SECRET, other=None))


class Branch(pydantic.BaseModel):
    left: Branch | Leaf | None = None
    right: Branch | Leaf | None = None


class Leaf(pydantic.BaseModel):
    left: Branch | Leaf | None = None
    right: Branch | Leaf | None = None
    token: Secret[str] | None = None


def grow(tree: Branch) -> None: ...


def test_a_tree_of_choices_is_read_in_the_time_of_its_parts() -> None:
    info: Any = SimpleNamespace(name="grow", signature=json.dumps(codec.json_schema(grow)))
    tree: Any = {}
    for _ in range(30):  # two choices at each level
        tree = {"left": tree}
    tree = {"left": tree, "right": {"token": HIDDEN}}
    schema = json.loads(info.signature)["parameters"][0]["schema"]
    read = arguments._typed(tree, schema)
    assert read != tree and "4711" not in repr(read)


def test_a_literal_of_that_name_is_no_secret() -> None:
    @hydra.workflow(search={"level": str}, limits=[hydra.Concurrency(1, key="level")])
    def leveled(level: Literal["Secret", "Open"], mode: Annotated[str, "Secret"] = "") -> None: ...

    assert names_secret("list[hydra.Secret[str]]") and names_secret(dict[str, Secret[str]])
    assert not any(map(names_secret, ("SecretStr", "Literal['Secret']", Literal["Secret"], None, str)))


def test_a_schema_says_that_it_is_one() -> None:
    assert schema_of(Secret[str]) == {"x-secret": True, "x-is": "a secret"}
    assert schema_of(Account)["properties"]["token"] == {"x-secret": True, "x-is": "a secret"}


def test_a_model_masks_it_in_its_json() -> None:
    account = Account(user="ann", token=SECRET)
    assert json.loads(account.model_dump_json())["token"] == MASK
    assert account.model_dump()["token"] == SECRET and "4711" not in repr(account)
    assert Account.model_json_schema()["properties"]["token"]["type"] == "string"


def test_search_attributes_and_keys_of_limits_are_never_secrets() -> None:
    with pytest.raises(hydra.ConfigError, match="names `token`, which is a Secret, and attributes are shown"):

        @hydra.workflow(search={"token": str})
        def one(token: Secret[str]) -> None: ...

    with pytest.raises(hydra.ConfigError, match="names `token`, which is a Secret"):

        @hydra.workflow(search={"token": Secret[str]})
        def two(other: str) -> None: ...

    with pytest.raises(hydra.ConfigError, match="the key `token` of a limit of workflow `three` is a Secret"):

        @hydra.workflow(limits=[hydra.Concurrency(1, key="token")])
        def three(token: Secret[str] | None) -> None: ...

    with pytest.raises(hydra.ConfigError, match="the key `token` of a limit of step `four` is a Secret"):

        @hydra.step(limits=[hydra.Rate(1, per=1.0, key="token")])
        def four(token: Secret[str]) -> None: ...


def test_a_failure_that_carries_one_does_not_say_it() -> None:
    try:
        raise ValueError("refused", SECRET)
    except ValueError as error:
        payload = codec.encode_failure(error)
    failure = codec.read_failure(payload)
    assert "4711" not in failure.message + failure.traceback_text
    assert codec.rebuild_exception(failure).args == ("refused", SECRET)
