"""G3: exceptions are kept as import path, arguments, attributes and traceback text, and rebuilt."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from hydra import codec
from hydra.errors import NonRetryable, PayloadError, StepFailed


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
    assert "test_failures.py" in back.__hydra_traceback__


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
    group = kept(ExceptionGroup("several", [ValueError(1), Declined(Code.STOLEN, amount=1)]))
    assert [type(one) for one in group.exceptions] == [ValueError, Declined]


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
    assert back.args[0].startswith("<object object")
    assert back.args[1] == 1
    assert type(kept(Unprintable())) is Unprintable
    assert kept(ValueError(b"x" * 50_000_000)).args[0].startswith("b'xxx")


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
