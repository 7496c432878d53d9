"""What a log line says of where it was written, and that a body's lines are told once, however often it is replayed."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import hydra
import hydra.logging
import pytest
from hydra.observability.logs import ConsoleFormatter, JsonFormatter, add_filter
from hydra.testing import Harness

log = logging.getLogger("shop")


class Keeping(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def harness() -> Iterator[Harness]:
    with Harness() as harness:
        yield harness


@pytest.fixture
def any_harness(url: str) -> Iterator[Harness]:
    """On each database."""
    with Harness(url) as harness:
        yield harness
        assert harness.engine.audit() == []


@pytest.fixture
def kept() -> Iterator[Keeping]:
    handler = Keeping()
    handler.addFilter(hydra.logging.Filter())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield handler
    log.removeHandler(handler)


def test_each_line_says_where_it_was_written(harness: Harness, kept: Keeping) -> None:
    @hydra.step(max_attempts=2)
    def work() -> None:
        log.info("in a step")
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(log.info, "in a thread of it"))
        thread.start()
        thread.join()
        if hydra.current().attempt == 1:
            raise ValueError("once")

    @hydra.step
    async def later() -> None:
        await asyncio.to_thread(log.info, "in a thread of an async step")

    @hydra.workflow
    def flow() -> None:
        log.info("in the body")
        work()

    @hydra.workflow
    async def async_flow() -> None:
        await later()

    handle = harness.submit(flow.bind(), key="inv-42")
    harness.advance(10)
    handle.result()
    other = harness.submit(async_flow.bind())
    other.result()
    log.info("outside")
    named = [(r.getMessage(), vars(r)["step"], vars(r)["attempt"]) for r in kept.records]
    assert named == [
        ("in the body", None, 1),
        ("in a step", "work", 1), ("in a thread of it", "work", 1),
        ("in a step", "work", 2), ("in a thread of it", "work", 2),
        ("in a thread of an async step", "later", 1), ("outside", None, None),
    ]  # fmt: skip
    for record in kept.records[:5]:
        own = vars(record)
        assert (own["execution_id"], own["workflow"], own["key"]) == (handle.id, "flow", "inv-42")
    assert vars(kept.records[5])["execution_id"] == other.id
    assert vars(kept.records[6])["execution_id"] is None


def test_what_a_line_has_of_its_own_stays(harness: Harness, kept: Keeping) -> None:
    @hydra.workflow
    def flow() -> None:
        log.info("said", extra={"key": "mine", "step": 7})
        log.info("asked", extra=hydra.log_context())

    harness.submit(flow.bind(), key="theirs").result()
    own, asked = (vars(record) for record in kept.records)
    assert (own["key"], own["step"], own["workflow"]) == ("mine", 7, "flow")
    assert (asked["key"], asked["step"]) == ("theirs", None)
    assert "execution_id" not in hydra.log_context()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_body_says_each_thing_once(any_harness: Harness, kept: Keeping, is_async: bool) -> None:
    """It rests at a sleep, an event, a child's end, a step's back-off and a callback: each a run that begins anew."""

    @hydra.workflow
    def child(seconds: int) -> None:
        hydra.sleep(seconds)

    tries: list[int] = []

    if is_async:

        @hydra.step(max_attempts=2, backoff=hydra.Backoff(30, jitter=0))
        async def work() -> None:
            log.info("  try")
            tries.append(1)
            if len(tries) == 1:
                raise ValueError("once")

        @hydra.workflow
        async def flow() -> None:
            log.info("began")
            begun = await hydra.aio.spawn(child.bind(100))
            log.info("spawned")
            await hydra.aio.sleep(20)
            log.info("slept")
            await hydra.aio.wait_event("go")
            log.info("told to go")
            await work()
            log.info("worked")
            await begun.result()
            log.info("child ended")

    else:

        @hydra.step(max_attempts=2, backoff=hydra.Backoff(30, jitter=0))
        def work() -> None:
            log.info("  try")
            tries.append(1)
            if len(tries) == 1:
                raise ValueError("once")

        @hydra.workflow
        def flow() -> None:
            log.info("began")
            begun = hydra.spawn(child.bind(100))
            log.info("spawned")
            hydra.sleep(20)
            log.info("slept")
            hydra.wait_event("go")
            log.info("told to go")
            work()
            log.info("worked")
            begun.result()
            log.info("child ended")

    handle = any_harness.submit(flow.bind())
    any_harness.advance(25)
    handle.signal("go")
    any_harness.advance(500)
    handle.result()
    assert len({attempt.epoch for attempt in handle.attempts()}) > 4
    assert kept.lines == [
        "began", "spawned", "slept", "told to go", "  try", "  try", "worked", "child ended",
    ]  # fmt: skip


def test_a_new_attempt_says_what_is_new_in_it(harness: Harness, kept: Keeping) -> None:
    tries: list[int] = []

    @hydra.step
    def work() -> None:
        log.info("  work")

    @hydra.workflow(max_attempts=2, backoff=hydra.Backoff(10, jitter=0))
    def flow() -> None:
        log.info("began")
        work()
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once")
        log.info("reckoned")

    handle = harness.submit(flow.bind())
    harness.advance(20)
    handle.result()
    assert kept.lines == ["began", "  work", "reckoned"]


def test_a_line_of_what_an_execution_left_behind_is_told(harness: Harness, kept: Keeping) -> None:
    contexts: list[contextvars.Context] = []

    @hydra.workflow
    async def flow() -> None:
        contexts.append(contextvars.copy_context())

    harness.submit(flow.bind()).result()
    gc.collect()
    contexts[0].run(log.info, "after the end")
    assert kept.lines == ["after the end"]


def test_lines_of_hydra_are_told_whenever(harness: Harness) -> None:
    @hydra.workflow
    def flow() -> None:
        logging.getLogger("hydra.worker").warning("of hydra")
        hydra.sleep(60)

    handler = Keeping()
    handler.addFilter(hydra.logging.Filter())
    logging.getLogger("hydra.worker").addHandler(handler)
    try:
        handle = harness.submit(flow.bind())
        harness.advance(61)
        handle.result()
    finally:
        logging.getLogger("hydra.worker").removeHandler(handler)
    assert handler.lines == ["of hydra", "of hydra"]


def test_structlog_says_it_too_and_once(harness: Harness) -> None:
    structlog = pytest.importorskip("structlog")
    written = io.StringIO()
    own = structlog.wrap_logger(
        structlog.PrintLogger(written),
        processors=[hydra.logging.add_context, structlog.processors.JSONRenderer()],
    )

    @hydra.step
    def work() -> None:
        own.info("worked", key="mine")

    @hydra.workflow
    def flow() -> None:
        own.info("began")
        work()
        hydra.sleep(60)
        own.info("ended")

    handle = harness.submit(flow.bind())
    harness.advance(61)
    handle.result()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["began", "worked", "ended"]
    assert {line["execution_id"] for line in lines} == {handle.id}
    assert (lines[1]["step"], lines[1]["key"]) == ("work", "mine")


def record(**extra: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "shop", "msg": "said", "levelname": "INFO", **extra})


def test_both_forms_show_the_fields() -> None:
    known = {"execution_id": "0193", "workflow": "bill", "key": None, "step": "charge", "attempt": 2, "worker": 0}
    assert (
        ConsoleFormatter()
        .format(record(**known))
        .endswith("said [execution_id=0193 workflow=bill step=charge attempt=2 worker=0]")
    )
    assert ConsoleFormatter().format(record(execution_id=None)).endswith("said")
    shown = json.loads(JsonFormatter().format(record(**known)))
    assert {"execution_id", "workflow", "step", "attempt", "worker", "message"} <= shown.keys()
    assert "key" not in shown


@pytest.mark.parametrize("value", [2**80, "\ud800", object(), {1: {2}}, float("nan"), b"\xff"])
def test_whatever_a_line_carries_it_is_one_object(value: object) -> None:
    assert json.loads(JsonFormatter().format(record(given=value)))["message"] == "said"


def test_a_filter_is_put_on_every_handler_once() -> None:
    handler = Keeping()
    logging.getLogger("shop.deep").addHandler(handler)
    try:
        add_filter(hydra.logging.Filter())
        add_filter(hydra.logging.Filter())
        assert sum(isinstance(each, hydra.logging.Filter) for each in handler.filters) == 1
    finally:
        logging.getLogger("shop.deep").removeHandler(handler)
        for each in logging.getLogger().handlers:  # pytest's own
            for own in [one for one in each.filters if isinstance(one, hydra.logging.Filter)]:
                each.removeFilter(own)


FORGED = "no card\n12:00:00.000 INFO    http[1]: metrics and health at http://evil.test\x1b[2J\x9b31m\u202e"


@pytest.mark.parametrize("formatter", [ConsoleFormatter(), JsonFormatter()])
def test_what_others_wrote_makes_no_line_of_the_log_and_moves_no_cursor(formatter: logging.Formatter) -> None:
    try:
        raise LookupError(FORGED)
    except LookupError:
        info = sys.exc_info()
    given = logging.LogRecord("hydra.supervisor", logging.ERROR, "", 1, "execution %s failed", (FORGED,), info)
    given.key = FORGED
    given.execution_id = "01"
    text = formatter.format(given)
    assert not [each for each in text if each in "\x1b\x9b\u202e"]
    first, *others = text.split("\n")
    assert "execution no card" in first and all(line.startswith("    ") for line in others)
    if isinstance(formatter, JsonFormatter):
        assert json.loads(text)["key"] == FORGED, "the value stays the same"
