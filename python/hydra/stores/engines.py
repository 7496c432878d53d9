"""Engines that speak a database's protocol and are another: which one it is by what it says of itself, and whether it
can carry hydra. Pure; `docs/scaling.md` has the reasons at length, and where they are from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hydra.stores.findings import Finding, Severity

SUBJECT = "engine"


class PostgresSigns(NamedTuple):
    """What `engine.sql` finds: its columns."""

    version: str
    is_aurora: bool
    is_alloydb: bool
    has_citus: bool


def judge_postgres(signs: PostgresSigns, spread_table_count: int = 0) -> Finding:
    """`spread_table_count`: hydra's tables that Citus spreads over servers."""
    if "CockroachDB" in signs.version:
        return _refused(
            "CockroachDB: it has no shared locks under its default isolation, and refuses to change one table twice in "
            "a statement, as commits of hydra do"
        )
    if "-YB-" in signs.version:
        return _untried(
            "YugabyteDB: nobody has tried it; its DDL is not part of a transaction, so a migration that dies half-way "
            "stays half-way, and LISTEN is young there (`listen=off` polls instead)"
        )
    if signs.has_citus and spread_table_count:
        return _refused(
            f"Citus spreads {spread_table_count} tables of hydra over servers: keys and locks do not hold over several "
            "(G2); give the namespace a schema on one server"
        )
    if signs.has_citus:
        return _untried(
            "Citus: one namespace in one schema, on one server, is one PostgreSQL; nobody has tried it, and "
            "distributed tables cannot carry hydra"
        )
    if signs.is_aurora:
        return _carried("Aurora PostgreSQL: one writing instance; name the cluster's writer endpoint, never a reader's")
    if signs.is_alloydb:
        return _carried("AlloyDB: one writing instance; name the primary's address, never a read pool's")
    return _carried("PostgreSQL: one server writes, and its locks and commits are what hydra rests on")


def judge_mysql(variables: Mapping[str, str]) -> Finding:
    """Of variables by their names in lower case."""
    said = f"{variables.get('version', '')} {variables.get('version_comment', '')}".lower()
    if "tidb" in said:
        return _refused(
            "TiDB: it ignores `skip locked` and `for share`, so nodes that claim wait for each other or lose to each "
            "other (G2), and nobody has tried it"
        )
    if "vitess" in said or "planetscale" in said:
        return _untried(
            "Vitess: over several shards it does not promise that a transaction is committed as a whole, so it cannot "
            "carry hydra; one unsharded keyspace may, and nobody has tried it"
        )
    if "oceanbase" in said:
        return _untried("OceanBase: nobody has tried it; its locks and its `skip locked` are its own")
    if variables.get("aurora_version"):
        return _carried("Aurora MySQL: one writing instance; name the cluster's writer endpoint, never a reader's")
    name = "MariaDB" if "mariadb" in said else "MySQL"
    if variables.get("wsrep_on", "OFF").upper() in ("ON", "1"):
        return _carried(f"{name} with Galera: only as one writer behind a proxy; see `writers`")
    return _carried(f"{name}: one server writes, and its locks and commits are what hydra rests on")


def cannot_carry(finding: Finding) -> bool:
    """Then nothing else of it is worth asking, and it may not know the question."""
    return finding.subject == SUBJECT and finding.severity == Severity.DANGER


def _carried(sentence: str) -> Finding:
    return Finding(Severity.OK, SUBJECT, sentence)


def _untried(sentence: str) -> Finding:
    return Finding(Severity.WARNING, SUBJECT, sentence)


def _refused(sentence: str) -> Finding:
    return Finding(Severity.DANGER, SUBJECT, f"{sentence}; use PostgreSQL, MariaDB or MySQL with one writer")
