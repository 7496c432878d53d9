"""Frames leave together; records leave with their turn's flush, and an end with the last of them (G5)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hydra.body.record_log import RecordLog, Timing
from hydra.execution import End, Ending, Record
from hydra.frames import Ended, FromWorker, Listening, Recorded
from hydra.worker import send_window
from hydra.worker.sender import MAX_UNSENT, Sender

LARGE = send_window.LARGE_BYTES
COMPLETED = End(Ending.COMPLETED)


def record(seq: int, size: int = 1) -> Record:
    return Record(seq, "step", "", "s", seq, 1, b"", bytes(size), 0, 0)


class Execution(SimpleNamespace):
    """As much of one as its sender looks at."""

    __hash__ = object.__hash__

    def __init__(self, token: int, *records: Record) -> None:
        log = RecordLog(0, lambda: None, None)
        for each in records:
            log.append(each.kind, (each.branch, each.name, each.ordinal), each.digest, each.payload, Timing(1, 0, 0))
        super().__init__(token=token, log=log)


def sender_of(sent: list[list[FromWorker]]) -> Any:
    return Sender(sent.append)


def test_what_is_said_in_one_turn_leaves_in_one_batch() -> None:
    sent: list[list[FromWorker]] = []
    sender, execution = sender_of(sent), Execution(1, record(1), record(2))
    sender.flush()
    assert sent == [], "nothing to say"
    sender.add(Listening(2))
    sender.has_unsent(execution)
    assert not sender.is_empty
    sender.flush()
    assert sent == [[Listening(2), Recorded(1, [record(1), record(2)])]]
    assert sender.is_empty and execution.log.unsent == []


def test_g5_an_end_carries_the_last_records() -> None:
    sent: list[list[FromWorker]] = []
    sender, execution = sender_of(sent), Execution(1, record(1))
    sender.has_unsent(execution)
    sender.end(execution, COMPLETED)
    sender.flush()
    assert sent == [[Ended(1, [record(1)], COMPLETED)]]


def test_an_end_waits_for_records_that_the_window_holds_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_window, "MAX_WINDOW_BYTES", LARGE)
    sent: list[list[FromWorker]] = []
    sender, first, second = sender_of(sent), Execution(1, record(1, LARGE)), Execution(2, record(1, LARGE))
    for execution in (first, second):
        sender.has_unsent(execution)
    sender.flush()
    sender.end(second, COMPLETED)
    sender.flush()
    assert sent == [[Recorded(1, [record(1, LARGE)])]] and not sender.is_empty
    sender.window.confirm(1, 1)
    sender.flush()
    assert sent[1:] == [[Ended(2, [record(1, LARGE)], COMPLETED)]] and sender.is_empty


def test_reserved_numbers_hold_back_what_comes_after_them() -> None:
    sent: list[list[FromWorker]] = []
    sender, execution = sender_of(sent), Execution(1)
    number = execution.log.reserve()
    execution.log.append("step", ("", "s", 2), b"", b"\0", Timing(1, 0, 0))
    sender.has_unsent(execution)
    sender.flush()
    assert sent == []
    execution.log.append("step", ("", "s", 1), b"", b"\0", Timing(1, 0, 0, reserved=number))
    execution.log.release(is_written=False)
    sender.has_unsent(execution)
    sender.flush()
    assert sent == [[Recorded(1, [record(1), record(2)])]]


def test_many_executions_with_news_are_not_kept_until_all_have_run() -> None:
    sender = sender_of([])
    for token in range(MAX_UNSENT):
        assert not sender.is_full
        sender.has_unsent(Execution(token, record(1)))
    assert sender.is_full
