"""A Galera cluster, whose members can all write: refused, unless the URL says that a proxy has one writer (R9)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pymysql
import pytest
from hydra.cli.doctor import examine_database
from hydra.errors import ConfigError, StoreUnavailable
from hydra.stores.findings import Severity
from hydra.stores.mysql import MysqlStore

from tests.servers.mysql import MysqlServer, connect, create_database
from tests.stores.store_values import NOW, end, record, register, running

PROVIDERS = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera/libgalera_smm.so")
ALONE = "gcomm://"
NOBODY_THERE = "gcomm://127.0.0.1:9"


@pytest.fixture(scope="module")
def member() -> Iterator[MysqlServer]:
    """A cluster of one."""
    provider = next((path for path in PROVIDERS if Path(path).exists()), None)
    if provider is None:
        raise RuntimeError("no Galera provider found: `apt-get install galera-4`")
    settings = ("--wsrep-on=ON", f"--wsrep-provider={provider}", f"--wsrep-cluster-address={ALONE}")
    rows = ("--binlog-format=ROW", "--innodb-autoinc-lock-mode=2")
    options = "gmcast.listen_addr=tcp://127.0.0.1:0;gcache.size=1M"
    server = MysqlServer(*settings, *rows, f"--wsrep-provider-options={options}").start()
    yield server
    server.destroy()


@pytest.fixture
def url(member: MysqlServer) -> str:
    return create_database(member)


def test_r9_start_refuses_it_and_doctor_says_why(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Galera.*writer=single"):
        MysqlStore(url, "default").open()
    command = [sys.executable, "-m", "hydra.cli", "start", "no_such_app", "--db", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert done.returncode == 2, done.stderr
    assert "writer=single" in done.stderr
    store = MysqlStore(url, "default")
    [danger] = [found for found in store.examine() if found.subject == "writers"]
    assert (danger.severity, "writer=single" in danger.sentence) == (Severity.DANGER, True)
    store.close()


def test_r9_one_writer_is_served_with_one_statement_a_packet(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    query = pymysql.connections.Connection.query

    def noting(connection: pymysql.Connection, text: str, *rest: object) -> int:
        sent.append(text if isinstance(text, str) else bytes(text).decode("utf-8", "replace"))
        return query(connection, text, *rest)  # type: ignore[arg-type,no-any-return]

    store = MysqlStore(f"{url}&writer=single", "default")
    store.open()
    node = register(store)
    claimed = running(store, node)
    store.heartbeat_node(node, NOW)
    monkeypatch.setattr(pymysql.connections.Connection, "query", noting)
    assert end(store, node, claimed, "completed", record(1))
    assert sent
    assert not any("; " in text for text in sent)
    assert store.audit() == []
    [told] = [found for found in store.examine() if found.subject == "writers"]
    assert told.severity == Severity.OK
    store.close()


@pytest.mark.slow
def test_a_member_without_quorum_is_unavailable_and_told_by_doctor(member: MysqlServer, url: str) -> None:
    """Error 1047: a supervisor waits for it as for one that is down."""
    store = MysqlStore(f"{url}&writer=single", "default")
    store.open()
    with connect(member.url()) as operator:
        operator.cursor().execute(f"set global wsrep_cluster_address = '{NOBODY_THERE}'")
    try:
        with pytest.raises(StoreUnavailable, match="quorum"):
            store.stats(NOW)
        with pytest.raises(StoreUnavailable, match="quorum"):
            MysqlStore(f"{url}&writer=single", "default").open()
        assert any("quorum" in found.sentence for found in examine_database(store))
    finally:
        with suppress(pymysql.Error), connect(member.url()) as operator:
            operator.cursor().execute(f"set global wsrep_cluster_address = '{ALONE}'")
    store.close()
