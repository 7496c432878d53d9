"""The roles of docs/operations.md, made by the lines that stand there, under names of their own."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg

from tests.servers import mysql, postgres

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


class Roles(NamedTuple):
    """URLs of one fresh database without tables."""

    administrator: str
    owner: str
    app: str


def make_postgres_roles(server: postgres.PostgresServer | postgres.ExistingServer) -> Roles:
    script, suffix = _renamed("PostgreSQL")
    before, after = script.split(rf"\connect billing_{suffix}")
    database = server.url(f"billing_{suffix}")
    for url, part in ((server.url(), before), (database, after)):
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in _statements(part):
                connection.execute(statement.encode())
    return _roles(database, suffix)


def make_mysql_roles(server: mysql.MysqlServer | mysql.ExistingServer) -> Roles:
    script, suffix = _renamed("MySQL")
    with mysql.connect(server.url()) as connection, connection.cursor() as cursor:
        for statement in _statements(script):
            cursor.execute(statement)
    return _roles(server.url(f"billing_{suffix}"), suffix)


def _roles(database: str, suffix: str) -> Roles:
    parts = urlsplit(database)
    host = parts.netloc.rpartition("@")[2]
    owner, app = (f"hydra_{role}_{suffix}:{role}-secret@{host}" for role in ("owner", "app"))
    return Roles(database, parts._replace(netloc=owner).geturl(), parts._replace(netloc=app).geturl())


def _renamed(server: str) -> tuple[str, str]:
    suffix = uuid.uuid4().hex[:8]
    found = re.search(rf"^{server} .*?```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None, f"docs/operations.md has no SQL for {server}"
    return re.sub(r"\b(hydra_owner|hydra_app|billing)\b", rf"\1_{suffix}", found[1]), suffix


def _statements(script: str) -> list[str]:
    return [statement.strip() for statement in script.split(";") if statement.strip()]
