"""What stands on an exception in place of something that could not be recorded with it, and says so when it is used."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from hydra.errors import NotKept

MAX_SHOWN_CHARACTERS = 16_384


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class StandIn:
    """Prints as what it stands for did. Whatever else is asked of it is a NotKept, which is an AttributeError, too."""

    hydra_type: str
    hydra_shown: str
    hydra_reason: str
    hydra_text: str = ""

    def __repr__(self) -> str:
        return self.hydra_shown

    def __str__(self) -> str:
        return self.hydra_text or self.hydra_shown

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # what Python asks of any object; no answer is an answer
        self._refuse(f"`{name}` of it")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def _refuse(self, asked: str) -> NoReturn:
        raise NotKept(
            f"this is not the `{self.hydra_type}` that was on the exception, which could not be recorded "
            f"({self.hydra_reason}), so {asked} is not known here; catch the exception in the step, and put what is "
            "needed of it into the exception you raise"
        )

    def __bool__(self) -> bool:
        self._refuse("whether it is true")

    def __len__(self) -> int:
        self._refuse("its length")

    def __iter__(self) -> Any:
        self._refuse("what is in it")

    def __contains__(self, item: object) -> bool:
        self._refuse("what is in it")

    def __getitem__(self, key: object) -> Any:
        self._refuse("what is in it")

    def __call__(self, *args: object, **kwargs: object) -> Any:
        self._refuse("what it answers")

    def __int__(self) -> int:
        self._refuse("its number")

    def __float__(self) -> float:
        self._refuse("its number")


def stand_in(value: Any, shown: str, reason: object, text: str = "") -> StandIn:
    cls = type(value)
    try:
        name = cls.__qualname__ if cls.__module__ in ("builtins", None) else f"{cls.__module__}.{cls.__qualname__}"
        kind = sys.intern(str.__str__(name))
    except BaseException:  # its class has a class of its own, which answers as it likes
        kind = "object"
    try:
        said = str.__str__(str(reason))[:500]
    except BaseException:  # an exception of the user's
        said = "an error that cannot be printed"
    text = "" if text == shown else text[:MAX_SHOWN_CHARACTERS]
    return StandIn(kind, shown[:MAX_SHOWN_CHARACTERS], said, text)
