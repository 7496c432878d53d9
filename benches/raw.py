"""The bound of each database: a driver's own loop, one row and one commit at a time, and nothing else."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg

PAYLOAD = "x" * 200
CREATE = "create table bench_raw (id varchar(36) primary key, payload varchar(400))"
INSERT = "insert into bench_raw values (%s, %s)"


def loop(insert: Callable[[str], object], seconds: float) -> tuple[int, float]:
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        insert(f"{count:036}")
        count += 1
    return count, time.perf_counter() - began


def sqlite_loop(path: str, seconds: float, synchronous: str) -> tuple[int, float]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute(f"pragma synchronous={synchronous}")
    connection.execute("create table bench_raw (id text primary key, payload text) without rowid")

    def insert(id: str) -> None:
        connection.execute("begin immediate")
        connection.execute("insert into bench_raw values (?, ?)", (id, PAYLOAD))
        connection.execute("commit")

    return loop(insert, seconds)


def postgres_loop(url: str, seconds: float) -> tuple[int, float]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CREATE)
        return loop(lambda id: connection.execute(INSERT, (id, PAYLOAD), prepare=True), seconds)


def mysql_loop(url: str, seconds: float) -> tuple[int, float]:
    import pymysql

    parts = urlsplit(url)
    socket = parse_qs(parts.query).get("unix_socket", [None])[0]
    connection = pymysql.connect(
        host=parts.hostname or "localhost",
        port=parts.port or 3306,
        unix_socket=socket,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/"),
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(CREATE)
        return loop(lambda id: cursor.execute(INSERT, (id, PAYLOAD)), seconds)
