"""A connection that breaks around a COMMIT (R16, R17): the outcome is unknown, and then read back, never guessed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hydra.errors import LeaseLost, StoreUnavailable
from hydra.stores.postgres import PostgresStore

from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.stores.postgres_stage import PostgresStage
from tests.stores.racing import NOW, ended, record, recorded, submission


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[Proxy]:
    folder = Path(tempfile.mkdtemp(prefix="hydra-px-"))
    proxy = Proxy(folder, postgres_server.socket_folder / f".s.PGSQL.{postgres_server.port}")
    yield proxy
    proxy.close()
    shutil.rmtree(folder)


@pytest.fixture
def far(proxy: Proxy, postgres_url: str, open_store: Callable[..., PostgresStore]) -> PostgresStore:
    """A store whose every byte passes the proxy."""
    host = parse_qs(urlsplit(postgres_url).query)["host"][0]
    store = open_store(postgres_url.replace(quote(host, safe=""), quote(str(proxy.folder), safe="")) + "&listen=off")
    store._announcer.close()  # the only reply to lose is the writer's
    return store


def far_stage(stage: PostgresStage, far: PostgresStore) -> PostgresStage:
    """Node a on the far store."""
    far_stage = PostgresStage(far, stage.b, stage.raw)
    far.heartbeat_node(far_stage.node_a, NOW)  # its connection stands
    return far_stage


@pytest.mark.parametrize("happened", [True, False])
def test_r16_a_commit_without_its_reply_is_unknown_and_read_back(
    stage: PostgresStage, far: PostgresStore, proxy: Proxy, happened: bool
) -> None:
    stage = far_stage(stage, far)
    stage.submit()
    (execution,) = stage.claim_a()
    if happened:
        proxy.lose_next_reply()
    else:
        proxy.lose_next_request()
    with pytest.raises(StoreUnavailable) as lost:
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
    assert lost.value.outcome == "unknown"
    assert proxy.lost.wait(10)
    node, owned = stage.a.resync(stage.node_a)
    assert [one.record_count for one in owned] == [int(happened)]
    item = recorded(execution, record(owned[0].record_count + 1))
    assert stage.a.commit(node, [item], NOW) == [True]


@pytest.mark.parametrize("happened", [True, False])
def test_r16_the_reply_to_a_joint_commit_is_lost(
    stage: PostgresStage, far: PostgresStore, proxy: Proxy, happened: bool
) -> None:
    stage = far_stage(stage, far)
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    with pytest.raises(StoreUnavailable) as lost, stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        if happened:
            proxy.lose_next_reply()
        else:
            proxy.lose_next_request()
    assert lost.value.outcome == "unknown"
    assert len(stage.b.records(id)) == int(happened) or not happened
    _, owned = stage.a.resync(stage.node_a)
    assert [one.record_count for one in owned] == [int(happened)]


def test_a_connection_lost_before_the_commit_is_sent_is_certain(
    stage: PostgresStage, far: PostgresStore, proxy: Proxy
) -> None:
    stage = far_stage(stage, far)
    stage.submit(2)
    (execution, *_) = stage.claim_a(1)
    with pytest.raises(StoreUnavailable) as lost, stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        proxy.lose_next_request()
        stage.claim_a(1)
    assert lost.value.outcome is None
    _, owned = stage.a.resync(stage.node_a)
    assert [one.record_count for one in owned] == [0]


def test_r16_a_claim_without_its_reply_is_recovered_with_its_records(
    stage: PostgresStage, far: PostgresStore, proxy: Proxy
) -> None:
    stage = far_stage(stage, far)
    stage.submit()
    (execution,) = stage.claim_a()
    stage.a.commit(stage.node_a, [ended(execution, "released", record(1))], NOW)
    proxy.lose_next_reply()
    with pytest.raises(StoreUnavailable) as lost:
        stage.claim_a()
    assert lost.value.outcome == "unknown"
    node, owned = stage.a.resync(stage.node_a)
    (recovered,) = stage.a.recover(node, [one.id for one in owned])
    assert (recovered.epoch, [line.seq for line in recovered.records]) == (2, [1])


def test_r16_a_late_transaction_of_the_old_connection_is_refused(
    stage: PostgresStage, far: PostgresStore, proxy: Proxy
) -> None:
    """Its bytes lie in a buffer somewhere while the node reads back what is true, and arrive afterwards."""
    stage = far_stage(stage, far)
    (id,) = stage.submit()
    (execution,) = stage.claim_a()
    proxy.hold_requests()
    late = stage.in_thread(stage.a.commit, stage.node_a, [recorded(execution, record(1))], NOW)
    assert proxy.held.wait(10)
    proxy.cut_clients()
    with pytest.raises(StoreUnavailable) as lost:
        late.result()
    assert lost.value.outcome == "unknown"
    node, owned = stage.b.resync(stage.node_a)
    assert [one.record_count for one in owned] == [0]
    proxy.release()
    far.close()
    assert stage.b.commit(node, [recorded(execution, record(1, "truth"))], NOW) == [True]
    assert [line.name for line in stage.b.records(id)] == ["truth"]
    with pytest.raises(LeaseLost):
        stage.b.commit(stage.node_a, [recorded(execution, record(2))], NOW)


def test_r16_a_resync_waits_for_what_is_still_under_way(stage: PostgresStage) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    with stage.a.transaction():
        stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW)
        resynced = stage.in_thread(stage.b.resync, stage.node_a)
        stage.until_blocked()
    _, owned = resynced.result()
    assert [one.record_count for one in owned] == [1]


@pytest.mark.parametrize("happened", [True, False])
def test_r17_a_submission_without_its_reply_is_repeated_safely(
    far: PostgresStore, proxy: Proxy, happened: bool
) -> None:
    far.submit([submission()], NOW)
    mine = submission(key="inv-42")
    if happened:
        proxy.lose_next_reply()
    else:
        proxy.lose_next_request()
    with pytest.raises(StoreUnavailable) as lost:
        far.submit([mine], NOW)
    assert lost.value.outcome == "unknown"
    (answer,) = far.submit([mine], NOW)
    assert (answer.id, answer.created, answer.conflict) == (mine.id, not happened, False)
    assert far.stats(NOW).counts == {"bill": {"pending": 2}}


def test_a_session_that_its_operator_ends_is_replaced(stage: PostgresStage) -> None:
    stage.submit()
    (execution,) = stage.claim_a()
    end_all = (
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid <> pg_backend_pid() and datname = %s"
    )
    number = stage.a.connection_number
    stage.raw.execute(end_all, [stage.raw.info.dbname])
    assert stage.a.connection_number != number, "which has a node prove what the database knows (R19)"
    assert stage.a.commit(stage.node_a, [recorded(execution, record(1))], NOW) == [True]  # nothing was sent before
    assert stage.a.get([execution.id])[0] is not None  # readers are replaced without a word


def test_r20_what_a_stopped_node_holds_is_let_go(stage: PostgresStage) -> None:
    """It stops inside a joint transaction; the server ends that for it, and the reaper goes on."""
    stage.a.write_wait_seconds = 0.5
    (id,) = stage.submit()
    stopped = stage.a.transaction()
    stopped.__enter__()
    stage.claim_a()
    while not stage.b.mark_dead(stage.node_a.id, None, NOW):
        pass
    with pytest.raises(StoreUnavailable):
        stopped.__exit__(None, None, None)
    assert stage.b.return_executions(NOW, 10) == 0
    assert [execution.id for execution in stage.claim_b()] == [id]
