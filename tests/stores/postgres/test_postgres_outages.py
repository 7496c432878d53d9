"""A server that goes away, comes back, refuses or is slow: a sentence for each, and everything goes on afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
from hydra.errors import ConfigError, SchemaError, StoreUnavailable
from hydra.stores import open_store
from hydra.stores.filter import Filter
from hydra.stores.postgres import PostgresStore

from tests.servers.postgres import PostgresServer, create_database
from tests.stores.racing import NOW, node_info, record, recorded, submission


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that these tests may kill."""
    server = PostgresServer(settings="max_connections = 20\n").start()
    yield server
    server.destroy()


@pytest.fixture
def store(own_server: PostgresServer) -> Iterator[PostgresStore]:
    store = PostgresStore(create_database(own_server), "default")
    store.open()
    yield store
    assert store.audit() == []
    store.close()


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_g1_what_was_accepted_survives_the_servers_end(
    own_server: PostgresServer, store: PostgresStore, how: str
) -> None:
    node = store.register_node(node_info(), NOW)
    (mine,) = store.submit([submission()], NOW)
    (execution,) = store.claim(node, ["bill"], 1, NOW)
    assert store.commit(node, [recorded(execution, record(1))], NOW) == [True]
    if how == "restart":
        own_server.restart()
    else:
        own_server.kill()
        own_server.start()
    store.heartbeat_node(node, NOW)  # over a new connection: the old one is known to be gone
    node, owned = store.resync(node)
    assert [(one.id, one.record_count) for one in owned] == [(mine.id, 1)]
    assert store.records(mine.id) == [record(1)]


def test_nothing_hangs_while_the_server_is_down(own_server: PostgresServer, store: PostgresStore) -> None:
    own_server.stop()
    try:
        for verb in (lambda: store.submit([submission()], NOW), store.now, lambda: store.wait_for_change(0.1)):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                verb()
                verb()
    finally:
        own_server.start()
    assert store.submit([submission()], NOW)[0].created


def test_a_server_without_a_connection_to_spare_says_so(own_server: PostgresServer, store: PostgresStore) -> None:
    held = []
    with pytest.raises(psycopg.OperationalError):
        while True:
            held.append(psycopg.connect(own_server.url()))
    with pytest.raises(StoreUnavailable, match="too many clients"):
        store.submit([submission()], NOW)
    for connection in held:
        connection.close()
    assert store.submit([submission()], NOW)[0].created


def test_a_read_only_database_says_so(store: PostgresStore) -> None:
    with psycopg.connect(store.url, autocommit=True) as raw:
        name = raw.info.dbname
        raw.execute(f'alter database "{name}" set default_transaction_read_only = on')
        with pytest.raises(StoreUnavailable, match="is read-only") as refused:
            store.submit([submission()], NOW)
        assert refused.value.outcome is None
        raw.execute("set default_transaction_read_only = off")
        raw.execute(f'alter database "{name}" reset default_transaction_read_only')
    store.close()
    assert store.submit([submission()], NOW)[0].created


@pytest.mark.parametrize("blocked", ["row", "table"])
def test_a_statement_that_waits_too_long_is_certain_not_to_have_happened(store: PostgresStore, blocked: str) -> None:
    store.write_wait_seconds = 0.3
    (mine,) = store.submit([submission()], NOW)
    with psycopg.connect(store.url) as holder:
        if blocked == "row":
            holder.execute("select 1 from hydra_execution for update")
        else:
            holder.execute("lock table hydra_execution in access exclusive mode")
        with pytest.raises(StoreUnavailable) as refused:
            store.request_cancel([mine.id], NOW)
    assert refused.value.outcome is None
    assert store.stats(NOW).counts == {"bill": {"pending": 1}}


def test_a_server_that_never_answers_is_given_up(own_server: PostgresServer, store: PostgresStore) -> None:
    store.write_wait_seconds = 0.3
    store.submit([submission()], NOW)
    own_server.freeze()
    try:
        with pytest.raises(StoreUnavailable, match="no reply") as lost:
            store.submit([submission()], NOW)
    finally:
        own_server.thaw()
    assert lost.value.outcome == "unknown"
    store.write_wait_seconds = 15
    assert store.submit([submission()], NOW)[0].created


def test_a_child_process_opens_connections_of_its_own(store: PostgresStore) -> None:
    store.submit([submission()], NOW)
    child = os.fork()
    if child == 0:
        try:
            store.submit([submission()], NOW)
            os._exit(0 if len(store.list(Filter())) == 2 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.submit([submission()], NOW)
    assert store.stats(NOW).counts == {"bill": {"pending": 3}}


def test_a_database_that_does_not_exist_is_named_without_the_password(own_server: PostgresServer) -> None:
    url = own_server.url("nowhere").replace("hydra@", "hydra:secret@")
    store = open_store(url)
    assert "secret" not in store.url
    with pytest.raises(ConfigError, match=r'cannot be entered: .*"nowhere" does not exist') as refused:
        store.open()
    assert "secret" not in str(refused.value)


def test_r27_a_newer_schema_is_refused_and_an_unmigrated_one_named(own_server: PostgresServer) -> None:
    url = create_database(own_server)
    with pytest.raises(SchemaError, match="hydra migrate"):
        open_store(url).open(migrate=False)
    open_store(url).open()
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("insert into hydra_schema values (99)")
    for migrate in (True, False):
        with pytest.raises(SchemaError, match="version 99"):
            open_store(url).open(migrate=migrate)


def test_r27_first_starts_at_once_migrate_once(own_server: PostgresServer) -> None:
    url = create_database(own_server)
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            try:
                open_store(url).open()
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4


def test_a_role_without_rights_is_told_so(own_server: PostgresServer, store: PostgresStore) -> None:
    with psycopg.connect(store.url, autocommit=True) as raw:
        raw.execute("create role stranger login")
    stranger = PostgresStore(store.url.replace("hydra@", "stranger@"), "default")
    with pytest.raises(ConfigError, match="permission denied"):
        stranger.submit([submission()], NOW)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql:///x?pooler=session", "pooler=session"),
        ("postgresql:///x?listen=maybe", "listen=maybe"),
        ("postgresql:///x?nonsense=1", "nonsense"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        store = open_store(url)
        store.open()


def test_several_hosts_are_tried_until_one_takes_writes(own_server: PostgresServer) -> None:
    url = create_database(own_server)
    host = url.partition("host=")[2]
    store = open_store(url.replace(host, f"%2Fnowhere,{host}") + "&target_session_attrs=read-write")
    store.open()
    assert store.submit([submission()], NOW)[0].created
    store.close()
