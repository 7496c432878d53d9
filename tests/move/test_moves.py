"""A move between any two stores: all of it comes over, goes on there, and nobody goes on where it came from."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import hydra
import pytest
from click.testing import CliRunner
from hydra.cli import main
from hydra.errors import ConfigError, HydraError, IllegalMove
from hydra.execution import Status
from hydra.move import abandon, move
from hydra.move.opening import open_side
from hydra.move.quiet import quieten
from hydra.move.side import Side
from hydra.move.tables import OF_EXECUTIONS, OF_NAMESPACES
from hydra.stores import open_store
from hydra.testing import Harness

from tests.move.conftest import Pair
from tests.move.worlds import counts, fill, shop, shown_url
from tests.stores.store_values import NOW, claim, register, submit

LEASE_SECONDS = 1.0


def moved(pair: Pair, namespace: str | None = None, **options: int) -> dict[str, int]:
    """Rows by table, of all namespaces."""
    report = move(pair.source, pair.target, namespace, lease_seconds=LEASE_SECONDS, **options)
    found: dict[str, int] = {}
    for each in report.tables:
        found[each.table] = found.get(each.table, 0) + each.rows
    return found


def seen(engine: hydra.Engine, id: str) -> tuple[object, ...]:
    """What a person is shown of an execution."""
    handle = engine.get(id)
    return handle.execution(), handle.steps(), handle.attempts(), handle.records(), handle.awaited()


def test_everything_comes_over_and_goes_on_with_no_step_run_again(pair: Pair) -> None:
    effects: list[str] = []
    bodies = shop(effects)
    source = Harness(pair.source, "shop")
    trip = source.submit(bodies["trip"].bind(0), key="trip-1")
    loop = source.submit(bodies["loop"].bind(0))
    other = source.submit(bodies["loop"].bind(2))
    again = source.submit(bodies["loop"].bind(2), key="again")
    source.run_until_idle()
    loop.signal("next", 1)
    other.signal("next", 1)
    again.signal("next", 1)
    source.run_until_idle()
    source.submit(bodies["loop"].bind(1), key="again", key_reuse="after_end")
    source.run_until_idle()
    assert effects == [f"long {number}" for number in range(5)] + ["child begins"]
    clock = source.clock
    source.close()
    fill(pair.source, "shop")
    with hydra.Engine(pair.source, "shop") as engine:
        before = {id: seen(engine, id) for id in (trip.id, loop.id, other.id)}

    there = counts(pair.source, "shop")
    empty = [table.name for table in (*OF_EXECUTIONS, *OF_NAMESPACES) if not there[table.name]]
    assert empty == ["hydra_payload_key"], "something of all but of what test_payload_keys.py moves"
    assert moved(pair, "shop", batch_rows=3) == counts(pair.target, "shop")
    store = open_store(pair.target, "shop")
    assert store.audit() == []
    store.close()

    with Harness(pair.target, "shop", clock=clock) as target:
        assert {id: seen(target.engine, id) for id in before} == before
        target.engine.get(trip.id).signal("go", "on")
        target.engine.get(loop.id).signal("next", 2)
        target.run_until_idle()
        target.engine.get(loop.id).signal("next", 3)
        target.advance(timedelta(days=3))
        ten = [f"long {number}" for number in range(10)]
        assert target.engine.get(trip.id).result(timeout=0) == [*ten, "child", "on"]
        assert target.engine.get(loop.id).result(timeout=0) == 2
        assert [effect for effect in effects if effect != "daily"] == [*ten[:5], "child begins", *ten[5:], "child ends"]
        assert target.submit(bodies["trip"].bind(0), key="trip-1").id == trip.id
        assert target.engine.audit() == []


def test_the_source_takes_nothing_more_whoever_had_it_open(pair: Pair) -> None:
    store = open_store(pair.source)
    store.open()
    (id,) = submit(store)
    moved(pair)
    with pytest.raises(ConfigError, match="takes nothing more: this database was moved to another database; use that"):
        submit(store)
    for refused in (lambda: register(store), lambda: store.request_cancel([id], NOW)):
        with pytest.raises(ConfigError, match="was moved to another database"):
            refused()
    store.close()
    with hydra.Engine(pair.source) as engine:
        assert engine.get(id).status() is Status.PENDING  # it can be read
        with pytest.raises(ConfigError, match="was moved to another database"):
            engine.submit(hydra.named("bill").bind())
    with hydra.Engine(pair.target) as engine:
        assert engine.submit(hydra.named("bill").bind()).status() is Status.PENDING


def test_a_worker_on_a_source_that_was_moved_ends_with_that_sentence(pair: Pair) -> None:
    store = open_store(pair.source)
    store.open()
    (id,) = submit(store)
    store.close()
    moved(pair)
    stats = CliRunner().invoke(main, ["stats", "--db", pair.source])
    doctor = CliRunner().invoke(main, ["doctor", "--db", pair.source])
    why = CliRunner().invoke(main, ["why", id, "--db", pair.source])
    for answer in (stats, doctor, why):
        assert f"namespace `default` was moved to `{shown_url(pair.target)}`" in " ".join(answer.output.split())
    assert "was moved" not in CliRunner().invoke(main, ["stats", "--db", pair.target]).output
    before = set(threading.enumerate())
    with hydra.Engine(pair.source) as engine:
        worker = engine.worker(1)
        worker.start()
        assert worker._thread is not None
        worker._thread.join(60)
        with pytest.raises(ConfigError, match="takes nothing more: this database was moved to another database; use"):
            worker.stop()
    assert not [each for each in threading.enumerate() if each not in before and each.name.startswith("hydra-")]


def test_two_moves_that_raise_and_lift_fences_at_once_wait_for_each_other(postgres_url: str) -> None:
    sides = [open_side(postgres_url, may_migrate=True) for _ in range(2)]
    both = threading.Barrier(2)

    def change(side: Side, namespace: str) -> None:
        for _ in range(4):
            both.wait(60)
            side.create_state_table()
            side.raise_fence(namespace, namespace)
            both.wait(60)
            side.lift_fence(namespace)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(change, sides, ("one", "two")))
    for side in sides:
        side.close()


def test_a_row_that_does_not_fit_is_told_once(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not by the driver's log, too."""
    side = open_side(postgres_url, may_migrate=True)
    with pytest.raises(HydraError, match="a row of `hydra_count` does not fit the database"):
        side.insert("hydra_count", ["namespace"], ["%s"], [["a"], ["b"]])
    assert caplog.records == []
    with pytest.raises(HydraError, match="does not fit"), side.transaction():
        side.insert("hydra_count", ["namespace"], ["%s"], [["a"], ["b"]])
    side.close()
    assert caplog.records == []


