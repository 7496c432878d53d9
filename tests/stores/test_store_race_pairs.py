"""Every pair of verbs about one execution races (see `race_pairs`); a thousand rounds of each by `make races`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from hydra.execution import ExecutionCommit, Record
from hydra.stores import arrivals
from hydra.stores.sqlite.statements import statements
from hydra.stores.store import Store

from tests.stores.race_pairs import PAIRS, Race, Untrue

ROUNDS = int(os.environ.get("HYDRA_RACE_ROUNDS", "0"))
CI_ROUNDS, CI_SECONDS = 50, 8.0  # of each pair, as far as the time goes, on each database
SEED = int(os.environ.get("HYDRA_RACE_SEED", time.time_ns() % 1_000_000))

Another = Callable[..., Store]


@pytest.mark.timeout(0)
def test_whatever_two_verbs_answer_at_once_is_true(store: Store, open_another: Another) -> None:
    race = Race(store, open_another(), SEED)
    race.run(PAIRS, ROUNDS or CI_ROUNDS, None if ROUNDS else CI_SECONDS)
    print(f"{race.round_count} rounds with seed {SEED}")


def rounds_until_untrue(store: Store, other: Store, pair: tuple[str, str], state: str) -> str:
    race = Race(store, other, SEED)
    with pytest.raises(Untrue) as untrue:
        for _ in range(400):
            race.run_pair(pair, 5, state)
    return str(untrue.value)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_it_finds_an_expiry_that_does_not_look_for_its_message(
    open_another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decide(_: object, commit: ExecutionCommit) -> list[Record]:
        return commit.records

    monkeypatch.setattr(arrivals.Arrivals, "decide", decide)
    assert "`complete` answered True" in rounds_until_untrue(
        open_another(), open_another(), ("complete", "expiry"), "running"
    )


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_it_finds_messages_that_are_ordered_by_their_senders_clocks(
    open_another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hydra.stores.sqlite.reading.by_arrival", lambda message: (message.sent_at, message.id))
    assert "whose clock is slow" in rounds_until_untrue(
        open_another(), open_another(), ("signal", "suspend"), "running"
    )


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_it_finds_a_purge_that_takes_a_child_out_of_an_open_tree(
    open_another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = "            where d.execution_id = r.id\n"
    assert guard in statements()["purgeable"]
    purgeable = statements()["purgeable"].replace(guard, "            where d.execution_id = ''\n")
    monkeypatch.setitem(statements(), "purgeable", purgeable)
    found = rounds_until_untrue(open_another(), open_another(), ("purge", "child's end"), "waiting")
    assert "its child was purged" in found or "completed executions" in found  # it is also counted twice then
