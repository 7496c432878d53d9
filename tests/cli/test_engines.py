"""`hydra doctor` names engines that only speak a database's protocol, by answers as they give them, and says of each
whether it can carry hydra."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.stores import engines
from hydra.stores.engines import PostgresSigns, judge_mysql, judge_postgres
from hydra.stores.findings import Finding, Severity
from hydra.stores.mysql import examining as mysql
from hydra.stores.mysql.statements import STATEMENTS
from hydra.stores.postgres import examining as postgres
from hydra.stores.postgres.statements import statements

from tests.cli.terminal import Terminal

PLAIN = PostgresSigns("PostgreSQL 16.4 on x86_64-pc-linux-gnu, compiled by gcc 13.2.0, 64-bit", False, False, False)
COCKROACH = PLAIN._replace(version="CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu, built 2024/05/15, go1.22.2 X:nocoro)")
YUGABYTE = PLAIN._replace(version="PostgreSQL 11.2-YB-2.20.1.3-b0 on x86_64-pc-linux-gnu, compiled by clang 16, 64-bit")


@pytest.mark.parametrize(
    ("signs", "spread_count", "name", "severity"),
    [
        (PLAIN, 0, "PostgreSQL:", "ok"),
        (PLAIN._replace(is_aurora=True), 0, "Aurora PostgreSQL:", "ok"),
        (PLAIN._replace(is_alloydb=True), 0, "AlloyDB:", "ok"),
        (PLAIN._replace(has_citus=True), 0, "Citus:", "warning"),
        (PLAIN._replace(has_citus=True), 3, "Citus spreads 3 tables", "danger"),
        (YUGABYTE, 0, "YugabyteDB:", "warning"),
        (COCKROACH, 0, "CockroachDB:", "danger"),
    ],
)
def test_what_speaks_as_postgres_is_named_and_judged(
    signs: PostgresSigns, spread_count: int, name: str, severity: str
) -> None:
    found = judge_postgres(signs, spread_count)
    assert (found.subject, found.severity) == ("engine", severity)
    assert found.sentence.startswith(name) and not found.sentence.endswith(".")


@pytest.mark.parametrize(
    ("variables", "name", "severity"),
    [
        ({"version": "8.4.0", "version_comment": "MySQL Community Server - GPL"}, "MySQL:", "ok"),
        ({"version": "11.8.3-MariaDB-0+deb13u1", "wsrep_on": "OFF"}, "MariaDB:", "ok"),
        ({"version": "11.8.3-MariaDB-0+deb13u1", "wsrep_on": "ON"}, "MariaDB with Galera:", "ok"),
        ({"version": "8.0.39", "aurora_version": "3.08.0"}, "Aurora MySQL:", "ok"),
        ({"version": "8.0.11-TiDB-v8.5.0", "version_comment": "TiDB Server (Apache License 2.0)"}, "TiDB:", "danger"),
        ({"version": "8.0.30-Vitess", "version_comment": "Version: 20.0.0"}, "Vitess:", "warning"),
        ({"version": "5.7.25-OceanBase-v4.2.1.8"}, "OceanBase:", "warning"),
    ],
)
def test_what_speaks_as_mysql_is_named_and_judged(variables: dict[str, str], name: str, severity: str) -> None:
    found = judge_mysql(variables)
    assert (found.subject, found.severity) == ("engine", severity)
    assert found.sentence.startswith(name) and not found.sentence.endswith(".")


class Cockroach:
    """Answers which engine it is; any other question is an error, as questions about PostgreSQL's own insides are."""

    address: Any = None

    def connect(self, settings: dict[str, str]) -> Any:
        return self

    def execute(self, statement: Any) -> list[tuple[Any, ...]]:
        assert statement == statements()["engine"]
        return [tuple(COCKROACH)]

    def close(self) -> None: ...


class TiDB:
    """The same of the other protocol."""

    address: Any = None

    def rows_of(self, statement: str) -> list[tuple[str, str]]:
        return {
            STATEMENTS["settings"]: [("version", "8.0.11-TiDB-v8.5.0"), ("version_comment", "TiDB Server")],
            STATEMENTS["cluster_mode"]: [],
        }[statement]


@pytest.mark.parametrize(("examine", "server"), [(postgres.examine, Cockroach()), (mysql.examine, TiDB())])
def test_of_an_engine_that_cannot_carry_it_one_sentence_is_said_and_nothing_else_asked(
    examine: Any, server: Any
) -> None:
    (found,) = examine(server)
    assert engines.cannot_carry(found)
    assert found.severity == Severity.DANGER
    assert found.sentence.endswith("; use PostgreSQL, MariaDB or MySQL with one writer")


@pytest.mark.parametrize(
    ("database", "names"), [("postgres_url", ("PostgreSQL: one",)), ("mysql_url", ("MariaDB: one", "MySQL: one"))]
)
def test_a_real_server_is_known_by_its_name(
    database: str, names: tuple[str, ...], request: pytest.FixtureRequest, terminal: Terminal
) -> None:
    told = terminal.hydra("doctor", "--db", request.getfixturevalue(database), "--json").json
    (found,) = [Finding(**each) for each in told if each["subject"] == "engine"]
    assert found.severity == Severity.OK
    assert found.sentence.startswith(names)
