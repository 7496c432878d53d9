"""The least that must be granted: one role owns and migrates, the other does everything else (docs/operations.md)."""

from __future__ import annotations

import psycopg
import pytest
from hydra.errors import ConfigError
from hydra.stores import open_store
from hydra.stores.workflow_info import WorkflowInfo

from tests.servers import mysql
from tests.servers.roles import Roles, make_mysql_roles, make_postgres_roles
from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, end, record, register, running, submit, write


@pytest.fixture(params=["postgres", "mysql"])
def roles(request: pytest.FixtureRequest) -> Roles:
    if request.param == "postgres":
        return make_postgres_roles(request.getfixturevalue("postgres_server"))
    return make_mysql_roles(request.getfixturevalue("mysql_server"))


def test_the_running_role_does_everything_but_migrate(roles: Roles) -> None:
    with pytest.raises(ConfigError):
        open_store(roles.app).open()
    owner = open_store(roles.owner)
    assert owner.migrate()[0] == 0
    owner.close()

    store = open_store(roles.app)
    store.open()
    assert store.migrate()[0] == store.migrate()[1]
    node, other = register(store), register(store)
    store.register_workflows(node, [WorkflowInfo(WORKFLOW, b"{}", None, "code")], NOW)
    claimed = running(store, node, key="inv-1")
    assert write(store, node, claimed, record(1))
    assert store.heartbeat_node(node, NOW).running_count == 1
    node, owned = store.resync(node)
    assert [item.record_count for item in owned] == [1]
    assert end(store, node, claimed, "completed", payload=b"")
    (failed, delayed) = submit(store, 2, run_at=NOW + SECOND)
    assert store.promote(NOW + SECOND, 10) == 2
    taken = {each.id: each for each in claim(store, node, now=NOW + SECOND)}
    assert end(store, node, taken[failed], "failed", payload=b"", now=NOW + SECOND)
    store.retry([failed], NOW + SECOND)
    store.request_cancel([failed, delayed], NOW + SECOND)
    assert store.mark_dead(node.id, None, NOW)
    assert store.return_executions(NOW, 10) == 1
    store.unregister_node(other, NOW)
    assert store.outcomes([claimed.id])[0] is not None
    assert store.audit() == []
    store.stats(NOW)
    assert store.purge(NOW + 9 * SECOND, 100) >= 1
    store.close()


def test_the_running_role_cannot_touch_the_tables_themselves(roles: Roles) -> None:
    open_store(roles.owner).migrate()
    store = open_store(roles.app)
    for statement in ("drop table hydra_key", "create table other (id integer)", "alter table hydra_key add x integer"):
        with pytest.raises(Exception, match=r"(?i)denied|owner"):
            run(roles.app, statement)
    store.open()
    store.close()


def run(url: str, statement: str) -> None:
    if url.startswith("mysql"):
        with mysql.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)
