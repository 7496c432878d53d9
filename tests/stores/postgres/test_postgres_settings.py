"""A server, database or role set up in ways that hydra neither leans on nor is led astray by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest
from hydra.errors import ConfigError
from hydra.execution import End, ExecutionCommit
from hydra.stores import open_store as open_url
from hydra.stores.postgres import PostgresStore, schema

from tests.servers.pgbouncer import Pooler
from tests.servers.postgres import PostgresServer
from tests.stores.racing import NOW, node_info, record, submission

OPEN = Callable[..., PostgresStore]


@pytest.fixture
def behind(postgres_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def set_up(behind: psycopg.Connection[tuple[object, ...]], name: str, value: str) -> None:
    behind.execute(f'alter database "{behind.info.dbname}" set {name} = {value}'.encode())


@pytest.mark.parametrize("encoding", ["latin1", "sql_ascii"])
def test_a_key_is_one_key_whatever_encoding_the_server_takes_clients_to_speak(
    open_store: OPEN, behind: psycopg.Connection[tuple[object, ...]], encoding: str
) -> None:
    first = open_store().submit([submission(key="Zürich €")], NOW)[0]
    set_up(behind, "client_encoding", encoding)
    again = open_store().submit([submission(key="Zürich €")], NOW)[0]
    assert (again.id, again.created) == (first.id, False)
    found = open_store().find("bill", "Zürich €")
    assert found is not None and (found.id, found.key) == (first.id, "Zürich €")
    assert open_store().audit() == []


def test_an_execution_ends_where_strings_have_escapes(
    open_store: OPEN, behind: psycopg.Connection[tuple[object, ...]]
) -> None:
    set_up(behind, "standard_conforming_strings", "off")
    store = open_store()
    node = store.register_node(node_info(), NOW)
    store.submit([submission(), submission()], NOW)
    ended, cancelled = store.claim(node, ["bill"], 2, NOW)
    commit = ExecutionCommit(ended.id, ended.epoch, [record(1)], End("completed", payload=b"paid"))
    assert store.commit(node, [commit], NOW) == [True]
    cancel = ExecutionCommit(cancelled.id, cancelled.epoch, [], End("cancelled"))
    assert store.commit(node, [cancel], NOW) == [True]
    assert store.audit() == []


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused(
    open_store: OPEN, behind: psycopg.Connection[tuple[object, ...]], postgres_url: str, encoding: str
) -> None:
    name = f"{behind.info.dbname}_{encoding.lower()}"
    behind.execute(f"create database \"{name}\" encoding '{encoding}' locale 'C' template template0".encode())
    try:
        with pytest.raises(ConfigError, match=f"has the encoding {encoding}, in which not every text can be kept"):
            open_store(urlsplit(postgres_url)._replace(path=f"/{name}").geturl())
    finally:
        behind.execute(f'drop database "{name}" with (force)'.encode())


@pytest.fixture(params=["direct", "pooled"])
def url(request: pytest.FixtureRequest, postgres_server: PostgresServer, postgres_url: str) -> Iterator[str]:
    if request.param == "direct":
        yield postgres_url
        return
    pooler = Pooler(postgres_server, pool_size=3).start()
    yield pooler.url(postgres_url) + "&pooler=transaction"
    pooler.destroy()


def test_g1_what_the_role_says_of_commits_does_not_weaken_them(
    open_store: OPEN, behind: psycopg.Connection[tuple[object, ...]], postgres_url: str, url: str
) -> None:
    open_store(postgres_url)
    behind.execute("""
        create table seen (setting text);
        create function note() returns trigger language plpgsql as $$
        begin insert into seen values (current_setting('synchronous_commit')); return null; end $$;
        create trigger note after insert on hydra_execution for each statement execute function note();
        create trigger note after insert on hydra_record for each statement execute function note();
    """)
    set_up(behind, "synchronous_commit", "off")
    store = open_store(url)
    node = store.register_node(node_info(), NOW)
    store.submit([submission()], NOW)
    (claimed,) = store.claim(node, ["bill"], 1, NOW)
    step = store.step_connection()
    step.begin()
    assert step.commit(node, ExecutionCommit(claimed.id, claimed.epoch, [record(1)]), NOW)
    step.close()
    assert set(behind.execute("select setting from seen").fetchall()) == {("on",)}
    assert behind.execute("select count(*) from seen").fetchone() == (2,)


def test_r28_a_nodes_transactions_are_read_committed_whatever_the_role_says(
    open_store: OPEN, behind: psycopg.Connection[tuple[object, ...]]
) -> None:
    set_up(behind, "default_transaction_isolation", "'serializable'")
    store, other = open_store(), open_store()
    node = store.register_node(node_info(), NOW)
    store.submit([submission()], NOW)
    behind.execute("""
        create table seen (setting text);
        create function note() returns trigger language plpgsql as $$
        begin insert into seen values (current_setting('transaction_isolation')); return null; end $$;
        create trigger note after insert on hydra_execution for each statement execute function note();
        create trigger note_update after update on hydra_execution for each statement execute function note();
    """)
    with store.transaction():
        (claimed,) = store.claim(node, ["bill"], 1, NOW)
        other.submit([submission()], NOW)
        assert store.get([claimed.id]) != [None]
    assert set(behind.execute("select setting from seen").fetchall()) == {("read committed",)}


def test_g1_the_url_may_weaken_commits_and_is_told_so(
    open_store: OPEN, behind: psycopg.Connection[tuple[object, ...]], postgres_url: str
) -> None:
    found = {each.subject: each for each in open_store().examine()}
    assert found["durability"].severity == "ok"
    set_up(behind, "synchronous_commit", "off")
    assert open_store().durability().severity == "warning"
    assert "submit(connection=…)" in open_store().durability().sentence
    weak = open_store(f"{postgres_url}&options=-c%20synchronous_commit%3Doff")
    assert weak.durability().severity == "danger"


def test_a_migration_waits_for_another_longer_than_the_role_lets_statements_run(
    behind: psycopg.Connection[tuple[object, ...]], postgres_url: str
) -> None:
    set_up(behind, "statement_timeout", "'100ms'")
    store = open_url(postgres_url)
    with ThreadPoolExecutor(1) as threads, psycopg.connect(postgres_url) as other:
        other.execute("select pg_advisory_xact_lock(%s)", [schema.LOCK])
        migrated = threads.submit(store.migrate)
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        while behind.execute(waiting).fetchone() == (0,):
            assert not migrated.done()
        behind.execute("select pg_sleep(0.2)")  # the server's own time-out is what is waited for
        other.commit()
        assert migrated.result()[1] == schema.newest_version()
    store.close()
