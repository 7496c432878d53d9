"""The audit's questions about the order of one journal, asked in the plainest way: each record against each later one.

What an audit asks in SQL holds each record against few others; `test_store_audit_journals.py` compares the two.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

STEPS = ("step", "failure", "value", "resolution", "try", "crash", "start", "supersede")
WAITS = ("event", "event", "event", "wait", "wait", "expiry", "spawn", "sleep", "supersede")
KINDS = (STEPS, ("try", "crash", "step", "failure", "supersede"), WAITS, STEPS + WAITS)  # of a journal
OUTCOMES = ("step", "failure", "value", "event", "expiry", "spawn")
STARTS = ("try", "crash", "start", "wait")
NUMBERED = ("try", "crash", "step", "failure")
TRIES = ("start", "try", "crash", "step", "failure")
DIGESTS = (b"", b"a" * 16, b"b" * 16, b"a" * 17, b"b" * 17)
MESSAGES = (b"1" * 16, b"2" * 16, b"3" * 16)
NAMES = ("charge", "Charge", "x" * 1500 + "1", "x" * 1500 + "2")  # what a server sorts by may be cut off
BRANCHES = {"": 12, "/1": 1, "map.1": 1, "/2/map.1": 2, "/map.1/2": 1, "/2/Map.1": 1}  # with how often each is met
SET_ASIDE = "hydra.set_aside:"
UNJUDGED, LATE_AT = -1, 10

Pair = tuple[int, int]


class Row(NamedTuple):
    """A record, as far as these questions look at it."""

    seq: int
    kind: str
    branch: str
    name: str
    ordinal: int
    attempt: int
    digest: bytes
    has_payload: bool
    finished_at: int
    due_at: int

    @property
    def step(self) -> tuple[str, str, int]:
        return self.branch, self.name, self.ordinal

    @property
    def is_final(self) -> bool:
        return self.kind in OUTCOMES or (self.kind == "resolution" and self.has_payload)


def random_journal(chance: random.Random) -> list[Row]:
    """Few steps and many kinds, so that much of it breaks a promise."""
    count = chance.randint(1, 20)
    names, kinds = chance.sample(NAMES, 2), chance.choice(KINDS)

    def row(seq: int) -> Row:
        kind = chance.choice(kinds)
        ordinal = chance.randint(0, count + 1) if kind == "supersede" else chance.randint(0, 1)
        name, branch = chance.choices(names, (9, 1))[0], chance.choices(list(BRANCHES), list(BRANCHES.values()))[0]
        if kind == "event" and chance.random() < 0.2:
            name = SET_ASIDE + name
        digest, attempt = chance.choice(MESSAGES if kind == "event" else DIGESTS), chance.randint(1, 3)
        times = chance.randint(LATE_AT - 1, LATE_AT), chance.choice((0, UNJUDGED, LATE_AT))
        return Row(seq, kind, branch, name, ordinal, attempt, digest, chance.random() < 0.5, *times)

    return [row(seq + 1) for seq in range(count)]


def forgotten(rows: list[Row], one: Row, later: Row) -> bool:
    """Whether a new attempt forgot that record before the later one was written."""
    between = rows[one.seq : later.seq - 1]
    return any(each.kind == "supersede" and each.ordinal == one.seq for each in between)


def renewed(rows: list[Row], one: Row, later: Row) -> bool:
    """Whether any new attempt began between them."""
    return any(each.kind == "supersede" for each in rows[one.seq : later.seq - 1])


def two_outcomes(rows: list[Row], one: Row, later: Row) -> bool:
    again = later.kind in OUTCOMES or (later.kind == "resolution" and one.kind != "resolution")
    return one.is_final and again and not forgotten(rows, one, later)


def tried_after_its_outcome(rows: list[Row], one: Row, later: Row) -> bool:
    return one.is_final and later.kind in STARTS and not forgotten(rows, one, later)


def tried_backwards(rows: list[Row], one: Row, later: Row) -> bool:
    both = one.kind in ("try", "crash") and later.kind in NUMBERED
    is_wrong = later.attempt < one.attempt or is_same_try(rows, one, later)
    return both and is_wrong and not renewed(rows, one, later)


def is_same_try(rows: list[Row], one: Row, later: Row) -> bool:
    """In a row. One that was killed for its time-out is recorded once more when it is judged."""
    between = rows[one.seq : later.seq - 1]
    is_next = not any(each.step == one.step and each.kind in NUMBERED for each in between)
    is_item = later.branch.rpartition("/")[2].startswith("map.")
    is_known = all(each.kind in ("try", "crash") and each.digest != b"" for each in (one, later))
    return is_next and is_known and not is_item and one.attempt == later.attempt and one.due_at != UNJUDGED


def tried_with_other_arguments(rows: list[Row], one: Row, later: Row) -> bool:
    both = one.kind in TRIES and later.kind in TRIES and one.digest != b"" != later.digest
    alike = (len(one.digest) == 17) == (len(later.digest) == 17)
    return both and alike and one.digest != later.digest and not renewed(rows, one, later)


def taken_twice(rows: list[Row], one: Row, later: Row) -> bool:
    both = all(each.kind == "event" and not each.name.startswith(SET_ASIDE) for each in (one, later))
    return both and one.digest == later.digest and not was_late(rows, one) and not forgotten(rows, one, later)


def was_late(rows: list[Row], event: Row) -> bool:
    """It came to a wait that was over, and may not have been what that could read."""
    waits = [each for each in rows[: event.seq] if each.kind == "wait" and each.step == event.step and each.due_at > 0]
    return event.finished_at >= max((each.due_at for each in waits), default=event.finished_at + 1)


BROKEN: dict[str, Callable[[list[Row], Row, Row], bool]] = {
    "two outcomes": two_outcomes,
    "after an outcome": tried_after_its_outcome,
    "tries": tried_backwards,
    "arguments": tried_with_other_arguments,
    "messages": taken_twice,
}


def broken_pairs(rows: list[Row], promise: str) -> set[Pair]:
    """Of two records, of one step but for messages, that may not stand in this order: the earlier and the later."""
    return {
        (one.seq, later.seq)
        for one, later in combinations(rows, 2)
        if (one.step == later.step or promise == "messages") and BROKEN[promise](rows, one, later)
    }


def settled_unstarted(rows: list[Row]) -> set[Pair]:
    """What was settled and never started, as pairs of one record."""
    started = [each for each in rows if each.kind == "start"]
    return {
        (one.seq, one.seq)
        for one in rows
        if one.kind == "resolution" and not any(each.step == one.step and each.seq < one.seq for each in started)
    }
