"""`hydra doctor`: what it says of databases as they are, and that it calls no weakened setting safe (R19)."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hydra.cli.doctor import judge_build, judge_clock, judge_packages
from hydra.stores import open_store
from hydra.stores.findings import Finding, Severity
from hydra.stores.mysql import examining as mysql
from hydra.stores.postgres import examining as postgres
from hydra.stores.sqlite import examining as sqlite

from tests.cli.terminal import Terminal

POSTGRES = {
    "server_version": "18.0",
    "fsync": "on",
    "synchronous_commit": "on",
    postgres.CALLERS_COMMIT: "on",
    "full_page_writes": "on",
    "synchronous_standby_names": "",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "max_connections": "100",
}
ID = "01a2304d-923b-72b4-9b33-9834e8b271a0"
ALONE = postgres.ServerState(0, 0, 0, 5, 0, 0, False)
MYSQL = {
    "version": "8.4.0",
    "innodb_flush_log_at_trx_commit": "1",
    "innodb_doublewrite": "ON",
    "log_bin": "OFF",
    "sync_binlog": "1",
    "read_only": "OFF",
    "max_allowed_packet": str(64 << 20),
    "max_connections": "100",
}


def worst(findings: list[Finding]) -> dict[str, str]:
    return {each.subject: each.severity for each in findings if each.severity != Severity.OK}


@pytest.mark.fresh_database
@pytest.mark.parametrize("database", ["postgres_url", "mysql_url"])
def test_a_durable_server_is_found_fit(database: str, request: pytest.FixtureRequest, terminal: Terminal) -> None:
    url = request.getfixturevalue(database)
    found = terminal.hydra("doctor", "--db", url, "--json")
    assert found.code == 0, found.error
    assert worst([Finding(**each) for each in found.json]) == {"tables": "warning"}
    store = open_store(url)
    store.open()
    store.close()
    assert terminal.hydra("doctor", "--db", url).code == 0
    assert "are of this version" in terminal.hydra("doctor", "--db", url).out


def test_a_sqlite_file_is_found_fit_only_with_full_synchronisation(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.hydra("migrate").code == 0
    found = {each["subject"]: each["severity"] for each in terminal.hydra("doctor", "--json").json}
    assert found["integrity"] == found["durability"] == found["journal"] == found["tables"] == "ok"
    weak = terminal.hydra("doctor", "--db", f"sqlite:///{tmp_path}/weak.db?synchronous=normal")
    assert weak.code == 1
    assert "a power cut loses what was accepted last" in weak.out


@pytest.mark.parametrize("command", ["doctor", "list", "stats", "audit", "acts", "nodes", f"show {ID}", f"why {ID}"])
def test_what_only_reads_makes_no_file_and_says_that_there_is_none(
    command: str, terminal: Terminal, tmp_path: Path
) -> None:
    folder = tmp_path / "reads"
    folder.mkdir()
    found = terminal.hydra(*command.split(), "--db", f"sqlite:///{folder}/new.db")
    assert f"there is no database `{folder}/new.db`" in " ".join((found.out + found.error).split())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--offload", "s3://"], "names no place to offload to"),
        (["--offload", "/nope"], "is no URL to offload to"),
        (["--offload", "file:///nope", "--offload-over", "1X"], "1X"),
    ],
    ids=["no place", "no URL", "no size"],
)
def test_a_place_for_large_values_that_cannot_be_is_named(given: list[str], sentence: str, terminal: Terminal) -> None:
    found = terminal.hydra("doctor", *given)
    assert found.code == 2
    assert sentence in found.error


@pytest.mark.fresh_database
@pytest.mark.parametrize("database", ["sqlite", "postgres_url", "mysql_url"])
def test_a_table_of_that_name_that_is_not_hydras_is_named(
    database: str, request: pytest.FixtureRequest, terminal: Terminal, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/foreign.db" if database == "sqlite" else request.getfixturevalue(database)
    _make_foreign_table(url)
    for command in ("doctor", "migrate"):
        found = terminal.hydra(command, "--db", url)
        assert "has a table `hydra_schema` that is not hydra's" in found.out + found.error
        assert "run `hydra migrate`" not in found.out + found.error


def _make_foreign_table(url: str) -> None:
    sql = "create table hydra_schema (x int)"
    store: Any = open_store(url)
    if url.startswith("sqlite"):
        with sqlite3.connect(store.path) as connection:
            connection.execute(sql)
    elif url.startswith("postgres"):
        with store._database.connect({}) as connection:
            connection.execute(sql)
    else:
        store._database.connect().send([sql])
    store.close()


def test_a_damaged_file_is_a_danger(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (a)")
        connection.executemany("insert into t values (?)", [("x" * 500,) for _ in range(100)])
    content = bytearray(path.read_bytes())
    content[2 * 4096 : 2 * 4096 + 200] = b"\xff" * 200  # the head of the third page
    path.write_bytes(content)
    found = terminal.hydra("doctor", "--db", f"sqlite:///{path}")
    assert found.code == 1
    assert "damaged" in found.out


def test_a_server_that_does_not_answer_is_a_danger(terminal: Terminal) -> None:
    found = terminal.hydra("doctor", "--db", "postgresql://nobody@127.0.0.1:1/none")
    assert found.code == 1
    assert "danger" in found.out


@pytest.mark.parametrize(
    ("setting", "value"), [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")]
)
def test_r19_no_weakened_setting_of_postgres_is_called_safe(setting: str, value: str) -> None:
    assert worst(postgres.judge(POSTGRES, ALONE)) == {}
    assert worst(postgres.judge({**POSTGRES, setting: value}, ALONE)) == {"durability": "danger"}


def test_r19_a_weak_default_that_hydra_overrules_is_a_warning_to_those_who_join_it() -> None:
    assert worst(postgres.judge({**POSTGRES, postgres.CALLERS_COMMIT: "off"}, ALONE)) == {"durability": "warning"}


@pytest.mark.parametrize(
    ("state", "commit", "severity"),
    [
        (postgres.ServerState(1, 1, 0, 5, 0, 0, False), "on", None),
        (postgres.ServerState(1, 1, 0, 5, 0, 0, False), "local", "warning"),
        (postgres.ServerState(1, 0, 0, 5, 0, 0, False), "on", "warning"),
    ],
    ids=["synchronous", "not waited for", "asynchronous"],
)
def test_r19_replication_is_safe_only_where_commits_wait_for_it(
    state: postgres.ServerState, commit: str, severity: str | None
) -> None:
    found = worst(postgres.judge({**POSTGRES, "synchronous_commit": commit}, state))
    assert found == ({} if severity is None else {"replication": severity})


@pytest.mark.parametrize(("is_pooled", "found"), [(False, {}), (True, {"isolation": "warning"})])
def test_r28_only_a_pooler_keeps_hydra_from_choosing_the_isolation(is_pooled: bool, found: dict[str, str]) -> None:
    settings = {**POSTGRES, "default_transaction_isolation": "serializable"}
    assert worst(postgres.judge(settings, ALONE, is_pooled=is_pooled)) == found
    assert worst(postgres.judge(POSTGRES, ALONE, is_pooled=is_pooled)) == {}


def test_r19_what_a_role_may_not_see_of_replicas_is_not_called_asynchronous() -> None:
    (found,) = [
        each
        for each in postgres.judge(POSTGRES, ALONE._replace(replica_count=1, hidden_replica_count=1))
        if each.severity != Severity.OK
    ]
    assert (found.subject, found.severity) == ("replication", "warning")
    assert "may not see whether commits wait for them" in found.sentence


@pytest.mark.parametrize(
    ("settings", "state", "subject"),
    [
        ({"default_transaction_read_only": "on"}, ALONE, "role"),
        ({}, ALONE._replace(is_replica=True), "role"),
        ({"max_connections": "6"}, ALONE, "connections"),
        ({}, ALONE._replace(oldest_transaction_seconds=301), "open transactions"),
        ({}, ALONE._replace(prepared_count=1), "open transactions"),
    ],
)
def test_what_else_is_said_of_postgres(settings: dict[str, str], state: postgres.ServerState, subject: str) -> None:
    assert list(worst(postgres.judge({**POSTGRES, **settings}, state))) == [subject]


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, {}),
        ({"innodb_flush_log_at_trx_commit": "2"}, {"durability": "danger"}),
        ({"innodb_doublewrite": "OFF"}, {"durability": "danger"}),
        ({"log_bin": "ON", "sync_binlog": "0"}, {"durability": "danger", "replication": "warning"}),
        ({"log_bin": "ON"}, {"replication": "warning"}),
        ({"log_bin": "ON", "rpl_semi_sync_source_enabled": "ON"}, {}),
        ({"read_only": "ON"}, {"role": "danger"}),
        ({"tx_read_only": "ON"}, {"role": "danger"}),
        ({"transaction_read_only": "ON"}, {"role": "danger"}),
        ({"max_allowed_packet": str(16 << 20)}, {"packet": "warning"}),
    ],
)
def test_r19_no_weakened_setting_of_mysql_is_called_safe(settings: dict[str, str], found: dict[str, str]) -> None:
    assert worst(mysql.judge({**MYSQL, **settings}, {"rpl_semi_sync_source_clients": 1})) == found


@pytest.mark.parametrize(
    ("judged", "severity"),
    [
        (sqlite.judge_synchronous("normal"), "danger"),
        (sqlite.judge_file_system("nfs4"), "danger"),
        (sqlite.judge_file_system("tmpfs"), "danger"),
        (sqlite.judge_file_system("ext4"), "ok"),
        (sqlite.judge_space(1 << 20), "warning"),
        (sqlite.judge_space(4096), "danger"),
        (sqlite.judge_journal("delete"), "warning"),
        (judge_build("debug"), "warning"),
        (judge_packages(["hydra-engine", "hydra-core"]), "danger"),
        (judge_packages(["hydra-engine"]), "ok"),
        (judge_clock(-3600.0), "warning"),
    ],
)
def test_what_else_is_judged(judged: Finding, severity: str) -> None:
    assert judged.severity == severity


def test_a_file_belongs_to_the_innermost_mount(tmp_path: Path) -> None:
    assert sqlite.file_system_of("/proc/self") == "proc"
    assert sqlite.file_system_of(str(tmp_path)) not in ("", "unknown")
