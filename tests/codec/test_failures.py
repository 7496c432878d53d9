"""G3: exceptions are kept as import path, arguments, attributes and traceback text, and rebuilt."""

from __future__ import annotations

import copy
import enum
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pydantic
import pydantic_core
import pytest
from hydra import codec
from hydra.body import causes
from hydra.errors import NonRetryable, NotKept, PayloadError, StepFailed
from hydra.retry import RetryPolicy

if TYPE_CHECKING:
    from nowhere import OnlyForCheckers  # type: ignore[import-not-found]


class Code(enum.Enum):
    STOLEN = "stolen"


class Declined(Exception):
    def __init__(self, code: Code, *, amount: int) -> None:
        super().__init__(f"declined: {code.value}")
        self.code = code
        self.amount = amount


class Slotted(Exception):
    __slots__ = ("detail",)


class Unwilling(Exception):
    def __new__(cls, *args: Any) -> Unwilling:
        if getattr(cls, "is_closed", False):
            raise RuntimeError("no more of these")
        return super().__new__(cls, *args)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def kept(exception: BaseException) -> Any:
    return codec.rebuild_exception(codec.decode_failure(codec.encode_failure(exception)))


def raised(exception: BaseException) -> BaseException:
    try:
        raise exception
    except BaseException as error:
        return error


def test_g3_an_exception_comes_back_with_its_class_arguments_and_attributes() -> None:
    back = kept(raised(Declined(Code.STOLEN, amount=5)))
    assert type(back) is Declined
    assert (back.args, back.code, back.amount) == (("declined: stolen",), Code.STOLEN, 5)
    assert "test_failures.py" in codec.failure_of(back).traceback_text
    assert vars(back) == {"code": Code.STOLEN, "amount": 5} == pickle.loads(pickle.dumps(vars(back)))


def test_g3_built_in_exceptions_keep_their_own_state() -> None:
    missing = kept(FileNotFoundError(2, "no such file", "a.txt"))
    assert (type(missing), missing.errno, missing.filename) == (FileNotFoundError, 2, "a.txt")
    assert kept(SystemExit(3)).code == 3
    assert str(kept(KeyError("k"))) == "'k'"
    assert kept(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")).object == b"\xff"
    assert kept(ImportError("no", name="x")).name == "x"
    slotted = Slotted("x")
    slotted.detail = [1]
    assert kept(slotted).detail == [1]


def test_g3_causes_contexts_notes_and_groups_come_back() -> None:
    error = ValueError("outer")
    error.__cause__ = KeyError("inner")
    error.add_note("look here")
    back = kept(error)
    assert (type(back.__cause__), back.__notes__, back.__suppress_context__) == (KeyError, ["look here"], True)
    while_handling = kept(raised_by(lambda: raise_from(None)))
    assert (type(while_handling.__cause__), type(while_handling.__context__)) == (type(None), KeyError)
    with_both = kept(raised_by(lambda: raise_from(TypeError("t"))))
    assert (type(with_both.__cause__), type(with_both.__context__)) == (TypeError, KeyError)
    alike = kept(kept(raised_by(lambda: raise_from(...))))
    assert type(alike.__context__) is KeyError and alike.__context__ is alike.__cause__
    group = kept(ExceptionGroup("several", [ValueError(1), Declined(Code.STOLEN, amount=1)]))
    assert [type(one) for one in group.exceptions] == [ValueError, Declined]


def raise_from(cause: Any) -> None:
    try:
        raise KeyError("handled")
    except KeyError as handled:
        raise ValueError("v") from (handled if cause is ... else cause)


def test_g3_a_group_that_no_except_exception_catches_stays_one_whatever_became_of_its_members() -> None:
    class Local(BaseException):
        pass

    for members in ([Local("gone")], [nested_groups(20, 100), KeyboardInterrupt()]):
        back = kept(kept(BaseExceptionGroup("several", members)))
        assert type(back) is BaseExceptionGroup
        assert not isinstance(back, Exception)


@pytest.mark.parametrize(
    "make",
    [
        lambda: OSError(2, "no", "a", None, "b"),
        lambda: with_native(OSError("boom"), filename="a"),
        lambda: with_native(OSError(2, "no"), errno=7, args=("x",)),
        lambda: with_native(SystemExit(3), code=4),
        lambda: with_native(StopIteration(3), args=()),
        lambda: ImportError("no", name="a", path="b"),
        lambda: SyntaxError("bad", ("f", 1, 2, "text", 1, 3)),
        lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        lambda: raised_by(lambda: Card(number="q", name="long")),
        lambda: HttpError(404, detail="gone"),
        lambda: NewKeepsOthers("a", "b"),
    ],
)
def test_g3_args_and_native_state_are_the_originals(make: Callable[[], BaseException]) -> None:
    error = make()
    names = ("errno", "strerror", "filename", "filename2", "code", "value", "name", "path", "msg", "text", "end_lineno")
    back = kept(kept(error))
    for name in ("args", *names):
        assert getattr(back, name, "none") == getattr(error, name, "none"), name
    assert (str(back), repr(back)) == (str(error), repr(error))


def with_native(exception: BaseException, **state: Any) -> BaseException:
    for name, value in state.items():
        setattr(exception, name, value)
    return exception


class HttpError(Exception):
    """As those of web frameworks, which never call the constructor of Exception."""

    def __init__(self, status_code: int, detail: str) -> None:
        self.status_code = status_code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.status_code}: {self.detail}"


