"""A move that is killed anywhere goes on where it was, and in between at most one side can be written to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hydra
import pytest
from hydra.errors import HydraError, IllegalMove
from hydra.execution import Status
from hydra.move import abandon, move
from hydra.move.opening import open_side

from tests.move.conftest import PAIRS, Pair
from tests.move.killed import LEASE_SECONDS, Interrupted, is_stopped
from tests.move.worlds import counts, fill, takes_work

ROOT = Path(__file__).resolve().parents[2]
FIRST, STRIDE = 67, 131  # the order before which it dies first, and how many more each time


@pytest.mark.parametrize("pair", PAIRS[:2], indirect=True, ids="-".join)
def test_killed_again_and_again_it_goes_on_and_misses_nothing(pair: Pair) -> None:
    fill(pair.source)
    deaths = 0
    while True:
        point = FIRST + deaths * STRIDE
        command = [sys.executable, "-m", "tests.move.killed", str(point), pair.source, pair.target]
        code = subprocess.run(command, cwd=ROOT, timeout=120).returncode
        if code == 0:
            break
        assert code == -9
        deaths += 1
    assert deaths >= 2
    assert not takes_work(pair.source)
    assert counts(pair.target) == counts(pair.source)
    assert takes_work(pair.target)


@pytest.mark.parametrize("first", range(1, 5))
def test_stopped_anywhere_the_next_run_ends_it(files: Pair, first: int) -> None:
    fill(files.source)
    point = first * 7
    while is_stopped(files.source, files.target, point, batch_rows=5):
        point += 43
        if not takes_work(files.source):
            takes_work(files.target)  # refused, or the move is over
    assert (takes_work(files.source), takes_work(files.target)) == (False, True)
    with hydra.Engine(files.target) as engine:
        assert engine.audit() == []


def filling(files: Pair) -> None:
    """A move that was stopped behind its first batch."""

    def stop(namespace: str, table: str, count: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        move(files.source, files.target, lease_seconds=LEASE_SECONDS, batch_rows=5, told=stop)


def test_a_move_that_is_taken_back_leaves_the_source_at_work_and_the_target_closed(files: Pair) -> None:
    fill(files.source)
    filling(files)
    with pytest.raises(IllegalMove, match="is on its way as a whole; take all of it back, without a namespace"):
        abandon(files.source, files.target, "default")
    assert not takes_work(files.source)
    assert abandon(files.source, files.target) == ["default"]
    with hydra.Engine(files.source) as engine:
        assert engine.submit(hydra.named("bill").bind()).status() is Status.PENDING
        assert engine.audit() == []
    assert not takes_work(files.target)
    other = files.target.replace("target.db", "other.db")
    with hydra.Engine(other) as engine:
        engine.submit(hydra.named("bill").bind())
    with pytest.raises(IllegalMove, match=r"was taken back, and what it left there stays closed; name an empty"):
        move(other, files.target, lease_seconds=LEASE_SECONDS)
    move(files.source, files.target, lease_seconds=LEASE_SECONDS)  # clears what was left
    assert (takes_work(files.source), takes_work(files.target)) == (False, True)
    with hydra.Engine(files.target) as engine:
        assert engine.audit() == []


def test_of_two_that_fill_one_target_one_goes_on(files: Pair) -> None:
    fill(files.source)
    filling(files)
    calls = 0

    def other(namespace: str, table: str, count: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            move(files.source, files.target, lease_seconds=LEASE_SECONDS)

    with pytest.raises(HydraError, match="another `hydra move` has completed the move of namespace `def"):
        move(files.source, files.target, lease_seconds=LEASE_SECONDS, batch_rows=2, told=other)
    assert takes_work(files.target)


def test_rows_that_differ_are_seen_and_the_target_stays_closed(files: Pair) -> None:
    fill(files.source)
    filling(files)
    source = open_side(files.source, may_migrate=False)
    ((first,),) = source.query("select min(execution_id) from hydra_record")
    # Behind the fence's back, and after that row has come over.
    source.run("update hydra_record set payload = %s where execution_id = %s and seq = 1", [b"other", first])
    source.close()
    with pytest.raises(HydraError, match=r"rows of hydra_record with digest .* in the source, .* in the target"):
        move(files.source, files.target, lease_seconds=LEASE_SECONDS)
    assert not takes_work(files.target)
