"""A server dies in the midst of a move (kill -9), comes back, and the same command goes on; whichever side it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import hydra
import pytest
from hydra.errors import StoreUnavailable
from hydra.move import move

from tests.move.conftest import Pair
from tests.move.killed import LEASE_SECONDS, Points
from tests.move.worlds import counts, fill, takes_work
from tests.servers import mysql, postgres

FIRST, STRIDE = 67, 173  # the order before which a server dies first, and how many more each time
Server = postgres.PostgresServer | mysql.MysqlServer


@pytest.fixture(params=["postgres-mysql", "mysql-postgres"])
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Server]]:
    """Of the source and of the target."""
    started: list[Server] = []
    made: dict[str, Callable[[], Server]] = {"postgres": postgres.PostgresServer, "mysql": mysql.MysqlServer}
    try:
        for kind in request.param.split("-"):
            started.append(made[kind]())
            started[-1].start()
        yield started[0], started[1]
    finally:
        for server in started:
            server.destroy()


def url_of(server: Server) -> str:
    if isinstance(server, postgres.PostgresServer):
        return postgres.create_database(server)
    return mysql.create_database(server)


@pytest.mark.parametrize("dying", [0, 1], ids=["source", "target"])
def test_a_server_that_dies_again_and_again_stops_a_move_and_loses_nothing(
    servers: tuple[Server, Server], dying: int
) -> None:
    pair = Pair(*map(url_of, servers))
    fill(pair.source)
    deaths = 0
    while True:
        take_out = Points(FIRST + deaths * STRIDE, servers[dying].kill).install()
        try:
            move(*pair, lease_seconds=LEASE_SECONDS, batch_rows=5)
            break
        except StoreUnavailable:
            deaths += 1
        finally:
            take_out()
        servers[dying].start()
        if not takes_work(pair.source):
            takes_work(pair.target)  # refused, or the move is over
    assert deaths >= 2
    assert not takes_work(pair.source)
    assert counts(pair.target) == counts(pair.source)
    assert takes_work(pair.target)
    with hydra.Engine(pair.target) as engine:
        assert engine.audit() == []


@pytest.mark.parametrize("frozen", [0, 1], ids=["source", "target"])
def test_a_server_that_stands_still_is_given_up_and_the_move_goes_on_later(
    servers: tuple[Server, Server], frozen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hydra.move.patient_connection.REPLY_SECONDS", 1.0)
    monkeypatch.setattr("hydra.move.mysql_side.REPLY_SECONDS", 1.0)
    pair = Pair(*map(url_of, servers))
    fill(pair.source)
    take_out = Points(2 * FIRST, servers[frozen].freeze).install()
    try:
        with pytest.raises(StoreUnavailable):
            move(*pair, lease_seconds=LEASE_SECONDS, batch_rows=5)
    finally:
        take_out()
        servers[frozen].thaw()
    move(*pair, lease_seconds=LEASE_SECONDS, batch_rows=5)
    assert not takes_work(pair.source)
    assert counts(pair.target) == counts(pair.source)
    assert takes_work(pair.target)
