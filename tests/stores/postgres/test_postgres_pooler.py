"""PgBouncer in transaction mode: any statement may run on any server connection, and nothing lasts on one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hydra.errors import ConfigError, LeaseLost, StoreUnavailable
from hydra.execution import Status
from hydra.stores.postgres import PostgresStore

from tests.servers.pgbouncer import Pooler
from tests.servers.postgres import PostgresServer
from tests.stores.postgres_stage import PostgresStage
from tests.stores.racing import NOW, ended, record, recorded, submission


@pytest.fixture(scope="module")
def pooler(postgres_server: PostgresServer) -> Iterator[Pooler]:
    """Fewer server connections than the stores of a test have of their own."""
    pooler = Pooler(postgres_server, pool_size=3).start()
    yield pooler
    pooler.destroy()


@pytest.fixture
def pooled(pooler: Pooler, postgres_url: str, open_store: Callable[..., PostgresStore]) -> PostgresStage:
    url = pooler.url(postgres_url) + "&pooler=transaction"
    return PostgresStage(open_store(url), open_store(url), psycopg.connect(postgres_url, autocommit=True))


def test_every_verb_works_through_it(pooled: PostgresStage) -> None:
    ids = pooled.submit(30)
    for number in range(10):
        for store, node in ((pooled.a, pooled.node_a), (pooled.b, pooled.node_b)):
            (execution,) = store.claim(node, ["bill"], 1, NOW)
            seq = len(execution.records) + 1
            assert store.commit(node, [recorded(execution, record(seq))], NOW) == [True]
            store.heartbeat_node(node, NOW)
            with store.transaction():
                kind = ("completed", "released")[number % 2]
                assert store.commit(node, [ended(execution, kind, record(seq + 1))], NOW) == [True]
    counts = pooled.a.stats(NOW).counts["bill"]
    assert counts == {"completed": 10, "pending": 20}
    assert {snapshot.status for snapshot in pooled.a.get(ids) if snapshot} == {Status.COMPLETED, Status.PENDING}
    assert pooled.a.audit() == []


def test_r6_the_fence_holds_through_it(pooled: PostgresStage) -> None:
    pooled.submit()
    (execution,) = pooled.claim_a()
    with pooled.b.transaction():
        assert pooled.b.mark_dead(pooled.node_a.id, None, NOW)
        late = pooled.in_thread(pooled.a.commit, pooled.node_a, [recorded(execution, record(1))], NOW)
        pooled.until_blocked()
    with pytest.raises(LeaseLost):
        late.result()


def test_r28_its_transactions_bring_their_isolation_with_them(
    pooler: Pooler, postgres_url: str, open_store: Callable[..., PostgresStore]
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        raw.execute(
            f"alter database \"{raw.info.dbname}\" set default_transaction_isolation = 'repeatable read'".encode()
        )
        url = pooler.url(postgres_url) + "&pooler=transaction"
        stage = PostgresStage(open_store(url), open_store(url), raw)
        stage.submit()
        with stage.b.transaction():
            stage.b.heartbeat_node(stage.node_b, NOW)
            (execution,) = stage.claim_a()
            stage.a.commit(stage.node_a, [ended(execution, "released", record(1))], NOW)
            (claimed,) = stage.claim_b()
        assert [line.seq for line in claimed.records] == [1]
        stage.close()


def test_its_transactions_bring_their_time_limits_with_them(pooled: PostgresStage) -> None:
    pooled.a.write_wait_seconds = 0.5
    (id,) = pooled.submit()
    with psycopg.connect(pooled.raw.info.dsn) as holder:
        holder.execute("select 1 from hydra_execution for update")
        with pytest.raises(StoreUnavailable) as refused:
            pooled.a.request_cancel([id], NOW)
    assert refused.value.outcome is None
    leaked = pooled.raw.execute("select count(*) from pg_prepared_statements").fetchone()
    assert leaked == (0,)


def test_many_stores_share_few_connections(
    pooled: PostgresStage, pooler: Pooler, postgres_url: str, open_store: Callable[..., PostgresStore]
) -> None:
    stores = [open_store(pooler.url(postgres_url) + "&pooler=transaction") for _ in range(8)]

    def submit(store: PostgresStore) -> None:
        for _ in range(20):
            store.submit([submission()], NOW)

    threads = [threading.Thread(target=submit, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pooled.a.stats(NOW).counts == {"bill": {"pending": 160}}


def test_it_polls_where_it_cannot_listen(pooled: PostgresStage) -> None:
    pooled.a.wait_for_change(0)
    woken = pooled.in_thread(wait_until_told, pooled.a)
    pooled.b.submit([submission()], NOW)
    assert woken.result(timeout=30)


def test_a_direct_url_lets_it_listen(
    pooler: Pooler,
    postgres_url: str,
    open_store: Callable[..., PostgresStore],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HYDRA_LISTEN_URL", postgres_url)
    store, other = (open_store(pooler.url(postgres_url) + "&pooler=transaction") for _ in range(2))
    store.wait_for_change(0)
    assert store._watch._connection is not None
    pid = store._watch._connection.info.backend_pid
    with psycopg.connect(postgres_url) as raw:
        assert raw.execute("select state from pg_stat_activity where pid = %s", [pid]).fetchone() is not None
    other.submit([submission()], NOW)
    assert wait_until_told(store)


def wait_until_told(store: PostgresStore) -> bool:
    return any(store.wait_for_change(1) for _ in range(20))


@pytest.mark.parametrize("settings", ["", "ignore_startup_parameters = extra_float_digits,options"])
def test_a_pooler_that_the_url_does_not_name_is_recognized_and_the_remedy_said(
    postgres_server: PostgresServer, postgres_url: str, tmp_path: Path, settings: str
) -> None:
    """Whether it refuses the session's settings or swallows them; a supervisor ends, since waiting is no cure."""
    pooler = Pooler(postgres_server, settings=settings).start()
    try:
        url = pooler.url(postgres_url)
        with pytest.raises(ConfigError, match=r"PgBouncer.*pooler=transaction"):
            PostgresStore(url, "default").open()
        command = [sys.executable, "-m", "hydra.cli", "start", "no_such_app", "--db", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
        assert done.returncode == 2, done.stderr
        assert "pooler=transaction" in done.stderr
    finally:
        pooler.destroy()
