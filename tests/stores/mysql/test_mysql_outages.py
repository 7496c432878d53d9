"""A server that goes away, comes back, refuses or is slow: a sentence for each, and everything goes on afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from hydra import _core
from hydra.errors import ConfigError, PayloadTooLarge, SchemaError, StoreUnavailable
from hydra.execution import Submission
from hydra.stores import open_store as open_url
from hydra.stores.filter import Filter
from hydra.stores.mysql import MysqlStore, auditing, schema
from hydra.stores.upgrades import ADDITIVE

from tests.processes.scene import until
from tests.servers.mysql import MysqlServer, connect, create_database
from tests.servers.mysql_proxy import MysqlProxy
from tests.stores.mysql_stage import Behind, MysqlStage
from tests.stores.racing import NOW, ended, node_info, record, recorded, submission


@pytest.fixture(scope="module")
def own_server() -> Iterator[MysqlServer]:
    """A server that these tests may harm."""
    server = MysqlServer().start()
    yield server
    server.destroy()


@pytest.fixture
def own_url(own_server: MysqlServer) -> str:
    return create_database(own_server)


@pytest.fixture
def store(own_url: str) -> Iterator[MysqlStore]:
    store = MysqlStore(own_url, "default")
    store.open()
    yield store
    assert store.audit() == []
    store.close()


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_g1_what_was_accepted_survives_the_servers_end(own_server: MysqlServer, store: MysqlStore, how: str) -> None:
    node = store.register_node(node_info(), NOW)
    (mine,) = store.submit([submission()], NOW)
    (execution,) = store.claim(node, ["bill"], 1, NOW)
    assert store.commit(node, [recorded(execution, record(1))], NOW) == [True]
    if how == "restart":
        own_server.restart()
    else:
        own_server.kill()
        own_server.start()
    node, owned = store.resync(node)  # the broken connection is replaced before anything is lost
    assert [(one.id, one.record_count) for one in owned] == [(mine.id, 1)]
    assert store.records(mine.id) == [record(1)]


def test_nothing_hangs_while_the_server_is_down(own_server: MysqlServer, store: MysqlStore) -> None:
    own_server.stop()
    try:
        for verb in (lambda: store.submit([submission()], NOW), store.now, lambda: store.wait_for_change(0.1)):
            with pytest.raises(StoreUnavailable, match="does not answer") as caught:
                verb()
            assert type(caught.value) is StoreUnavailable and caught.value.outcome is None
    finally:
        own_server.start()
    assert store.submit([submission()], NOW)[0].created


def test_a_killed_connection_costs_a_verb_of_its_own_nothing(stage: MysqlStage) -> None:
    (id,) = stage.submit()
    stage.kill_session(stage.a)
    assert [execution.id for execution in stage.claim_a()] == [id]
    assert stage.a.audit() == []


def test_a_connection_killed_inside_a_joint_transaction_certainly_wrote_nothing(stage: MysqlStage) -> None:
    (id,) = stage.submit()
    with pytest.raises(StoreUnavailable) as caught, stage.a.transaction():
        stage.claim_a()
        stage.kill_session(stage.a)
        stage.a.heartbeat_node(stage.node_a, NOW)
    assert caught.value.outcome is None
    assert [execution.id for execution in stage.claim_a()] == [id]


def test_a_read_only_server_says_so_and_is_asked_again(
    own_server: MysqlServer, own_url: str, store: MysqlStore
) -> None:
    root = Behind(own_url)
    plain = MysqlStore(as_plain_user(root, own_url), "default")
    plain.open()
    root.run("set global read_only = 1")
    try:
        with pytest.raises(StoreUnavailable, match="read-only") as caught:
            plain.submit([submission()], NOW)
        assert caught.value.outcome is None
        assert plain.list(Filter()) == []
    finally:
        root.run("set global read_only = 0")
    assert plain.submit([submission()], NOW)[0].created
    plain.close()


def test_a_reached_connection_limit_says_so(own_url: str, store: MysqlStore) -> None:
    root = Behind(own_url)
    limited = as_plain_user(root, own_url, "with max_user_connections 3")
    held = [connect(limited) for _ in range(3)]
    plain = MysqlStore(limited, "default")
    with pytest.raises(StoreUnavailable, match="max_user_connections"):
        plain.submit([submission()], NOW)
    held.pop().close()
    until(lambda: is_submitted(plain))  # the server counts a connection off some time after it was closed
    plain.close()


def is_submitted(store: MysqlStore) -> bool:
    try:
        return store.submit([submission()], NOW)[0].created
    except StoreUnavailable:
        return False


def test_a_user_who_may_only_read_and_write_rows_runs_everything_but_migrations(
    own_url: str, store: MysqlStore
) -> None:
    root = Behind(own_url)
    plain = MysqlStore(as_plain_user(root, own_url), "default")
    plain.open()
    node = plain.register_node(node_info(), NOW)
    plain.submit([submission()], NOW)
    (execution,) = plain.claim(node, ["bill"], 1, NOW)
    assert plain.commit(node, [ended(execution, "completed")], NOW) == [True]
    assert plain.audit() == []
    assert plain.purge(NOW + 1, 10) == 1
    plain.close()
    root.run("drop table hydra_probe")
    root.run("truncate hydra_schema")
    with pytest.raises(ConfigError, match="refused"):
        MysqlStore(as_plain_user(root, own_url), "default").open()
    root.run("drop table hydra_schema")
    store.migrate()


def test_a_payload_past_the_servers_packet_is_refused_by_name(own_server: MysqlServer, own_url: str) -> None:
    root = Behind(own_url)
    root.run("set global max_allowed_packet = 1048576")
    try:
        store = MysqlStore(own_url, "default")
        store.open()
        with pytest.raises(PayloadTooLarge, match="max_allowed_packet"):
            store.submit([Submission(_core.uuid7(), "bill", bytes(2_000_000), b"d")], NOW)
        many = [Submission(_core.uuid7(), "bill", bytes(100_000), b"d") for _ in range(30)]
        assert all(answer.created for answer in store.submit(many, NOW))  # split into packets
        assert len(store.input(many[7].id)) == 100_000
        store.close()
    finally:
        root.run("set global max_allowed_packet = 67108864")


@pytest.mark.parametrize(
    ("url", "error", "sentence"),
    [
        ("mysql://root@localhost", ConfigError, "names no database"),
        ("mysql://root@localhost/a/b", ConfigError, "names no database"),
        ("mysql://root@localhost:port/a", ConfigError, "is not a MySQL URL"),
        ("mysql://root@localhost/a?colour=red", ConfigError, "`colour` is not an option"),
        ("mysql://root:secret@127.0.0.1:1/a", StoreUnavailable, "does not answer"),
        ("mariadb://root@localhost/a?unix_socket=/nowhere", StoreUnavailable, "does not answer"),
    ],
)
def test_a_bad_url_gets_one_sentence_without_the_password(url: str, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence) as caught:
        open_url(url).open()
    assert "secret" not in str(caught.value)


def test_a_missing_database_and_a_wrong_password_get_one_sentence(own_server: MysqlServer, own_url: str) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        MysqlStore(own_server.url("nowhere"), "default").open()
    url = as_plain_user(Behind(own_url), own_url).replace("secret", "wrong")
    with pytest.raises(ConfigError, match="refused the user name or password") as caught:
        MysqlStore(url, "default").open()
    assert "wrong@" not in str(caught.value)


def test_a_database_without_tables_is_refused_where_it_may_not_be_migrated(own_url: str) -> None:
    with pytest.raises(SchemaError, match="hydra migrate"):
        MysqlStore(own_url, "default").open(migrate=False)
    with pytest.raises(SchemaError, match="hydra migrate"):
        MysqlStore(own_url, "default").submit([submission()], NOW)


def test_the_stores_url_shows_no_password(own_url: str) -> None:
    store = MysqlStore("mysql://ops:se%40cret@db.example.com/billing", "default")
    assert store.url == "mysql://ops@db.example.com/billing"


@pytest.fixture
def proxied(tmp_path: Path, own_server: MysqlServer, own_url: str) -> Iterator[tuple[MysqlProxy, MysqlStore]]:
    proxy = MysqlProxy(tmp_path / "proxy", own_server.socket)
    direct, via = (quote(str(path), safe="") for path in (own_server.socket, proxy.path))
    store = MysqlStore(own_url.replace(direct, via), "default")
    store.open()
    yield proxy, store
    store.close()
    proxy.close()


@pytest.mark.parametrize("fate", ["lose_next_reply", "lose_next_request"])
def test_r17_a_submission_whose_reply_was_lost_says_so_and_is_repeated_safely(
    proxied: tuple[MysqlProxy, MysqlStore], fate: str
) -> None:
    proxy, store = proxied
    mine = submission(key="inv-1")
    getattr(proxy, fate)()
    with pytest.raises(StoreUnavailable) as caught:
        store.submit([mine], NOW)
    assert caught.value.outcome == "unknown"
    (again,) = store.submit([mine], NOW)
    assert (again.id, again.conflict) == (mine.id, False)
    assert again.created == (fate == "lose_next_request")
    assert len(store.list(Filter())) == 1
    assert store.audit() == []


@pytest.mark.parametrize("fate", ["lose_next_reply", "lose_next_request"])
def test_r16_a_claim_whose_reply_was_lost_is_found_by_resync(proxied: tuple[MysqlProxy, MysqlStore], fate: str) -> None:
    proxy, store = proxied
    (mine,) = store.submit([submission()], NOW)
    node = store.register_node(node_info(), NOW)
    getattr(proxy, fate)()
    with pytest.raises(StoreUnavailable) as caught:
        store.claim(node, ["bill"], 1, NOW)
    assert caught.value.outcome == "unknown"
    node, owned = store.resync(node)
    ids = [one.id for one in owned]
    assert ids == ([mine.id] if fate == "lose_next_reply" else [])
    assert [execution.id for execution in store.recover(node, ids)] == ids
    assert store.audit() == []


def as_plain_user(root: Behind, url: str, limits: str = "") -> str:
    """A user with no more than the documented rights; the URL for it."""
    name = f"u{_core.uuid7().replace('-', '')[-12:]}"
    database = root.run("select database()")[0][0]
    root.run(f"create user '{name}'@'localhost' identified by 'secret' {limits}")
    root.run(f"grant select, insert, update, delete on `{database}`.* to '{name}'@'localhost'")
    return url.replace("root@", f"{name}:secret@")


def test_two_first_starts_at_once_are_safe(own_url: str) -> None:
    def start(_: int) -> MysqlStore:
        store = MysqlStore(own_url, "default")
        store.open()
        return store

    with ThreadPoolExecutor(6) as threads:
        stores = list(threads.map(start, range(6)))
    for store in stores:
        store.submit([submission()], NOW)
        store.close()
    assert len(stores[0].list(Filter())) == 6


def test_a_migration_that_died_half_way_is_finished_by_the_next(own_url: str) -> None:
    root = Behind(own_url)
    MysqlStore(own_url, "default").open()
    root.run("truncate hydra_schema")
    root.run("drop table hydra_timer")
    store = MysqlStore(own_url, "default")
    assert store.migrate()[0] == 0
    assert store.submit([submission(run_at=NOW + 1)], NOW)[0].created
    assert store.audit() == []
    store.close()


def test_r27_a_newer_schema_is_refused(own_url: str) -> None:
    MysqlStore(own_url, "default").open()
    Behind(own_url).run("insert into hydra_schema (version) values (999)")
    for refused in (lambda: MysqlStore(own_url, "default").open(), lambda: MysqlStore(own_url, "default").migrate()):
        with pytest.raises(SchemaError, match="999"):
            refused()


def test_a_forked_child_opens_its_own_connection(open_store: Callable[..., MysqlStore]) -> None:
    store = open_store()
    store.submit([submission()], NOW)
    pid = os.fork()
    if pid == 0:
        created = store.submit([submission()], NOW)[0].created
        os._exit(0 if created and len(store.list(Filter())) == 2 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    store.submit([submission()], NOW)
    assert len(store.list(Filter())) == 3


def test_a_callers_connection_to_another_server_is_refused(
    own_server: MysqlServer, store: MysqlStore, mysql_server: MysqlServer
) -> None:
    """Whose database has the same name and the same tables."""
    name = store.url.partition("?")[0].rpartition("/")[2]
    with connect(mysql_server.url()) as caller:
        caller.query(f"create database `{name}`")
        twin = MysqlStore(mysql_server.url(name), "default")
        twin.open()
        caller.select_db(name)
        caller.begin()
        assert twin.submit_in(caller, [submission()], NOW)[0].created
        with pytest.raises(ConfigError, match="is not in the store's database"):
            store.submit_in(caller, [submission()], NOW)
        caller.rollback()
        twin.close()
        caller.query(f"drop database `{name}`")


@pytest.mark.parametrize(
    "setting", ["sql_safe_updates = 1", "sql_select_limit = 1", "sql_mode = 'ANSI,PIPES_AS_CONCAT'"]
)
def test_what_the_server_restricts_or_reads_its_own_way_changes_nothing(
    own_server: MysqlServer, own_url: str, setting: str
) -> None:
    root = Behind(own_server.url("mysql"))
    (before,) = root.run(f"select @@global.{setting.partition(' ')[0]}")
    root.run(f"set global {setting}")
    try:
        store = MysqlStore(own_url, "default")
        store.open()
        node = store.register_node(node_info(), NOW)
        store.submit([submission() for _ in range(3)], NOW)
        claimed = store.claim(node, ["bill"], 3, NOW)
        assert len(claimed) == 3
        assert (
            store.commit(node, [ended(one, "completed", record(1), payload=b"") for one in claimed], NOW) == [True] * 3
        )
        step = store.step_connection()
        step.begin()
        with step.connection.cursor() as cursor:
            cursor.execute("select 1 union select 2")
            assert cursor.rowcount == 2
        step.roll_back()
        step.close()
        assert store.purge(NOW + 1, 10) == 3
        assert store.audit() == []
        store.close()
    finally:
        value = f"'{before[0]}'" if isinstance(before[0], str) else before[0]
        root.run(f"set global {setting.partition(' ')[0]} = {value}")


def test_a_password_may_have_any_character(own_server: MysqlServer, own_url: str) -> None:
    root = Behind(own_server.url("mysql"))
    root.run("create user teller identified by 'pä€ss:/?#@%'")
    root.run("grant all on *.* to teller")
    store = MysqlStore(own_url.replace("root@", f"teller:{quote('pä€ss:/?#@%', safe='')}@"), "default")
    store.open()
    assert store.submit([submission()], NOW)[0].created
    assert "ss" not in store.url.partition("@")[0].replace("mysql://", "")
    store.close()
    root.run("drop user teller")


def test_a_question_of_an_audit_may_take_longer_than_another_read(
    store: MysqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.read_wait_seconds = 0.5
    with monkeypatch.context() as patch:
        slow = {"slow": "select 'G1', '', concat('slept ', sleep(1))"}
        patch.setattr(auditing, "read_statements", lambda _: slow)
        assert [one.detail for one in store.audit()] == ["slept 0"]


def test_a_statement_of_a_migration_may_take_longer_than_a_read(
    store: MysqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.read_wait_seconds = 0.5
    newest, known = schema.newest_version(), schema.scripts()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "scripts", lambda: known | {newest + 1: f"{ADDITIVE}\ndo sleep(1);"})
        assert store.migrate() == (newest, newest + 1)
