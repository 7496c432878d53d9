"""A database that fails over under its supervisors: to a replica that knows all, and to one that does not (R19)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import hydra
import pytest
from hydra.client.handle import Handle
from hydra.execution import Status

from tests.processes import apps, ledger_app
from tests.processes.scene import Scene, is_alive, until
from tests.processes.test_http import Scrape, address
from tests.processes.test_transactions import connect, once, rows
from tests.servers.mysql import MysqlServer, create_database
from tests.servers.mysql_replica import MysqlPair
from tests.servers.postgres import PostgresServer

ACCOUNTS = [f"a{number}" for number in range(60)]
FORGOT = "lost what it had confirmed"


class PostgresPair:
    """A primary and its replica, both in one URL."""

    def __init__(self, folder: Path) -> None:
        self._primary = PostgresServer().start()
        self._replica = PostgresServer(replica_of=self._primary).start()
        hosts = ",".join(quote(str(server.socket_folder), safe="") for server in (self._primary, self._replica))
        self.url = f"postgresql://hydra@/postgres?host={hosts}&target_session_attrs=read-write"

    def stream(self, *, synchronously: bool) -> None:
        self._primary.stream(synchronously=synchronously)

    def hold_back(self) -> None:
        self._replica.hold_back()

    def freeze(self) -> None:
        self._primary.freeze()

    def fail_over(self) -> None:
        self._primary.kill()
        self._replica.promote()

    def replace(self) -> None:
        self._replica.promote()

    @property
    def url_now(self) -> str:
        """Of the replica alone: a new program first waits for the frozen host for its `connect_timeout`."""
        return self._replica.url()

    def destroy(self) -> None:
        self._replica.destroy()
        self._primary.kill()
        self._primary.destroy()


PAIRS: dict[str, Callable[[Path], PostgresPair | MysqlPair]] = {"postgres": PostgresPair, "mysql": MysqlPair}


@pytest.fixture(params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in PAIRS])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PostgresPair | MysqlPair]:
    pair = PAIRS[request.param](tmp_path)
    try:
        yield pair
    finally:
        pair.destroy()


def test_r19_with_synchronous_replication_a_failover_loses_nothing(
    tmp_path: Path, pair: PostgresPair | MysqlPair
) -> None:
    pair.stream(synchronously=True)
    scene = Scene(tmp_path, pair.url)
    try:
        scene.engine.stats()  # makes the tables
        operator = connect(pair.url)
        operator.cursor().execute(ledger_app.TABLE)
        operator.close()
        for _ in range(2):
            scene.start("ledger_app", concurrency=4, lease_ttl_seconds=6.0)
        handles = [scene.engine.submit(ledger_app.book.bind(account)) for account in ACCOUNTS]
        until(lambda: rows(pair.url).total() > len(ACCOUNTS))
        pair.fail_over()
        assert [handle.result(timeout=60) for handle in handles] == [[1, 5, 2, 7]] * len(ACCOUNTS)
        assert rows(pair.url) == once(*ACCOUNTS, *(f"{account}/2" for account in ACCOUNTS))
        assert [node.stop() for node in scene.nodes] == [0, 0]
        assert scene.engine.audit() == []
        assert not any(FORGOT in node.text() for node in scene.nodes)
    finally:
        scene.close()


def test_g9_a_frozen_primary_holds_nothing_up_once_another_server_answers(
    tmp_path: Path, pair: PostgresPair | MysqlPair
) -> None:
    """Every wait of a node is bounded by its lease: work goes on within two leases of the answering server."""
    ttl_seconds = 6.0
    pair.stream(synchronously=True)
    scene = Scene(tmp_path, pair.url)
    try:
        scene.engine.stats()
        scene.start(lease_ttl_seconds=ttl_seconds)
        for _ in range(20):
            scene.engine.submit(apps.life.bind(scene.log))
        waiting = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
        scene.first_note()
        pair.freeze()
        time.sleep(2 * ttl_seconds)  # every read and write that had begun is waiting, and those that follow
        scene.gate.touch()
        pair.replace()
        with hydra.Engine(pair.url_now) as engine:
            until(lambda: engine.get(waiting.id).status() == Status.COMPLETED, seconds=2 * ttl_seconds)
    finally:
        scene.close()


def test_r19_a_failover_to_a_replica_that_lags_is_noticed_and_parks_what_it_set_back(
    tmp_path: Path, pair: PostgresPair | MysqlPair
) -> None:
    pair.stream(synchronously=False)
    scene = Scene(tmp_path, pair.url)
    try:
        handles, workers = climb_half(scene)
        pair.hold_back()
        climb_on(scene, handles)
        pair.fail_over()
        assert_set_back(scene, handles, workers)
    finally:
        scene.close()


@pytest.mark.mysql
def test_r19_a_server_restored_from_an_older_copy_is_noticed(tmp_path: Path) -> None:
    """A backup, put in the place of what it was made of."""
    server = MysqlServer().start()
    copy = tmp_path / "copy"
    scene = Scene(tmp_path, create_database(server))
    try:
        handles, workers = climb_half(scene)
        server.stop()
        shutil.copytree(server.data_folder, copy)
        server.start()
        climb_on(scene, handles)
        server.kill()
        shutil.rmtree(server.data_folder)
        shutil.copytree(copy, server.data_folder)
        server.start()
        assert_set_back(scene, handles, workers)
    finally:
        scene.close()
        server.destroy()


def climb_half(scene: Scene) -> tuple[list[Handle[str]], set[int]]:
    """Two executions stand before the gate: one that ends behind it, one that goes on; and who runs them."""
    scene.engine.stats()  # makes the tables
    scene.start(lease_ttl_seconds=6.0, http="127.0.0.1:0")
    ends = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    climbs = scene.engine.submit(apps.climb.bind(scene.log, str(scene.gate)))
    scene.first_note(count=2)
    return [ends, climbs], {note.worker for note in scene.notes()}


def climb_on(scene: Scene, handles: list[Handle[str]]) -> None:
    """One has ended and the other has records, all confirmed."""
    scene.gate.touch()
    assert handles[0].result(timeout=60) == "released"
    scene.first_note(count=3)


def assert_set_back(scene: Scene, handles: list[Handle[str]], workers: set[int]) -> None:
    (node,) = scene.nodes
    until(lambda: FORGOT in node.text(), seconds=60)
    until(lambda: all(handle.status() == Status.PARKED for handle in handles), seconds=60)
    until(lambda: not any(is_alive(worker) for worker in workers))
    assert "resume" in handles[0].execution().reason
    assert scene.engine.submit(apps.count.bind(3)).result(timeout=60) == 3, "it works on as another node"
    assert [note.word for note in scene.notes()].count("behind the gate") == 1, "nothing is silently done again"
    assert node.text().count(FORGOT) == 1
    for handle, name in zip(handles, ("held", "climb"), strict=True):
        assert node.text().count(f"execution `{handle.id}` (workflow `{name}`) is parked: ") == 1
    assert Scrape(address(node)).value("store_rewound_total") == 1
    assert scene.engine.audit() == []

    Path(f"{scene.gate}-above").touch()
    for handle in handles:
        handle.resume()
    assert [handle.result(timeout=60) for handle in handles] == ["released", "above"]
    assert node.stop() == 0
