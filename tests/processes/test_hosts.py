"""Supervisors on several hosts: cut off and heard again, with clocks hours apart, in containers that look alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hydra.execution import Ending
from hydra.stores import open_store

from tests.processes import apps
from tests.processes.scene import Node, Scene, is_alive, until
from tests.servers.hosts import Host, Network
from tests.servers.mysql import MysqlServer
from tests.servers.postgres import PostgresServer

POSTGRES_PORT, MYSQL_PORT = 5432, 3306
HOUR = 3_600_000_000
READING = 200_000  # microseconds by which two nodes' readings of the database's clock may differ here

pytestmark = pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)


@pytest.fixture
def network(request: pytest.FixtureRequest, tmp_path: Path, url: str) -> Iterator[Network]:
    if url.startswith("mysql"):
        mysql: MysqlServer = request.getfixturevalue("mysql_server")
        ports = {MYSQL_PORT: mysql.socket}
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres_server")
        ports = {POSTGRES_PORT: postgres.socket_folder / f".s.PGSQL.{postgres.port}"}
    network = Network(ports, tmp_path)
    try:
        yield network
    finally:
        network.close()


@pytest.fixture
def start_on(scene: Scene, url: str) -> Callable[..., Node]:
    """Starts a supervisor on a host, which reaches the database by the host's own link."""

    def start(host: Host, *, prefix: list[str] | None = None, clock: str = "", **settings: object) -> Node:
        database = urlsplit(url).path.strip("/")
        scheme, user = ("mysql", "root") if url.startswith("mysql") else ("postgresql", "hydra")
        environment = {**host.environment, **(host.shift_clock(clock) if clock else {})}
        node = scene.start(
            prefix=prefix or host.prefix,
            environment=environment,
            url=f"{scheme}://{user}@{host.gateway}/{database}",
            **settings,
        )
        until(lambda: states(scene).count("alive") == len(scene.nodes))
        return node

    return start


def states(scene: Scene) -> list[str]:
    return sorted(node.state for node in scene.engine.nodes())


@pytest.mark.parametrize("how", ["cut", "deafen", "mute"])
def test_g2_r5_a_node_cut_off_is_taken_over_writes_nothing_and_comes_back(
    scene: Scene, network: Network, start_on: Callable[..., Node], how: str
) -> None:
    """Neither sees the other's processes or lock files, so only time tells, and only it itself can kill its workers."""
    there, here = network.add_host(), network.add_host()
    lost = start_on(there, prefix=there.contained("there"))
    handle = scene.engine.submit(apps.held.bind(scene.log, str(scene.gate)))
    scene.first_note()
    processes = descendants(lost.pid)
    start_on(here, prefix=here.contained("here"))

    getattr(there, how)()
    scene.first_note(count=2)
    scene.gate.touch()
    assert handle.result(timeout=60) == "released"
    store = open_store(scene.url)
    records, claims = store.records(handle.id), store.claims(handle.id)
    assert [claim.ending for claim in claims] == [Ending.LOST, Ending.COMPLETED]
    assert claims[0].node != claims[1].node

    if how == "cut":
        there.mend()
    else:
        there.pass_all()
    until(lambda: "declared dead" in lost.text(), seconds=60)
    until(lambda: states(scene).count("alive") == 2, seconds=60)
    workers = set(processes) - {lost.pid, *supervisors(lost)}
    until(lambda: not any(is_alive(pid) for pid in workers))
    assert (store.records(handle.id), store.claims(handle.id)) == (records, claims), "nothing of it was written"

    scene.nodes[1].kill()
    assert scene.engine.submit(apps.count.bind(3)).result(timeout=60) == 3, "the one that came back works"


def test_r3_clocks_that_differ_by_hours_change_nothing(
    scene: Scene, network: Network, start_on: Callable[..., Node]
) -> None:
    """Timers, leases and pick-up go by the database's clock and by monotonic ones."""
    for clock in ("+5h", "-7h"):
        start_on(network.add_host(), clock=clock)
    logs = [f"{scene.log}-{number}" for number in range(8)]
    handles = [scene.engine.submit(apps.life.bind(log)) for log in logs]
    delayed = scene.engine.submit(apps.count.bind(3), delay=1.0)
    assert [handle.result(timeout=60) for handle in handles] == [["first", "second", "third"]] * 8
    assert delayed.result(timeout=60) == 3

    store = open_store(scene.url)
    now = store.now()
    ran_on = set()
    for handle in [*handles, delayed]:
        for claim in store.claims(handle.id):
            ran_on.add(claim.node)
            assert claim.ending in (Ending.SLEEPING, Ending.COMPLETED)
            assert now - HOUR < claim.claimed_at <= (claim.ended_at or 0) <= now, "on the database's clock"
    for handle in handles:
        sleep = next(record for record in store.records(handle.id) if record.kind == "sleep")
        third = store.records(handle.id)[-1]
        assert sleep.due_at - READING < third.started_at <= now, "it did not wake early"
    snapshot = store.get([delayed.id])[0]
    assert snapshot is not None and snapshot.started_at is not None
    assert snapshot.started_at + READING > snapshot.run_at > snapshot.submitted_at
    assert len(ran_on) >= 1
    assert not any("dead" in node.text() for node in scene.nodes)
    assert states(scene) == ["alive", "alive"]


def test_r1_containers_with_pid_1_and_one_host_name_never_share_an_identity(
    scene: Scene, network: Network, start_on: Callable[..., Node]
) -> None:
    """Each supervisor is process 1 of a host that is called the same; one is killed, the other takes over."""
    for _ in range(2):
        host = network.add_host()
        start_on(host, prefix=host.contained("worker-0"))
    first, second = scene.engine.nodes()
    assert {(node.info.pid, node.info.host) for node in (first, second)} == {(1, "worker-0")}
    assert first.info.id != second.info.id
    handles = [scene.engine.submit(apps.climb.bind(f"{scene.log}-{n}", str(scene.gate))) for n in range(8)]
    until(lambda: all(Path(f"{scene.log}-{n}").exists() for n in range(8)))
    scene.nodes[0].kill()
    scene.nodes[0].wait()
    Path(f"{scene.gate}-above").touch()
    scene.gate.touch()
    assert [handle.result(timeout=60) for handle in handles] == ["above"] * 8
    until(lambda: sorted(states(scene)) in (["alive", "dead"], ["alive", "empty"]))  # also when it had nothing to give


def descendants(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        try:
            found += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
        except FileNotFoundError:
            continue
    return found


def supervisors(node: Node) -> list[int]:
    """What wraps the supervisor, and itself: all that is not forked for an app."""
    return [pid for pid in descendants(node.pid) if b"HYDRA_NODE=" not in environment_of(pid)]


def environment_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