def test_an_empty_source_has_nothing_to_move(files: Pair) -> None:
    for url in files:
        with hydra.Engine(url) as engine:
            engine.migrate()
    answer = CliRunner().invoke(main, ["move", files.source, files.target])
    assert (answer.exit_code, answer.output) == (0, "the source has nothing to move\n")


def test_a_namespace_moves_alone_and_others_go_on(files: Pair) -> None:
    for namespace in ("a", "b"):
        fill(files.source, namespace)
    report = moved(files, "a")
    assert report["executions"] == counts(files.target, "a")["executions"] > 10
    assert counts(files.target, "b")["executions"] == 0
    with hydra.Engine(files.source, "b") as engine:
        assert engine.submit(hydra.named("bill").bind()).status() is Status.PENDING
    with hydra.Engine(files.source, "a") as engine, pytest.raises(ConfigError, match="namespace `a` was moved"):
        engine.submit(hydra.named("bill").bind())
    assert moved(files, "b")["executions"] > 10


def test_round_all_stores_and_back_it_is_the_same(files: Pair, postgres_url: str, mysql_url: str) -> None:
    """What one store cannot keep, none counts on."""
    fill(files.source)
    stations = [files.source, postgres_url, mysql_url, files.target]
    found = [move(source, target, lease_seconds=LEASE_SECONDS).tables for source, target in pairwise(stations)]
    assert found[0] == found[1] == found[2]


def test_a_node_at_work_is_refused(files: Pair) -> None:
    store = open_store(files.source)
    store.open()
    node = register(store)
    beats = iter(range(1_000_000))

    def beat(_: float) -> None:
        store.heartbeat_node(node, NOW + next(beats))

    with pytest.raises(IllegalMove, match=r"is at work in namespace `default` .*; stop it, then move"):
        quieten(store, 1000.0, sleep=beat)
    assert [each.state for each in store.nodes()] == ["alive"]
    store.close()


def test_a_node_that_stands_still_is_dead_and_its_work_pending(files: Pair) -> None:
    store = open_store(files.source)
    store.open()
    node = register(store)
    (id,) = submit(store)
    claim(store, node)
    store.close()
    moved(files)
    with hydra.Engine(files.target) as engine:
        assert engine.get(id).status() is Status.PENDING


def test_what_cannot_be_is_one_sentence(files: Pair, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = f"sqlite:///{tmp_path_factory.mktemp('other')}/other.db"
    for url in files:
        store = open_store(url)
        store.open()
        submit(store)
        store.close()
    with pytest.raises(
        IllegalMove, match=r"has something of namespace `default` \(in `hydra_\w+`\); name an empty one"
    ):
        moved(files)
    with pytest.raises(ConfigError, match="are one database; name another"):
        move(files.source, files.source)
    with pytest.raises(ConfigError, match="has nothing in namespace `nobody`; name another"):
        moved(Pair(files.source, other), "nobody")
    moved(Pair(files.source, other))
    with pytest.raises(IllegalMove, match=r"namespace `default` of .* goes to .*other.db`, not here"):
        moved(Pair(files.source, f"{other}2"))
    with pytest.raises(IllegalMove, match=r"has been moved to .*, where it may have gone on; move it back from there"):
        abandon(files.source, other)
    assert moved(Pair(files.source, other)) == {}  # once more does no harm
