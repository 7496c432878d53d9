"""Query plans: each statement goes by the index that its comment names, whatever lies beside its rows."""

from __future__ import annotations

import re
import sqlite3

import pytest
from hydra.errors import ConfigError
from hydra.stores.sqlite.statements import check_widens, migrations, statements, widened

PLANS = {
    "claim_heads": "hydra_execution_ready (namespace=? AND workflow=?)",
    "claim_mark": "PRIMARY KEY (id=?)",
    "commit_read": "PRIMARY KEY (id=?)",
    "commit_deaths": "PRIMARY KEY (id=?)",
    "commit_finals": "PRIMARY KEY (id=?)",
    "commit_ends": "PRIMARY KEY (id=?)",
    "due_timers": "hydra_execution_timer (namespace=? AND wake_at>? AND wake_at<?)",
    "idle_timeouts": "hydra_execution_idle_timeout (namespace=? AND timeout_at>? AND timeout_at<?)",
    "flag_timeouts": "hydra_execution_running_timeout (namespace=? AND timeout_at>? AND timeout_at<?)",
    "attention": "hydra_execution_attention (owner=?)",
    "running_count": "hydra_execution_owner (owner=?)",
    "dead_owned": "hydra_execution_owner (owner=?)",
    "empty_nodes": "hydra_execution_owner (owner=?)",
    "purgeable": "hydra_execution_finished (namespace=? AND finished_at>? AND finished_at<?)",
    "list_notable": "hydra_execution_notable (namespace=? AND status=? AND id>? AND id<?)",
    "list_notable_upwards": "hydra_execution_notable (namespace=? AND status=? AND id>? AND id<?)",
    "list_newest": "PRIMARY KEY (id>? AND id<?)",
    "list_newest_upwards": "PRIMARY KEY (id>? AND id<?)",
    "list_by_workflow": "hydra_execution_workflow (workflow=? AND namespace=? AND id>? AND id<?)",
    "list_by_workflow_upwards": "hydra_execution_workflow (workflow=? AND namespace=? AND id>? AND id<?)",
    "list_by_time": "hydra_submission_time (submitted_at>? AND submitted_at<?)",
    "last_of_list_newest": "PRIMARY KEY (id>? AND id<?)",
    "last_of_list_by_workflow": "hydra_execution_workflow (workflow=? AND namespace=? AND id>? AND id<?)",
    "last_of_list_notable_upwards": "hydra_execution_notable (namespace=? AND status=? AND id>? AND id<?)",
    "workflow_count": "hydra_execution_workflow (workflow=? AND namespace=?)",
    "time_count": "hydra_submission_time (submitted_at>? AND submitted_at<?)",
    "list_by_value": "hydra_attribute_value (namespace=? AND name=? AND value=? AND execution_id>? AND execution_id<?)",
    "list_by_range": "hydra_attribute_value (namespace=? AND name=? AND value>? AND value<?)",
    "list_by_wide_range": "PRIMARY KEY (execution_id>? AND execution_id<?)",
    "list_by_wide_range_upwards": "PRIMARY KEY (execution_id>? AND execution_id<?)",
    "attribute_count": "hydra_attribute_value (namespace=? AND name=? AND value>? AND value<?)",
    "attributes": "PRIMARY KEY (execution_id=?)",
    "due_counts": "hydra_execution_ready (namespace=? AND workflow=?)",
}
NOT_TABLES = ("VIRTUAL TABLE", "subquery", "CONSTANT ROW", "SCAN row")
# Of the last four: a page, the last records of one, a range and a stretch of time with little in them.
SORTS_FEW = ("list_running", "list_running_upwards", "nodes", "claimed_messages", "waits")
SORTS_FEW += ("list_by_range", "list_by_range_upwards", "list_by_time", "list_by_time_upwards")
SORTS_FEW += ("limit_use",)  # two pages of keys
SMALL_TABLES = (
    "w",
    "i",
    "known",
    "looked_at",
    "walked",
    "descendant",
    "turn",
    "hydra_node",
    "hydra_schema",
    "sqlite_master",
    "n",
    "nw",
    "head",
)


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    for _, scripts in migrations():
        for script in scripts:
            connection.execute(script)
    connection.execute(  # `hydra move` makes it
        "create table hydra_move (role text not null, namespace text not null, id text not null, state text not null, "
        "other text not null, place text not null, primary key (role, namespace))"
    )
    return connection


