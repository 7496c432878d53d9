"""A supervisor that starts before its database: it waits for a server to come up, not for what is its own doing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.processes import apps
from tests.processes.scene import Node, Scene, until
from tests.processes.test_http import address, get
from tests.servers import mysql, postgres
from tests.servers.slow_proxy import SlowProxy

LONG = 100  # seconds for which a connection may be tried: more than a test waits for a process to end
PASSWORD_LINE = "local all locked scram-sha-256\n"
KINDS = ["postgres", "mysql"]


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    """One of this module's own, which comes and goes."""
    made: Any = postgres.PostgresServer() if request.param == "postgres" else mysql.MysqlServer()
    made.start()
    if request.param == "postgres":
        rules = made.data_folder / "pg_hba.conf"
        rules.write_text(PASSWORD_LINE + rules.read_text())
        made.restart()
    yield made
    made.destroy()


@pytest.fixture
def scene(tmp_path: Path, server: Any) -> Iterator[Scene]:
    scene = Scene(tmp_path, (postgres if is_postgres(server) else mysql).create_database(server))
    yield scene
    scene.close()


def is_postgres(server: Any) -> bool:
    return isinstance(server, postgres.PostgresServer)


def wait_for_waiting(node: Node) -> None:
    until(lambda: "the node waits for its database" in node.text())


def test_a_node_that_starts_before_its_database_waits_says_so_and_then_works(scene: Scene, server: Any) -> None:
    server.stop()
    try:
        node = scene.start(http="127.0.0.1:0")
        wait_for_waiting(node)
        status, page = get(address(node), "/readyz")[:2]
        assert status == 503 and "does not answer" in page
        assert get(address(node), "/healthz")[0] == 200
    finally:
        server.start()
    until(lambda: get(address(node), "/readyz")[0] == 200)
    assert scene.engine.submit(apps.count.bind(5)).result(timeout=30) == 10
    assert node.stop() == 0
    assert "Traceback" not in node.text()


def test_a_node_that_waits_for_its_database_ends_when_it_is_told_to(scene: Scene, server: Any) -> None:
    server.stop()
    try:
        node = scene.start()
        wait_for_waiting(node)
        assert node.stop() == 0
    finally:
        server.start()
    assert "error" not in node.text()


def test_it_ends_even_in_the_middle_of_a_connection_that_nobody_answers(scene: Scene, server: Any) -> None:
    folder = scene.folder / "deaf"
    folder.mkdir()
    if is_postgres(server):
        name = f".s.PGSQL.{server.port}"
        proxy = SlowProxy(folder / name, server.socket_folder / name)
        query = f"host={quote(str(folder), safe='')}&connect_timeout={LONG}"
    else:
        proxy = SlowProxy(folder / "s", server.socket)
        query = f"unix_socket={quote(str(folder / 's'), safe='')}"
    proxy.deafen()
    try:
        node = scene.start(url=urlsplit(scene.url)._replace(query=query).geturl(), http="127.0.0.1:0")
        until(lambda: "metrics and health at" in node.text())
        assert node.stop() == 0
    finally:
        proxy.close()


@pytest.mark.parametrize("fault", ["database", "password", "url"])
def test_what_waiting_does_not_cure_ends_with_a_sentence_and_2(scene: Scene, server: Any, fault: str) -> None:
    parts = urlsplit(scene.url)
    match fault:
        case "database":
            bad = parts._replace(path="/nowhere")
        case "password" if is_postgres(server):
            bad = parts._replace(netloc="locked:wrong@")
        case "password":
            bad = parts._replace(netloc="root:wrong@localhost")
        case _:
            bad = parts._replace(query=parts.query + "&nonsense=1")
    node = scene.start(url=bad.geturl())
    assert node.wait() == 2
    (line,) = node.text().splitlines()
    assert line.startswith("error: ") and "wrong" not in line
