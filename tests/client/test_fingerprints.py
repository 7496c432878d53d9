"""Fingerprints: what is one fault, and what are two. Pure."""

from __future__ import annotations

import pytest
from hydra import codec
from hydra.execution import CAUSES, TIMED_OUT, Status
from hydra.records.fingerprints import MAX_MESSAGE_LENGTH, Fault, fault_of, is_of, last_frame, without_ids
from hydra.values.printed import RAISED_AGAIN


class CardError(Exception):
    pass


def raised(message: str) -> bytes:
    try:
        raise CardError(message)
    except CardError as error:
        return codec.encode_failure(error)


def raised_elsewhere(message: str) -> bytes:
    try:
        raise CardError(message)
    except CardError as error:
        return codec.encode_failure(error)


def fault(payload: bytes, step: str | None = "charge") -> Fault:
    return fault_of(Status.FAILED, "", payload, step)


def test_ids_amounts_and_times_make_no_other_fault() -> None:
    one = fault(raised("card visa-81 of 01a22975-ff5a-71c7-9716-d32190e887ce refused: 4,999.00 EUR"))
    other = fault(raised("card visa-9 of deadbeef-aaaa-bbbb-cccc-abcdefabcdef refused: 17 EUR"))
    assert one == other
    assert (one.kind, one.step, one.message) == ("CardError", "charge", "card # of # refused: # EUR")
    assert one.place.startswith("test_fingerprints.py:") and one.place.endswith(" in raised")


def test_another_class_step_message_or_function_is_another_fault() -> None:
    first = fault(raised("refused"))
    others = [
        fault(raised("refused"), "refund"),
        fault(raised("refused"), None),
        fault(raised("stolen")),
        fault(raised_elsewhere("refused")),
        fault_of(Status.PARKED, "", codec.encode("refused"), None),
        fault_of(Status.FAILED, TIMED_OUT, None, None),
    ]
    assert len({first.fingerprint, *(each.fingerprint for each in others)}) == len(others) + 1
    assert [each.kind for each in others[-2:]] == ["parked", "timeout"]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("no such key", "no such key"),
        ("line 3\n  of 7", "line # of #"),
        ("at 0x7f3a9c", "at #"),
        ("ünïcode 5", "ünïcode #"),
        ("", ""),
        ("x" * 999, "x" * MAX_MESSAGE_LENGTH),
    ],
)
def test_a_message_without_ids_is_one_short_line(message: str, shown: str) -> None:
    assert without_ids(message) == shown


def test_the_frame_is_where_it_was_raised_first() -> None:
    text = 'Traceback:\n  File "/app/pay.py", line 4, in charge\n    raise\nE: no\n'
    assert last_frame(text) == ("/app/pay.py", "4", "charge")
    assert last_frame(f'{text}\n{RAISED_AGAIN}\n\n  File "/x/steps.py", line 9, in run\nE: no\n') == last_frame(text)
    assert last_frame("") is None


def test_a_fault_is_named_by_its_fingerprint_or_its_class_and_by_no_part_of_either() -> None:
    found = Fault("0123456789ab", "Outer.CardError", "charge", "", "")
    assert all(is_of(found, name) for name in ("0123456789ab", "Outer.CardError", "CardError"))
    assert not any(is_of(found, name) for name in ("0123", "Card", "", "charge"))


@pytest.mark.parametrize("payload", [b"", b"\xff\xff", codec.encode([1])])
@pytest.mark.parametrize("status", [Status.FAILED, Status.PARKED])
def test_g7_what_cannot_be_read_is_a_fault_of_its_own_and_hides_no_other(status: Status, payload: bytes) -> None:
    assert len(fault_of(status, "", payload, CAUSES).fingerprint) == 12