def plan(connection: sqlite3.Connection, name: str) -> list[str]:
    sql = statements()[name]
    values: object = dict.fromkeys(re.findall(r":(\w+)", sql), "[]") or [None] * sql.count("?")
    return [row[3] for row in connection.execute(f"explain query plan {sql}", values)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PLANS)
def test_a_statement_goes_by_the_index_it_names(connection: sqlite3.Connection, name: str) -> None:
    assert any(PLANS[name] in step for step in plan(connection, name))


@pytest.mark.parametrize("name", ["commit_deaths", "commit_finals", "commit_ends"])
def test_many_rows_are_looked_up_one_by_one(connection: sqlite3.Connection, name: str) -> None:
    sql = widened(name, 64)
    steps = [row[3] for row in connection.execute(f"explain query plan {sql}", [None] * sql.count("?"))]
    assert "SCAN row" in steps or "SCAN (subquery-1)" in steps or "SCAN 64 CONSTANT ROWS" in steps, steps
    assert "SEARCH hydra_execution USING PRIMARY KEY (id=?)" in steps


@pytest.mark.parametrize("name", statements())
def test_no_statement_scans_or_sorts_a_table_that_grows(connection: sqlite3.Connection, name: str) -> None:
    for step in plan(connection, name):
        if step.startswith("SCAN"):
            assert step.split()[1] in SMALL_TABLES or any(word in step for word in NOT_TABLES)
        is_whole = re.match(r"SEARCH (hydra_execution|e) .* \(namespace=\?\)$", step)
        assert not is_whole or "hydra_execution_ready" in step, f"{step}: as long as a scan"
        if name not in SORTS_FEW:
            assert "TEMP B-TREE" not in step


@pytest.mark.parametrize("name", statements())
def test_every_statement_stands_alone_and_names_its_index(name: str) -> None:
    sql = statements()[name]
    assert sql.startswith("-- Index: ")
    assert sqlite3.complete_statement(f"{sql};")
    assert ";" not in re.sub(r"--.*", "", sql)


def test_the_cost_of_a_claim_does_not_grow_with_what_is_not_ready(connection: sqlite3.Connection) -> None:
    """Counted in steps of SQLite's machine, not in time."""

    def steps() -> int:
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1

        connection.set_progress_handler(tick, 1)
        values = {"namespace": "default", "workflows": '["bill"]', "slots": 10}
        connection.execute(statements()["claim_heads"], values).fetchall()
        connection.set_progress_handler(None, 0)
        return count

    def add(state: str, count: int) -> None:
        columns = {
            "pending": "'pending', null, null, null",
            "delayed": "'pending', 5, null, null",
            "sleeping": "'sleeping', 5, null, null",
            "running": "'running', null, 'node', null",
            "completed": "'completed', null, null, 5",
        }[state]
        connection.execute(
            f"""
            with recursive number (n) as (select 1 union all select n + 1 from number where n < {count})
            insert into hydra_execution (id, namespace, workflow, priority, run_at, status, wake_at, owner, finished_at)
            select '{state}' || n, 'default', 'bill', 0, n, {columns} from number
            """
        )

    add("pending", 20)
    alone = steps()
    for state in ("delayed", "sleeping", "running", "completed"):
        add(state, 5_000)
    assert steps() == alone
    connection.execute("delete from hydra_execution where status = 'pending' and wake_at is null")
    assert steps() < alone


@pytest.mark.parametrize(
    "sql",
    [
        "update hydra_submission\nset input = ?\nwhere execution_id = ?",
        "insert into hydra_child (child_id) values (?) on conflict do update set child_id = ?",
        "insert into hydra_child (child_id, parent_id) values (:child, ?)",
        "insert into hydra_child (child_id) values (?), (?)",
    ],
)
def test_g7_a_statement_that_cannot_be_written_for_many_rows_is_refused_when_its_module_is_imported(sql: str) -> None:
    with pytest.raises(ConfigError, match="cannot be written for many rows"):
        check_widens("some", sql)