class NewKeepsOthers(Exception):
    def __new__(cls, *args: Any) -> NewKeepsOthers:
        made = super().__new__(cls, *args)
        made.args = (*args, "more")
        return made

    def __init__(self, *args: Any) -> None:
        pass


class Speaks:
    def __str__(self) -> str:
        return "what it says"

    def __repr__(self) -> str:
        return "<Speaks>"


def test_g3_what_an_argument_that_cannot_be_recorded_said_is_still_said() -> None:
    for error in (ValueError(Speaks()), OSError(2, Speaks()), WithResponse(Speaks(), None), KeyError(Speaks())):  # type: ignore[arg-type]
        back = kept(kept(error))
        assert str(back) == str(error) == codec.failure_of(back).message
        assert repr(back.args[-1]) == "<Speaks>"


def test_g3_a_class_that_cannot_be_rebuilt_is_a_step_failed() -> None:
    class Local(Exception):
        pass

    back = kept(raised(Local("gone")))
    assert type(back) is StepFailed
    assert str(back).endswith("Local: gone")
    assert back.exception_type.endswith("Local")
    assert "Local: gone" in back.traceback_text


def test_g3_a_class_that_refuses_is_a_step_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = codec.encode_failure(Unwilling("a"))
    monkeypatch.setattr(Unwilling, "is_closed", True, raising=False)
    assert type(codec.rebuild_exception(codec.decode_failure(payload))) is StepFailed


@pytest.mark.parametrize("path", ["os:system", "no.such.module:X", "builtins:int", "nonsense", ":", "os:path.join"])
def test_g3_a_path_to_something_else_is_a_step_failed(path: str) -> None:
    failure = codec.Failure(exception_type=path, message="m", arguments=("touch /nowhere",))
    assert type(codec.rebuild_exception(failure)) is StepFailed


def test_what_cannot_be_encoded_is_kept_as_its_repr() -> None:
    back = kept(ValueError(object(), 1))
    assert repr(back.args[0]).startswith("<object object")
    assert back.args[1] == 1
    assert type(kept(Unprintable())) is Unprintable
    assert repr(kept(ValueError(b"x" * 50_000_000)).args[0]).startswith("b'xxx")


def test_an_exception_kept_twice_is_the_same() -> None:
    once = kept(raised(Declined(Code.STOLEN, amount=5)))
    twice = kept(once)
    assert (vars(once), once.args) == (vars(twice), twice.args)


def test_an_exception_that_causes_itself_is_kept() -> None:
    error = ValueError("loop")
    other = KeyError("k")
    error.__cause__, other.__cause__ = other, error
    assert type(kept(error).__cause__) is KeyError


