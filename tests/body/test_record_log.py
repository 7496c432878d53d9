"""Which places of a worker's page an execution keeps: of steps that ended, until what tells of them is durable."""

from __future__ import annotations

from hydra.body.record_log import MAX_PLACES, RecordLog, Timing


def log_of(count: int = 0) -> RecordLog:
    return RecordLog(count, lambda: None, None)


def append(log: RecordLog, place: int) -> None:
    log.append("step", ("", "charge", place), b"", b"", Timing(1, 1, 2, place=place))


def told(log: RecordLog) -> list[int]:
    """The places that it leaves now."""
    left: list[int] = []
    log.leave_told(left.append)
    return left


def test_g4_a_place_is_kept_until_its_own_record_is_durable() -> None:
    log = log_of(3)
    for place in (5, 6, 7):
        assert log.keep_place(place)
    append(log, 5)
    append(log, 7)  # 6 has ended, and its strand has not recorded that yet
    log.durable = 4
    assert told(log) == [5]
    log.durable = 5
    assert told(log) == [7] and log.places == {6: 0}
    append(log, 6)
    assert told(log) == []
    log.durable = 6
    assert told(log) == [6] and log.places == {}


def test_a_place_that_was_left_is_not_taken_for_another_steps() -> None:
    log = log_of()
    append(log, 5)
    log.durable = 1
    assert log.places == {} and told(log) == []


def test_the_places_of_one_execution_are_bounded() -> None:
    log = log_of()
    assert all(log.keep_place(place) for place in range(MAX_PLACES))
    assert not log.keep_place(MAX_PLACES) and len(log.places) == MAX_PLACES
