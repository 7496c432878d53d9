"""What a program hands over by mistake is refused with one sentence, before a database sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import hydra
import pytest

from tests.client import shop

BAD: dict[str, tuple[str, Callable[[hydra.Engine], Any]]] = {
    "a time that is a text": ("is not a time", lambda e: e.submit(shop.echo.bind(1), run_at="2030-01-01")),  # type: ignore[arg-type]
    "a time that is a date": ("is not a time", lambda e: e.submit(shop.echo.bind(1), run_at=date(2030, 1, 1))),  # type: ignore[arg-type]
    "keys that are one text": ("is one text", lambda e: e.submit_many([shop.echo.bind(1)] * 2, keys="ab")),
    "no page": ("`limit` must be a whole number", lambda e: e.executions(limit=0)),
    "a page of minus one": ("`limit` must be a whole number", lambda e: e.executions(limit=-1)),
    "a page of text": ("`limit` must be a whole number", lambda e: e.executions(limit="all")),  # type: ignore[arg-type]
    "a page after nothing": ("is not an execution's id", lambda e: e.executions(before="first")),
    "a workflow that is a number": ("is not a workflow", lambda e: e.executions(workflow=5)),  # type: ignore[arg-type]
    "a search for a number": ("is not a workflow", lambda e: e.find(5, key="k")),  # type: ignore[arg-type]
    "tags that are a list": ("`tags` must be a dict", lambda e: e.executions(tags=["run"])),  # type: ignore[arg-type]
    "a key that is a number": ("is not a key", lambda e: e.executions(key=5)),  # type: ignore[arg-type]
    "a worker of nobody": ("`concurrency` must be", lambda e: e.worker(concurrency=0)),
    "a worker of text": ("`concurrency` must be", lambda e: e.worker(concurrency="8")),  # type: ignore[arg-type]
    "no depth": ("`max_pending` must be", lambda e: hydra.Engine(e.url, max_pending=-1)),
    "no payload": ("`max_payload_bytes` must be", lambda e: hydra.Engine(e.url, max_payload_bytes=0)),
    "nobody's tenant": ("is not a namespace", lambda e: hydra.Engine(e.url, namespace="")),
    "no database": ("is not a database URL", lambda _: hydra.Engine("")),
    "a database that is a path": ("is not a database URL", lambda _: hydra.Engine(Path("x.db"))),  # type: ignore[arg-type]
    "a step that is a type": ("belongs on a function", lambda _: hydra.step(dict)),
    "an event with a NUL": ("name of an event", lambda e: e.submit(shop.echo.bind(1)).signal("a\0b")),
    "an event without a name": ("name of an event", lambda e: e.submit(shop.echo.bind(1)).signal("")),
}


@pytest.mark.parametrize("mistake", BAD)
def test_a_mistake_is_one_sentence(engine: hydra.Engine, mistake: str) -> None:
    sentence, make = BAD[mistake]
    with pytest.raises(hydra.ConfigError, match=sentence):
        make(engine)


@pytest.mark.parametrize("tags", [{"run": "a\0b"}, {"r\0n": "a"}])
def test_a_nul_in_a_tag_is_refused_on_every_database(engine: hydra.Engine, tags: dict[str, str]) -> None:
    with pytest.raises(hydra.PayloadError, match="NUL"):
        engine.submit(shop.echo.bind(1), tags=tags)


def test_a_nul_in_a_key_is_refused_on_every_database(engine: hydra.Engine) -> None:
    for call in (
        lambda: engine.submit(shop.echo.bind(1), key="a\0b"),
        lambda: engine.submit_many([shop.echo.bind(1)], keys=["a\0b"]),
        lambda: engine.find(shop.echo, "a\0b"),
        lambda: engine.executions(key="a\0b"),
    ):
        with pytest.raises(hydra.PayloadError, match="holds a NUL character; leave it out"):
            call()


def test_what_was_bound_has_a_public_type() -> None:
    assert isinstance(shop.echo.bind(1), hydra.BoundWorkflow)
    assert isinstance(hydra.step(_nothing).bind(), hydra.BoundStep)


def _nothing() -> None: ...
