"""What the records tell of a try that a dead worker's page shows."""

from __future__ import annotations

import pytest
from hydra.codec import encode
from hydra.execution import Record, RecordKind
from hydra.records.map_outcomes import CHUNK_PREFIX
from hydra.records.tries import Told


def record(kind: str, name: str = "charge", ordinal: int = 0, attempt: int = 1, payload: bytes = b"") -> Record:
    return Record(1, kind, "/map.1", name, ordinal, attempt, b"", payload, 1, 2)


@pytest.mark.parametrize("kind", ["step", "failure", "try", "crash"])
def test_g4_a_try_is_told_by_a_record_of_its_end(kind: str) -> None:
    told = Told([record(kind, attempt=2)])
    assert told.has(record("crash", attempt=2))
    assert not told.has(record("crash", attempt=3)) and not told.has(record("crash", name="refund", attempt=2))


def test_g4_its_start_tells_nothing_of_its_end() -> None:
    assert not Told([record(RecordKind.START)]).has(record("crash"))


def test_g4_a_chunk_of_a_map_tells_of_its_items_but_for_those_that_are_tried_again() -> None:
    payload = encode([2, 5, [0], [[3, 1, 99]], [[4, b"failed"]], encode([1, 2])])
    told = Told([record(RecordKind.VALUE, name=CHUNK_PREFIX + "charge", payload=payload)])
    assert [index for index in range(7) if told.has(record("crash", ordinal=index, attempt=9))] == [0, 2, 4]
    assert not told.has(record("crash", name="refund", ordinal=2))
