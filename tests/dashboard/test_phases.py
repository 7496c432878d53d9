"""Where an execution's time went: a function of its row, its claims and its records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hydra.client.views import Attempt, Execution
from hydra.dashboard.phases import phases, totals
from hydra.execution import Record, RecordKind, Status

BEGAN_AT = datetime(2026, 11, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN_AT + timedelta(seconds=seconds)


def execution(status: Status, finished_at: float | None = None, **other: object) -> Execution:
    plain = Execution("e", "bill", None, status, 0, 1, None, False, "", {}, at(0), at(0), None, None, None, None, 0, 0)
    ended = None if finished_at is None else at(finished_at)
    return msgspec.structs.replace(plain, finished_at=ended, **other)


def claim(epoch: int, from_second: float, to_second: float | None, ending: str | None, detail: str = "") -> Attempt:
    ended_at = None if to_second is None else at(to_second)
    return Attempt(epoch, 1, "n", 0, at(from_second), ended_at, ending, detail)


def record(kind: RecordKind, finished: float, due: float, began: float | None = None) -> Record:
    base = int(BEGAN_AT.timestamp() * 1e6)
    seconds = (finished if began is None else began, finished, due)
    instants = [base + round(second * 1e6) if second else 0 for second in seconds]
    return Record(1, kind, "", "charge", 0, 1, b"", None, *instants)


def shown(found: object) -> list[tuple[str, float]]:
    assert isinstance(found, list)
    return [(each.kind, each.seconds) for each in found]


def test_queue_run_sleep_back_off_and_wait_are_told_apart() -> None:
    claims = [
        claim(1, 1, 2, "sleeping"),
        claim(2, 7, 8, "sleeping"),
        claim(3, 11, 12, "waiting"),
        claim(4, 20, 21, "retry"),
        claim(5, 25, 26, "crashed"),
        claim(6, 27, 28, "completed"),
    ]
    records = [record(RecordKind.SLEEP, 2, 6), record(RecordKind.TRY, 8, 10.5)]
    found = phases(execution(Status.COMPLETED, 28), claims, records, at(100))
    assert shown(found) == [
        ("queue", 1), ("run", 1), ("sleep", 4), ("queue", 1), ("run", 1), ("back-off", 2.5), ("queue", 0.5),
        ("run", 1), ("wait", 8), ("run", 1), ("back-off", 4), ("run", 1), ("queue", 1), ("run", 1),
    ]  # fmt: skip
    assert totals(found)["run"] == 6
    assert sum(totals(found).values()) == 28


def test_what_rests_within_a_claim_is_told_apart_from_what_runs() -> None:
    records = [
        record(RecordKind.TRY, 2, 4, began=1),
        record(RecordKind.STEP, 5, 0, began=4),
        record(RecordKind.SLEEP, 5, 8),
        record(RecordKind.STEP, 7, 0, began=6),  # of another branch, meanwhile
        record(RecordKind.WAIT, 8, 0),
        record(RecordKind.EVENT, 10, 0),
    ]
    found = phases(execution(Status.COMPLETED, 12), [claim(1, 1, 12, "completed")], records, at(100))
    assert shown(found) == [
        ("queue", 1), ("run", 1), ("back-off", 2), ("run", 1), ("sleep", 1), ("run", 1), ("sleep", 1), ("wait", 2),
        ("run", 2),
    ]  # fmt: skip


def test_what_goes_on_is_told_until_now() -> None:
    assert shown(phases(execution(Status.PENDING), [], [], at(5))) == [("queue", 5)]
    assert shown(phases(execution(Status.RUNNING), [claim(1, 1, None, None)], [], at(5))) == [("queue", 1), ("run", 4)]
    assert shown(phases(execution(Status.PARKED), [claim(1, 1, 2, "parked")], [], at(5)))[-1] == ("parked", 3)
    delayed = execution(Status.PENDING, run_at=at(3))
    assert shown(phases(delayed, [], [], at(5))) == [("delay", 3), ("queue", 2)]
    assert shown(phases(delayed, [], [], at(2))) == [("delay", 2)]


def test_what_was_cancelled_before_it_began_was_queued() -> None:
    assert shown(phases(execution(Status.CANCELLED, 4), [], [], at(9))) == [("queue", 4)]