def test_non_retryable_is_marked() -> None:
    assert codec.failure_of(NonRetryable("card stolen")).non_retryable
    assert not codec.failure_of(ValueError("x")).non_retryable


def test_a_value_is_no_failure() -> None:
    with pytest.raises(PayloadError):
        codec.decode_failure(codec.encode([1]))


# what an exception may do when it is asked about itself


class Raising:
    """Raises whatever is asked of it; prints as long as it is not armed, for whoever reports on a test."""

    is_armed = False

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        if Raising.is_armed:
            raise KeyboardInterrupt
        return "Raising()"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise SystemExit

    __hash__ = None  # type: ignore[assignment]


class TextOfItsOwn(str):
    pass


class OddArgs(Exception):
    @property
    def args(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no arguments")


class OddNotes(Exception):
    @property
    def __notes__(self) -> Any:
        raise RuntimeError("no notes")


class OddCause(Exception):
    __cause__ = property(lambda self: Raising())  # type: ignore[assignment]
    __context__ = 7  # type: ignore[assignment]
    __suppress_context__ = property(lambda self: Raising())  # type: ignore[assignment]
    __traceback__ = "none"  # type: ignore[assignment]


class OddAttributes(Exception):
    __slots__ = ("__hidden", "never", "raising")

    def __getattribute__(self, name: str) -> Any:
        raise ValueError(name)


class AnyAttribute(Exception):
    def __getattr__(self, name: str) -> Any:
        return Raising()


class OddDict(Exception):
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no dict")


class OddText(Exception):
    def __str__(self) -> str:
        return TextOfItsOwn("said")


class EndsTheProcess(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class OddMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__qualname__", "__module__"):
            raise RuntimeError("no name")
        return super().__getattribute__(name)


class OddClass(Exception, metaclass=OddMeta):
    pass


def with_(exception: BaseException, **attributes: Any) -> BaseException:
    for name, value in attributes.items():
        exception.__dict__[name] = value
    return exception


def with_notes(notes: Any) -> BaseException:
    error = ValueError("x")
    error.__notes__ = notes
    return error


def odd_names() -> BaseException:
    error = ValueError("x")
    error.__dict__[7] = 1  # type: ignore[index]
    error.__dict__[TextOfItsOwn("said")] = 1
    error.__dict__["\ud800"] = 1
    return error


def chain(length: int, link: str) -> BaseException:
    error: BaseException = ValueError(0)
    for number in range(length):
        outer = ValueError(number)
        setattr(outer, link, error)
        error = outer
    return error


def nested_groups(depth: int, width: int) -> BaseException:
    """`width` to the power of `depth` paths through `depth` objects."""
    error: Exception = ValueError("leaf")
    for _ in range(depth):
        error = ExceptionGroup("several", [error] * width)
    return error


def wide_causes() -> BaseException:
    """Exceptions on exceptions, each on several ways."""
    error = ValueError("leaf")
    for _ in range(60):
        outer = ValueError("outer", error, error)
        outer.__cause__ = error
        outer.__context__ = ValueError("context", error)
        outer.__dict__.update(a=error, b=[error, error])
        error = outer
    return error


def recursing() -> BaseException:
    def deep() -> None:
        deep()

    return raised_by(deep)


def raised_by(function: Any) -> BaseException:
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError


ODD: list[Callable[[], BaseException]] = [
    lambda: OddArgs("a"),
    lambda: OddNotes("a"),
    lambda: OddCause("a"),
    lambda: OddAttributes("a"),
    lambda: AnyAttribute("a"),
    lambda: OddDict("a"),
    lambda: OddText("a"),
    lambda: EndsTheProcess("a"),
    lambda: OddClass("a"),
    lambda: ValueError(Raising(), [Raising()], {"x": Raising()}),
    lambda: with_(ValueError("a"), raising=Raising(), nested=[Raising()]),
    lambda: with_notes(None),
    lambda: with_notes(7),
    lambda: with_notes([Raising(), 7, "x", TextOfItsOwn("y")]),
    lambda: with_notes({"a": 1}),
    lambda: odd_names(),
    lambda: with_(ValueError("x"), huge="x" * 30_000_000, wide=[object()] * 1_000_000, deep=nested_groups(3, 3)),
    lambda: with_(ValueError("x"), **{f"a{number}": "y" * 200_000 for number in range(300)}),
    lambda: ValueError(*range(100_000)),
    lambda: ValueError("x" * 30_000_000),
    lambda: chain(50_000, "__cause__"),
    lambda: chain(50_000, "__context__"),
    lambda: nested_groups(20, 100),
    lambda: wide_causes(),
    lambda: recursing(),
    lambda: ExceptionGroup("g", [ValueError(number) for number in range(10_000)]),
    lambda: KeyboardInterrupt(),
    lambda: SystemExit(Raising()),
    lambda: GeneratorExit(),
    lambda: StopIteration(Raising()),
    lambda: UnicodeDecodeError("utf-8", b"\xff" * 10_000_000, 0, 1, "bad"),
    lambda: OSError(2, Raising(), "a", None, Raising()),
    lambda: SyntaxError("bad", ("f", 1, 2, "x" * 100_000)),
    lambda: ImportError("no", name="x", path=Raising()),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("make", ODD)
def test_g3_an_exception_gets_its_record_whatever_it_does_when_asked(
    make: Callable[[], BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Raising, "is_armed", True)
    for exception in (make(), raised(make())):
        payload = codec.encode_failure(exception)
        assert len(payload) < 17_000_000
        failure = codec.decode_failure(payload)
        assert type(failure.message) is str
        rebuilt = codec.rebuild_exception(failure)
        assert issubclass(type(rebuilt), BaseException)
        again = codec.rebuild_exception(codec.decode_failure(codec.encode_failure(rebuilt)))
        assert type(again) is type(rebuilt)
        policy = RetryPolicy(max_attempts=2, retry_on=(BaseException,))
        assert policy.decide(exception, 1, 0.5).seconds is not None
        causes.causes_of(exception, {}, {})


def test_g3_what_is_too_much_together_costs_an_exception_its_last_attributes_alone() -> None:
    error = ValueError("x")
    error.__dict__.update({f"a{number}": "y" * 200_000 for number in range(90)})
    back = kept(ExceptionGroup("all", [error, Declined(Code.STOLEN, amount=1)]))
    assert [type(one) for one in back.exceptions] == [ValueError, Declined]
    assert back.exceptions[0].a0 == "y" * 200_000
    with pytest.raises(NotKept):
        len(back.exceptions[0].a89)


def test_g3_one_odd_member_costs_a_group_nothing_else() -> None:
    back = kept(ExceptionGroup("all", [OddClass("a"), Declined(Code.STOLEN, amount=1)]))
    assert type(back) is ExceptionGroup
    assert [type(one) for one in back.exceptions] == [Exception, Declined]


def test_a_group_keeps_its_class_however_much_its_members_take() -> None:
    """G3: found by the fuzzer. Their arguments used up what there is for all, and the group's text had no room."""
    large = [ValueError(os.urandom(250_000)) for _ in range(20)]
    back = kept(ExceptionGroup("several", [ExceptionGroup("some", large), *large]))
    assert type(back) is ExceptionGroup and back.message == "several"
    assert type(back.exceptions[0]) is ExceptionGroup and len(back.exceptions) == 21
    assert isinstance(kept(ExceptionGroup("x" * 300_000, [ValueError(1)])), ExceptionGroup)


def test_g3_what_hangs_on_an_exception_is_limited() -> None:
    group = ExceptionGroup("all", [ExceptionGroup("some", [ValueError(n) for n in range(90)]) for _ in range(90)])

    def count(failure: codec.Failure) -> int:
        return 1 + sum(map(count, failure.members))

    failure = codec.decode_failure(codec.encode_failure(group))
    assert count(failure) == 200
    assert type(codec.rebuild_exception(failure)) is ExceptionGroup


# what comes back


@dataclass(frozen=True)
class Frozen(Exception):
    code: int


@dataclass(slots=True, eq=True)
class SlottedData(Exception):
    code: int


class Response:
    status_code = 404

    def __repr__(self) -> str:
        return "<Response [404]>"


class WithResponse(OSError):
    def __init__(self, message: str, response: Any) -> None:
        super().__init__(message)
        self.response = response


class NewTakesMore(Exception):
    def __new__(cls, code: int, *, text: str) -> NewTakesMore:
        return super().__new__(cls, code)

    def __init__(self, code: int, *, text: str) -> None:
        super().__init__(f"{code} {text}")


def test_g3_a_frozen_dataclass_exception_is_itself_with_its_cause() -> None:
    for make in (Frozen, SlottedData):
        error = make(7)
        object.__setattr__(error, "__cause__", KeyError("k"))
        object.__setattr__(error, "__notes__", ["look"])
        back = kept(raised(error))
        assert (type(back), back.code, type(back.__cause__), back.__notes__) == (make, 7, KeyError, ["look"])


def test_g3_what_could_not_be_recorded_says_so_when_it_is_used() -> None:
    back = kept(raised(WithResponse("not found", Response())))
    assert (type(back), str(back)) == (WithResponse, "not found")
    assert repr(back.response) == "<Response [404]>"
    assert back.response is not None
    with pytest.raises(NotKept, match=r"not the `.*Response` that was on the exception.*`status_code` of it is not"):
        _ = back.response.status_code
    assert not hasattr(back.response, "status_code")
    for use in (bool, len, list, int, float, lambda it: it[0], lambda it: it(), lambda it: 1 in it):
        with pytest.raises(NotKept):
            use(back.response)
    assert copy.deepcopy(back.response) is back.response
    twice = kept(back)
    assert (repr(twice.response), twice.response.hydra_type) == ("<Response [404]>", back.response.hydra_type)


def test_g3_exceptions_on_exceptions_are_exceptions_again() -> None:
    error = ValueError("outer", KeyError("argument"))
    error.__dict__.update(orig=Declined(Code.STOLEN, amount=5), errors=[KeyError("a"), Declined(Code.STOLEN, amount=6)])
    back = kept(error)
    assert (type(back.args[1]), type(back.orig), back.orig.amount) == (KeyError, Declined, 5)
    assert [type(one) for one in back.errors] == [KeyError, Declined]


def test_g3_a_class_whose_new_takes_something_else_is_itself() -> None:
    back = kept(NewTakesMore(1, text="x"))
    assert (type(back), back.args) == (NewTakesMore, ("1 x",))


class Card(pydantic.BaseModel):
    number: int
    name: str = pydantic.Field(max_length=2)
    code: str = "x"

    @pydantic.field_validator("code")
    @classmethod
    def check(cls, value: str) -> str:
        if value == "own":
            raise pydantic_core.PydanticCustomError("own_kind", "the {code} is {bad}", {"code": value, "bad": "bad"})
        if value == "assert":
            raise AssertionError("no {braces}")
        raise ValueError("no {braces}")


@pytest.mark.parametrize("code", ["own", "assert", "value"])
def test_g3_a_validation_error_of_pydantic_is_itself(code: str) -> None:
    error = raised_by(lambda: Card(number="q", name="long", code=code))
    assert isinstance(error, pydantic.ValidationError)
    back = kept(kept(error))
    assert type(back) is pydantic.ValidationError
    assert str(back) == str(error)
    assert back.errors(include_context=False) == error.errors(include_context=False)
    assert (back.title, back.error_count()) == ("Card", 3)


def test_g3_a_validation_error_of_what_cannot_be_recorded_is_itself() -> None:
    error = raised_by(lambda: Card(number=object(), name="long"))  # type: ignore[arg-type]
    back = kept(error)
    assert type(back) is pydantic.ValidationError
    assert [line["loc"] for line in back.errors()] == [("number",), ("name",)]


def test_g3_a_failed_connection_of_psycopg_is_itself_and_keeps_no_password() -> None:
    psycopg = pytest.importorskip("psycopg")
    url = "host=127.0.0.1 port=1 connect_timeout=2 password=geheim"
    error = raised_by(lambda: psycopg.connect(url))
    payload = codec.encode_failure(error)
    back = codec.rebuild_exception(codec.decode_failure(payload))
    assert type(back) is psycopg.OperationalError
    assert "Connection refused" in str(back)
    assert back.sqlstate is None
    assert b"geheim" not in repr(codec.decode_plain(payload)).encode()
    with pytest.raises(NotKept, match="may hold a password"):
        _ = back.pgconn.status


def test_g3_a_hint_for_type_checkers_alone_keeps_no_failure_from_being_read(tmp_path: Any) -> None:
    error = ValueError("x")
    error.__dict__["detail"] = HintedForCheckers([Code.STOLEN])
    back = kept(error)
    assert (type(back.detail), back.detail.codes) == (HintedForCheckers, [Code.STOLEN])


def test_g3_a_failure_is_read_without_anybodys_code(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ValueError("the message", HintedForCheckers([]), {HashedForOnce(1)})
    payload = codec.encode_failure(error)
    monkeypatch.delitem(globals(), "HintedForCheckers")
    monkeypatch.delitem(globals(), "HashedForOnce")
    assert codec.decode_failure(payload).message.startswith("('the message'")
    back = codec.rebuild_exception(codec.decode_failure(payload))
    assert type(back) is ValueError
    assert back.args[0] == "the message"
    with pytest.raises(NotKept, match="HintedForCheckers"):
        _ = back.args[1].codes


def test_a_damaged_failure_is_read_as_one_that_cannot_be_read() -> None:
    payload = codec.encode_failure(ValueError("x"))[:-1]
    assert "cannot be read" in codec.read_failure(payload).message
    assert type(codec.rebuild_exception(codec.read_failure(payload))) is StepFailed


@dataclass
class HintedForCheckers:
    codes: list[OnlyForCheckers]


@dataclass(frozen=True)
class HashedForOnce:
    number: int


class Invalid(Exception):
    """As Django's: of a dict it keeps lists of others, and each of those a list with itself."""

    def __init__(self, message: Any) -> None:
        super().__init__(message)
        if isinstance(message, dict):
            self.by_field = {name: [Invalid(each) for each in said] for name, said in message.items()}
        else:
            self.message = message
            self.all = [self]

    def __str__(self) -> str:
        if hasattr(self, "by_field"):
            return repr({name: [each.all[0].message for each in said] for name, said in self.by_field.items()})
        return f"{[each.message for each in self.all]}"


def test_g3_exceptions_in_lists_and_dicts_on_an_exception_come_back() -> None:
    original = raised(Invalid({"amount": ["not a number", "too large"]}))
    back = kept(kept(original))
    assert str(back) == str(original) == "{'amount': ['not a number', 'too large']}"
    inner = back.by_field["amount"][1]
    assert type(inner) is Invalid and inner.all == [inner]


def test_g3_a_cause_that_names_what_it_is_the_cause_of_comes_back() -> None:
    original, cause = ValueError("outer"), Invalid("inner")
    cause.all = [original]  # type: ignore[list-item]
    original.__cause__ = cause
    back = kept(original)
    assert back.__cause__.all == [back]


class ConnectionFailed(Exception):
    """As those of urllib3, which requests takes as its argument."""

    def __init__(self, reason: BaseException) -> None:
        self.reason = reason
        super().__init__(f"Max retries exceeded (caused by {reason!r})")


def test_g3_an_exception_whose_argument_is_one_with_a_cause_says_the_same() -> None:
    try:
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as error:
            raise ConnectionFailed(error) from error
    except ConnectionFailed as error:
        original = OSError(error)
    back = kept(raised(original))
    assert str(back) == str(original)
    assert type(back.args[0]) is ConnectionFailed and type(back.args[0].__cause__) is ConnectionRefusedError


def test_g3_an_object_whose_class_is_gone_is_shown_by_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = ConnectionFailed(ValueError("x"))
    inner.code = Code.STOLEN  # type: ignore[attr-defined]
    failure = codec.decode_failure(codec.encode_failure(OSError(inner)))
    monkeypatch.delattr(sys.modules[__name__], "Code")
    assert str(codec.rebuild_exception(failure)) == str(inner)
