"""G3, G4: the audit finds what is wrong with the order of a journal, whatever else is wrong with it, on each store."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from hydra.stores.store import Store

from tests.stores.breakers import Breaker, breaker_of
from tests.stores.breaks import RECORD
from tests.stores.journal_pairs import BROKEN, Pair, Row, broken_pairs, random_journal, settled_unstarted
from tests.stores.store_values import submit
from tests.stores.test_store_audit import answers, auditing

JOURNAL_COUNT, FINDING_COUNT = 300, 50
PLACES = {
    "two outcomes": r"at records (?P<one>\d+) and (?P<later>\d+)$",
    "after an outcome": r"at record (?P<later>\d+) after its outcome at record (?P<one>\d+)$",
    "tries": r"at record (?P<later>\d+), after try \d+ at record (?P<one>\d+)$",
    "arguments": r"at record (?P<later>\d+) than at record (?P<one>\d+), under",
    "messages": r"^message `\w+` was taken at records (?P<one>\d+) and (?P<later>\d+):",
    "resolutions": r"^record (?P<one>(?P<later>\d+)) settles",
}
Journals = dict[str, list[Row]]


@pytest.fixture
def store(open_another: Callable[..., Store]) -> Store:
    """Its promises are about to be broken, so nobody looks when the test is over."""
    return open_another()


@pytest.fixture
def breaker(store: Store, url: str) -> Iterator[Breaker]:
    breaker = breaker_of(url)
    yield breaker
    breaker.close()


def write_journals(breaker: Breaker, journals: Journals) -> None:
    """All rows in one statement."""
    rows = ", ".join(as_values(breaker, id, row) for id, rows in journals.items() for row in rows)
    breaker.run(f"insert into hydra_record ({RECORD}) values {rows}")


def as_values(breaker: Breaker, id: str, row: Row) -> str:
    hexadecimal = row.digest.hex()
    digest = f"decode('{hexadecimal}', 'hex')" if breaker.NAME == "postgres" else f"x'{hexadecimal}'"
    payload = ("null", "''")[row.has_payload]
    step = f"'{row.kind}', '{row.branch}', '{row.name}', {row.ordinal}, {row.attempt}"
    return f"({breaker.id(id)}, {row.seq}, {step}, {digest}, {payload}, 0, {row.finished_at}, {row.due_at})"


@pytest.mark.parametrize("promise", PLACES)
def test_g3_g4_of_random_journals_the_audit_finds_what_a_look_at_each_pair_of_records_finds(
    store: Store, breaker: Breaker, monkeypatch: pytest.MonkeyPatch, promise: str
) -> None:
    """It names fewer pairs: of a step whose journal is broken in ten ways one or some."""
    chance = random.Random(promise)
    journals = {id: random_journal(chance) for id in submit(store, JOURNAL_COUNT)}
    write_journals(breaker, journals)
    module = auditing(breaker.NAME)
    monkeypatch.setattr(module, "ROW_LIMIT", 10_000)
    found: dict[str, list[Pair]] = defaultdict(list)
    asked = {"messages": "taken_messages", "resolutions": "resolutions"}.get(promise, "order_of_records")
    for one in answers(store, module, asked, monkeypatch):
        places = [name for name, pattern in PLACES.items() if re.search(pattern, one.detail)]
        assert len(places) == 1, one
        place = re.search(PLACES[promise], one.detail)
        if place is not None:
            found[one.execution_id].append((int(place["one"]), int(place["later"])))
    assert sum(map(len, found.values())) > FINDING_COUNT
    for id, rows in journals.items():
        wrong = broken_pairs(rows, promise) if promise in BROKEN else settled_unstarted(rows)
        assert len(set(found[id])) == len(found[id])
        assert set(found[id]) <= wrong, rows
        assert named(promise, rows, found[id]) == named(promise, rows, wrong), rows


def named(promise: str, rows: list[Row], pairs: set[Pair] | list[Pair]) -> set[object]:
    """What a finding is about: the outcome that was not the last, the try that came too late, the tries of a step that
    differ, between two new attempts."""
    if promise == "tries":
        return {later for _, later in pairs}
    if promise == "arguments":
        eras = {seq: sum(each.kind == "supersede" for each in rows[:seq]) for seq, _ in pairs}
        return {(rows[seq - 1].step, len(rows[seq - 1].digest) == 17, eras[seq]) for seq, _ in pairs}
    return {one for one, _ in pairs}
