"""Workflows that put a marker wherever a user's data may go, and a scan of a whole database for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import hydra
from hydra import _core
from hydra.move.opening import open_side

MARKER = "plain-marker-4711"


def shop() -> SimpleNamespace:
    """To be called within a test, which has a registry of its own."""

    seen = threading.Event()

    @hydra.step
    def note(text: str) -> str:
        return text

    @hydra.step
    def long(text: str) -> str:
        while not seen.wait(0.01):
            hydra.heartbeat({"at": text})
        return text

    @hydra.step(max_attempts=3, backoff=hydra.Backoff(initial=0.01))
    def flaky(text: str) -> str:
        if hydra.current().attempt < 2:
            raise ConnectionError(f"no {text}")
        return text

    @hydra.step
    def charge(text: str) -> str:
        raise ValueError(f"bad {text}")

    @hydra.step
    def refund(text: str) -> str:
        return text

    @hydra.transaction
    def exact(connection: Any, text: str) -> str:
        return text

    @hydra.workflow
    def child(text: str) -> str:
        return note(text)

    @hydra.workflow
    def broken_child(text: str) -> str:
        return charge(text)

    @hydra.workflow
    def order(text: str) -> list[Any]:
        first = [long(text), note(text), flaky(text), exact(text), hydra.now().year > 2000]
        first += hydra.gather(note.bind(text), note.bind(f"{text} 2"))
        first += hydra.map(note.bind_each([f"{text} {number}" for number in range(5)])).results()
        ended = hydra.spawn(child.bind(text), key="the child")
        failed = hydra.spawn(broken_child.bind(text))
        try:
            failed.result()
        except hydra.WorkflowFailed as error:
            first.append(str(error))
        first.append(ended.result())
        hydra.sleep(timedelta(seconds=0.01))
        first.append(str(hydra.wait_event("paid", int)))
        first.append(hydra.wait_event("told", str))
        token = hydra.callback_token()
        note(token)
        first.append(hydra.wait_callback(token, str))
        return first

    @hydra.workflow
    def fails(text: str) -> str:
        hydra.on_failure(refund.bind(text))
        return charge(text)

    @hydra.workflow
    def parks(text: str) -> str:
        return parked(text)

    @hydra.step(max_attempts=1, on_exhausted="park")
    def parked(text: str) -> str:
        raise ConnectionError(f"parked {text}")

    @hydra.step(lookup=lambda text: hydra.UNSURE)
    def sends(text: str) -> str:
        raise hydra.StepTimeout(f"no answer of {text}")

    @hydra.workflow
    def doubts(text: str) -> str:
        return sends(text)

    @hydra.workflow
    def again(text: str, left: int = 1) -> str:
        if left:
            hydra.continue_as_new(text, left - 1)
        return text

    return SimpleNamespace(seen=seen, order=order, fails=fails, parks=parks, again=again, child=child, doubts=doubts)


def marked_columns(url: str) -> set[str]:
    """`table.column` of all values in the database in which the marker is found."""
    side = open_side(url, may_migrate=False)
    try:
        found = set()
        for table, columns in side.tables().items():
            names = sorted(columns)
            cursor = side._connection.cursor()  # type: ignore[attr-defined]
            cursor.execute(f"select {', '.join(_quoted(name, url) for name in names)} from {table}")
            for row in cursor.fetchall():
                found |= {f"{table}.{name}" for name, value in zip(names, row, strict=True) if _is_marked(value)}
        return found
    finally:
        side.close()


def _quoted(name: str, url: str) -> str:
    return f"`{name}`" if url.startswith("mysql") else f'"{name}"'


def _is_marked(value: Any) -> bool:
    return any(MARKER in text for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    """Whatever a value says, also inside of plain payloads, which are compressed or hold others."""
    if isinstance(value, bytes):
        yield value.decode(errors="replace")
        if value[:1] == b"\xd1":
            yield from _texts(_core.decode(value))
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _texts(name)
            yield from _texts(each)
    else:
        yield str(value)
