"""As much of Sentry's library as the guide uses, in the shape of the real one: an event goes to `before_send`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class Scope:
    def __init__(self) -> None:
        self.tags: dict[str, str] = {}

    def set_tag(self, key: str, value: str) -> None:
        self.tags[key] = value


_scope: ContextVar[Scope] = ContextVar("scope")
_before_send: list[Callable[[dict[str, Any], dict[str, Any]], object]] = []


def init(dsn: str | None = None, *, before_send: Callable[[dict[str, Any], dict[str, Any]], object]) -> None:
    _before_send[:] = [before_send]


@contextmanager
def isolation_scope() -> Iterator[Scope]:
    token = _scope.set(Scope())
    try:
        yield _scope.get()
    finally:
        _scope.reset(token)


def capture_exception(error: BaseException) -> None:
    assert sys.exc_info()[1] is error
    hint = {"exc_info": (type(error), error, error.__traceback__)}
    for send in _before_send:
        send({"tags": _scope.get().tags}, hint)
