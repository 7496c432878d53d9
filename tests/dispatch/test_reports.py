"""What long steps say waits for the beat that is written, whatever happens to the one that brings it."""

from __future__ import annotations

from hydra.dispatch.reports import Reports
from hydra.execution import Progress


def said(word: bytes) -> Progress:
    return Progress("", "", "copy", 0, 1, word, 1, 1)


def words(reports: list[Progress]) -> list[tuple[str, bytes]]:
    return [(report.execution_id, report.payload) for report in reports]


def test_only_the_last_word_of_a_step_is_sent() -> None:
    reports = Reports()
    for word in (b"1", b"2"):
        reports.add("a", said(word))
    reports.add("b", said(b"3"))
    assert words(reports.send()) == [("a", b"2"), ("b", b"3")]


def test_what_a_failed_beat_brought_comes_again_and_what_was_written_does_not() -> None:
    reports = Reports()
    reports.add("a", said(b"1"))
    reports.send()
    assert words(reports.send()) == [("a", b"1")]
    reports.add("a", said(b"2"))
    reports.written()
    assert words(reports.send()) == [("a", b"2")]
    reports.written()
    assert reports.send() == []
