"""A namespace comes back to the database that it was moved from; who was moved on stays closed where it was."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import hydra
import pytest
from click.testing import CliRunner
from hydra.cli import main
from hydra.errors import ConfigError, HydraError, IllegalMove
from hydra.execution import Status
from hydra.move import abandon, move
from hydra.move.opening import open_side

from tests.move.conftest import Pair
from tests.move.killed import LEASE_SECONDS, is_stopped, stopped
from tests.move.worlds import counts, fill, submitted, takes_work


def is_sound(url: str, namespace: str = "default") -> bool:
    with hydra.Engine(url, namespace) as engine:
        return engine.audit() == []


def test_what_went_comes_back_with_what_was_done_meanwhile(pair: Pair) -> None:
    fill(pair.source, "a")
    fill(pair.source, "b")
    others = counts(pair.source, "b")
    move(pair.source, pair.target, "a", lease_seconds=LEASE_SECONDS)
    with hydra.Engine(pair.target, "a") as engine:
        done = engine.submit(hydra.named("bill").bind(), key="meanwhile").id
    answer = CliRunner().invoke(main, ["move", pair.target, pair.source, "--namespace", "a", "--lease-ttl", "1s"])
    assert answer.exit_code == 0, answer.output
    assert counts(pair.source, "a") == counts(pair.target, "a")
    assert counts(pair.source, "b") == others
    assert is_sound(pair.source, "a")
    assert is_sound(pair.source, "b")
    with hydra.Engine(pair.source, "a") as engine:
        assert engine.submit(hydra.named("bill").bind(), key="meanwhile").id == done
    assert not takes_work(pair.target, "a")
    with pytest.raises(IllegalMove, match="namespace `a` is not on its way to"):
        abandon(pair.source, pair.target, "a")
    move(pair.source, pair.target, "a", lease_seconds=LEASE_SECONDS)  # and there once more
    assert (takes_work(pair.source, "a"), takes_work(pair.target, "a")) == (False, True)


def test_a_whole_database_comes_back_and_what_went_on_from_there_stays_closed(pair: Pair) -> None:
    for name in ("a", "b", "c"):
        with hydra.Engine(pair.source, name) as engine:
            engine.submit(hydra.named("bill").bind(), key="1")
    move(pair.source, pair.target, lease_seconds=LEASE_SECONDS)
    assert takes_work(pair.target, "A-new")  # comes first, and was never there
    with pytest.raises(IllegalMove, match=r"was moved as a whole, and takes nothing more.*; move all of it back"):
        move(pair.target, pair.source, "a", lease_seconds=LEASE_SECONDS)
    with pytest.raises(IllegalMove, match="was moved as a whole"):
        move(pair.target, pair.source, "A-new", lease_seconds=LEASE_SECONDS)
    assert takes_work(pair.target, "a")
    target = open_side(pair.target, may_migrate=False)
    target.delete_executions([id for id, _ in target.sizes("b", "", 9)])  # of `b` nothing is left
    while target.delete_rest("b", 9):
        pass
    target.close()
    move(pair.target, pair.source, lease_seconds=LEASE_SECONDS)
    names = ("a", "b", "c", "A-new")
    assert [takes_work(pair.source, name) for name in names] == [True, False, True, True]
    assert not any(takes_work(pair.target, name) for name in names)
    assert all(is_sound(pair.source, name) for name in names)


def come_back_in_pieces(pair: Pair, first: int, stride: int) -> None:
    """Nothing that either side took on the way is lost, and never do both take something."""
    fill(pair.source)
    move(pair.source, pair.target, lease_seconds=LEASE_SECONDS)
    taken: list[str] = []
    stops = 0
    while is_stopped(pair.target, pair.source, first + stops * stride, batch_rows=7):
        stops += 1
        here, there = submitted(pair.source), submitted(pair.target)
        assert not (here and there)
        taken += here + there
    assert stops > 3
    assert (takes_work(pair.source), takes_work(pair.target)) == (True, False)
    assert is_sound(pair.source)
    with hydra.Engine(pair.source) as engine:
        assert [engine.get(id).status() for id in taken] == [Status.PENDING] * len(taken)


@pytest.mark.parametrize("first", range(11, 41, 10))
def test_stopped_anywhere_on_its_way_back_it_loses_nothing_and_the_next_run_ends_it(files: Pair, first: int) -> None:
    come_back_in_pieces(files, first, 67)


@pytest.mark.parametrize("pair", [("postgres", "sqlite"), ("mysql", "sqlite")], indirect=True, ids="-".join)
def test_stopped_on_its_way_back_to_a_server_it_loses_nothing(pair: Pair) -> None:
    come_back_in_pieces(pair, 67, 131)


def test_of_two_that_bring_it_back_one_goes_on(files: Pair) -> None:
    fill(files.source)
    move(files.source, files.target, lease_seconds=LEASE_SECONDS)
    calls = 0

    def other(namespace: str, table: str, count: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            move(files.target, files.source, lease_seconds=LEASE_SECONDS)

    with pytest.raises(HydraError, match="another `hydra move` has completed the move of namespace `def"):
        move(files.target, files.source, lease_seconds=LEASE_SECONDS, batch_rows=5, told=other)
    assert (takes_work(files.source), takes_work(files.target)) == (True, False)


def test_a_way_back_that_is_taken_back_leaves_it_where_it_was(files: Pair) -> None:
    fill(files.source)
    move(files.source, files.target, lease_seconds=LEASE_SECONDS)
    assert is_stopped(files.target, files.source, 400, batch_rows=7)
    assert not takes_work(files.target)
    assert abandon(files.target, files.source) == ["default"]
    assert (takes_work(files.source), takes_work(files.target)) == (False, True)
    with hydra.Engine(files.target) as engine:
        assert engine.submit(hydra.named("bill").bind()).status() is Status.PENDING


def test_what_went_on_is_opened_by_no_order_for_where_it_was(
    files: Pair, tmp_path_factory: pytest.TempPathFactory
) -> None:
    third = f"sqlite:///{tmp_path_factory.mktemp('third')}/third.db"
    fourth = f"sqlite:///{tmp_path_factory.mktemp('fourth')}/fourth.db"
    fill(files.source, "a")
    move(files.source, files.target, "a", lease_seconds=LEASE_SECONDS)
    move(files.target, third, "a", lease_seconds=LEASE_SECONDS)
    move(files.source, files.target, "a", lease_seconds=LEASE_SECONDS)  # repeated, long after
    assert not takes_work(files.target, "a")
    with pytest.raises(IllegalMove, match=r"closed since it was moved to .*target.db`; only from there it can come ba"):
        move(third, files.source, "a", lease_seconds=LEASE_SECONDS)
    move(third, fourth, lease_seconds=LEASE_SECONDS)
    with pytest.raises(IllegalMove, match="so nothing was taken back"):
        abandon(third, files.source)  # that was not its target
    assert [takes_work(url, "a") for url in (files.source, files.target, third, fourth)] == [False, False, False, True]


def test_what_went_on_and_came_back_comes_back_to_where_it_began(
    tmp_path: Path, postgres_url: str, mysql_url: str
) -> None:
    first = f"sqlite:///{tmp_path}/first.db"
    with hydra.Engine(first, "a") as engine:
        id = engine.submit(hydra.named("bill").bind(), key="1").id
    way = [first, postgres_url, mysql_url, postgres_url, first, postgres_url, first]
    for count, (source, target) in enumerate(pairwise(way), 2):
        move(source, target, "a", lease_seconds=LEASE_SECONDS, batch_rows=2)
        assert not any(takes_work(url, "a") for url in set(way[:count]) - {target})
        with hydra.Engine(target, "a") as engine:
            engine.submit(hydra.named("bill").bind())
    with hydra.Engine(first, "a") as engine:
        assert engine.find("bill", "1").id == id
        assert engine.select().count() == len(way)
        assert engine.audit() == []


def test_a_way_back_that_was_taken_back_while_it_cleared_can_be_repeated(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hydra.Engine(pair.source, "a") as engine:
        engine.submit(hydra.named("bill").bind(), key="1")
    move(pair.source, pair.target, "a", lease_seconds=LEASE_SECONDS)
    for order in ("delete_executions", "delete_rest", "executions"):
        stopped(Pair(pair.target, pair.source), monkeypatch, order, "a")
        assert abandon(pair.target, pair.source, "a") == ["a"]
        assert (takes_work(pair.source, "a"), takes_work(pair.target, "a")) == (False, True)
    move(pair.target, pair.source, "a", lease_seconds=LEASE_SECONDS)
    assert (takes_work(pair.source, "a"), takes_work(pair.target, "a")) == (True, False)
    assert counts(pair.source, "a")["executions"] == counts(pair.target, "a")["executions"] + 1
    move(pair.source, pair.target, "a", lease_seconds=LEASE_SECONDS)
    assert is_sound(pair.target, "a")


def test_an_emptied_target_takes_nothing_away_from_where_it_came(files: Pair) -> None:
    fill(files.source, "a")
    move(files.source, files.target, "a", lease_seconds=LEASE_SECONDS)
    target = open_side(files.target, may_migrate=False)
    target.delete_executions([id for id, _ in target.sizes("a", "", 1000)])
    while target.delete_rest("a", 1000):
        pass
    target.close()
    before = counts(files.source, "a")
    with pytest.raises(ConfigError, match="has nothing in namespace `a`; name another"):
        move(files.target, files.source, "a", lease_seconds=LEASE_SECONDS)
    assert counts(files.source, "a") == before


def backed_up(url: str, copy: Path) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as whole, closing(sqlite3.connect(copy)) as other:
        whole.backup(other)


def put_back(url: str, copy: Path) -> None:
    path = Path(url.removeprefix("sqlite:///"))
    for lost in path.parent.glob(f"{path.name}*"):
        lost.unlink()
    shutil.copy(copy, path)


def test_a_backup_from_before_a_move_takes_work_again_and_one_from_after_it_does_not(
    files: Pair, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """docs/operations.md says so, and how to close it."""
    folder = tmp_path_factory.mktemp("backups")
    fill(files.source)
    backed_up(files.source, folder / "before")
    move(files.source, files.target, lease_seconds=LEASE_SECONDS)
    backed_up(files.source, folder / "after")
    put_back(files.source, folder / "after")
    assert not takes_work(files.source)
    put_back(files.source, folder / "before")
    assert takes_work(files.source)
    for pair in (files, files[::-1]):
        with pytest.raises(IllegalMove, match=r"was moved there from .*; name an empty|has something of namespace"):
            move(*pair, lease_seconds=LEASE_SECONDS)
    move(files.source, f"sqlite:///{folder}/scrap.db", lease_seconds=LEASE_SECONDS)
    assert (takes_work(files.source), takes_work(files.target)) == (False, True)
