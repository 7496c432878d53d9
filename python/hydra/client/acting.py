"""Who gives an order: said by `Engine.acting` for a while, or else the program. Handles, selections and the calls of an
AsyncEngine ask here. Writes nothing itself.

    the command line   `ana@host`, the user of the operating system
    a page             `token:ops`, or whatever it says by `acting`
    a step             `execution:ID`
    any other program  `program:billing.py`

From where it comes, as `ana@host`, is known of all of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import TypeVar, cast

import msgspec

from hydra import _core, identity
from hydra.blocks import contextmanager
from hydra.context import Inside
from hydra.definitions import caller
from hydra.errors import ConfigError
from hydra.stores.acts import THE_NAMESPACE, Act, ActKind
from hydra.written import written

T = TypeVar("T")

MAX_NAME_LENGTH = 200
MAX_REASON_LENGTH = 1000


class Author(msgspec.Struct, frozen=True):
    """Who gives an order, from where and why. `id` is of the order: what it does to many has one id.

    `is_said`: a person or a page, which said who it is, and not a program by itself."""

    id: str
    by: str
    host: str
    reason: str
    is_said: bool

    def act(self, execution_id: str, kind: ActKind, now: int, detail: str = "", other_id: str | None = None) -> Act:
        """A line of this order about one execution; `other_id` is of another one that it concerns."""
        return Act(execution_id, other_id or self.id, kind, now, self.by, self.reason, detail, self.host)

    def act_on_namespace(self, kind: ActKind, now: int, detail: str) -> Act:
        """A line of this order about no execution."""
        return self.act(THE_NAMESPACE, kind, now, detail)


class _Said(msgspec.Struct, frozen=True):
    by: str | None
    reason: str
    program: str = ""  # the one that handed this to a thread


_NOBODY = _Said(None, "")

_said: ContextVar[_Said] = ContextVar("hydra_acting", default=_NOBODY)


@contextmanager
def acting(by: str | None, reason: str) -> Iterator[None]:
    """Orders that are given inside are by that one, and for that reason. What is not given stays as it is outside."""
    if by is not None and not (isinstance(by, str) and 0 < len(by) <= MAX_NAME_LENGTH and by.isprintable()):
        raise ConfigError(f"`by` must be a text of 1 to {MAX_NAME_LENGTH} printable characters, not {written(by)}")
    check_reason(reason)
    outer = _said.get()
    token = _said.set(_Said(outer.by if by is None else by, reason or outer.reason, outer.program))
    try:
        yield
    finally:
        _said.reset(token)


def author(reason: str = "") -> Author:
    """Whoever gives an order now."""
    check_reason(reason)
    said = _said.get()
    by = said.by or said.program or _program()
    return Author(_core.uuid7(), by, _account(os.getuid()), reason or said.reason, said.by is not None)


def is_said() -> bool:
    """Whether somebody has said who it is. What a program does by itself at a high rate costs no more than this."""
    return _said.get().by is not None


def carried(function: Callable[[], T]) -> Callable[[], T]:
    """The same call, for another thread: what it orders there is by whoever hands it over now."""
    here = _said.get()
    said = msgspec.structs.replace(here, program=here.program or _program())

    def call() -> T:
        token = _said.set(said)
        try:
            return function()
        finally:
            _said.reset(token)

    return call


def check_reason(reason: object) -> None:
    if not isinstance(reason, str) or len(reason) > MAX_REASON_LENGTH:
        raise ConfigError(f"`reason` must be a text of at most {MAX_REASON_LENGTH} characters, not `{written(reason)}`")


@lru_cache(maxsize=16)
def _account(uid: int) -> str:
    """Of that user, which is this process's."""
    return identity.person()


def _program() -> str:
    here = caller.get()
    if here is not None:
        return f"execution:{cast(Inside, here).current().id}"
    name = os.path.basename(sys.argv[0] if sys.argv else "") or "python"
    return f"program:{name if name.isprintable() else 'python'}"[:MAX_NAME_LENGTH]
