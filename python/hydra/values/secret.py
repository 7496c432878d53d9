"""A value that is not shown: what prints it prints a mask, and only `get_secret_value` gives it.

It says of itself nothing but the mask: no `__dict__`, no dataclass, so that nothing takes its content apart unasked.
"""

from __future__ import annotations

import hmac
import re
from typing import Annotated, Any, Generic, Literal, TypeVar, final, get_args, get_origin

T_co = TypeVar("T_co", covariant=True)

MASK = "**********"  # of one length, whatever it hides
NAME = "hydra:Secret"  # in payloads: never change it
IN_TEXT = re.compile(r"\bSecret\b(?!['\"])")  # and not in a Literal


@final
class Secret(Generic[T_co]):
    """A value that hydra records and compares as it is, and shows as `**********`.

    For what a person must not read in `hydra show`, on the page, in the HTTP API, in logs and errors: a token, a card
    number, a password. Use it in annotations, as `hydra.Secret[str]`, of arguments, results and fields of classes. It
    is equal to another of the same value. In the database its content is as plain as any other: see `PayloadKeys`.

    Args:
        value: anything that hydra takes as an argument.

    Example:
        >>> token = hydra.Secret("s3cr3t")
        >>> print(token, repr(token))
        ********** Secret('**********')
        >>> token.get_secret_value()
        's3cr3t'
    """

    __slots__ = ("_value",)
    _value: T_co

    def __init__(self, value: T_co) -> None:
        object.__setattr__(self, "_value", value)

    def get_secret_value(self) -> T_co:
        """The value itself: hand it on at once, and to nothing that prints."""
        return self._value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Secret cannot be changed; make another one instead of setting `{name}`")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Secret cannot be changed; `{name}` stays")

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if type(other) is not Secret:
            return NotImplemented
        mine: Any = self._value
        its: Any = other._value
        if type(mine) is str and type(its) is str:
            return hmac.compare_digest(mine.encode("utf-8", "surrogatepass"), its.encode("utf-8", "surrogatepass"))
        if type(mine) is bytes and type(its) is bytes:
            return hmac.compare_digest(mine, its)
        return bool(mine == its)

    def __hash__(self) -> int:
        return hash((NAME, self._value))

    def __reduce__(self) -> tuple[Any, ...]:
        return Secret, (self._value,)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """As a field of a pydantic model: made from the value or another Secret; masked in the model's JSON."""
        from pydantic_core import PydanticCustomError, ValidationError, core_schema

        def validate(value: Any, inner: Any) -> Secret[Any]:
            try:
                return Secret(inner(value._value if type(value) is Secret else value))
            except ValidationError:  # which would print the value
                raise PydanticCustomError("secret", "the value of a secret does not fit its type") from None

        (kind,) = get_args(source) or (Any,)
        return core_schema.no_info_wrap_validator_function(
            validate,
            handler.generate_schema(kind),
            metadata={NAME: True},
            serialization=core_schema.plain_serializer_function_ser_schema(_serialized, info_arg=True),
        )


def _serialized(value: Any, info: Any) -> Any:
    return value if info.mode == "python" else MASK


def names_secret(annotation: Any) -> bool:
    """Whether a Secret stands anywhere in it, but for the fields of classes; it may be a text that is not read yet."""
    if isinstance(annotation, str):
        return IN_TEXT.search(annotation) is not None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Secret or origin is Secret:
        return True
    if origin is Annotated:
        return names_secret(arguments[0])
    return origin is not Literal and any(map(names_secret, arguments))
