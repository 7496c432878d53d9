"""The audit's questions about the order of one journal, asked in the plainest way: each record against each later one.

What an audit asks in SQL holds each record against few others; `test_store_audit_journals.py` compares the two.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

KINDS = ("step", "failure", "value", "resolution", "try", "crash", "start", "supersede", "event")
OUTCOMES = ("step", "failure", "value")
TRIES = ("start", "try", "crash", "step", "failure")
DIGESTS = (b"", b"a" * 16, b"b" * 16, b"a" * 17, b"b" * 17)
NAMES = ("charge", "Charge", "x" * 1500 + "1", "x" * 1500 + "2")  # what a server sorts by may be cut off

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

    @property
    def step(self) -> tuple[str, str, int]:
        return self.branch, self.name, self.ordinal

    @property
    def is_final(self) -> bool:
        return self.kind in OUTCOMES or (self.kind == "resolution" and self.has_payload)


def random_journal(chance: random.Random) -> list[Row]:
    """Few steps and many kinds, so that much of it breaks a promise."""
    count = chance.randint(1, 20)
    names = chance.sample(NAMES, 2)

    def row(seq: int) -> Row:
        kind = chance.choice(KINDS)
        ordinal = chance.randint(0, count + 1) if kind == "supersede" else chance.randint(0, 1)
        name, branch = chance.choices(names, (9, 1))[0], chance.choice(("", "", "", "/1"))
        digest, attempt = chance.choice(DIGESTS), chance.randint(1, 3)
        return Row(seq, kind, branch, name, ordinal, attempt, digest, chance.random() < 0.5)

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
    return one.is_final and later.kind in ("try", "crash", "start") and not forgotten(rows, one, later)


def tried_backwards(rows: list[Row], one: Row, later: Row) -> bool:
    both = one.kind in ("try", "crash") and later.kind in ("try", "crash", "step", "failure")
    return both and later.attempt < one.attempt and not renewed(rows, one, later)


def tried_with_other_arguments(rows: list[Row], one: Row, later: Row) -> bool:
    both = one.kind in TRIES and later.kind in TRIES and one.digest != b"" != later.digest
    alike = (len(one.digest) == 17) == (len(later.digest) == 17)
    return both and alike and one.digest != later.digest and not renewed(rows, one, later)


BROKEN: dict[str, Callable[[list[Row], Row, Row], bool]] = {
    "one_outcome_per_step": two_outcomes,
    "nothing_after_an_outcome": tried_after_its_outcome,
    "order_of_tries": tried_backwards,
    "arguments_of_tries": tried_with_other_arguments,
}


def broken_pairs(rows: list[Row], question: str) -> set[Pair]:
    """Of two records of one step that may not stand in this order: the earlier and the later."""
    pairs = ((one, later) for one, later in combinations(rows, 2) if one.step == later.step)
    return {(one.seq, later.seq) for one, later in pairs if BROKEN[question](rows, one, later)}


def settled_unstarted(rows: list[Row]) -> set[Pair]:
    """What was settled and never started, as pairs of one record."""
    started = [each for each in rows if each.kind == "start"]
    return {
        (one.seq, one.seq)
        for one in rows
        if one.kind == "resolution" and not any(each.step == one.step and each.seq < one.seq for each in started)
    }
