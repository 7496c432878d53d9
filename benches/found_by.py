"""Gives executions of `filling` what they are found by: attributes, two to each."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from urllib.parse import urlsplit

import filling
import psycopg
import pymysql
from hydra.attributes import key_of
from hydra.stores.mysql.address import read_address
from hydra.stores.store import Store

MYSQL = ("mysql", "mariadb")
VALUES = {"customer": "c-", "paid": "paid", "open": "open"}


def give(store: Store, url: str, first: int, last: int, customers: int) -> None:
    """Two to each, by their numbers: `customer`, of which there are so many, and `state`, `open` for one in ten."""
    scheme = urlsplit(url).scheme
    keys = {name: f"x'{key_of(name, value, str).hex()}'" for name, value in VALUES.items()}
    columns, start_of = "execution_id, name, namespace, value, first_value", ""
    if scheme == "sqlite":
        key = f"cast({keys['customer']} || (n % {customers}) as blob)"
        state = f"iif(n % 10, {keys['paid']}, {keys['open']})"
        id, numbers, start_of = filling.SQLITE_ID, "number", filling.SQLITE_NUMBERS
    elif scheme in MYSQL:
        key = f"concat({keys['customer']}, n mod {customers})"
        state = f"if(n mod 10, {keys['paid']}, {keys['open']})"
        id, numbers = filling.MYSQL_ID, f"({filling.NUMBERS}) as number"
    else:
        keys = {name: f"decode({key[1:]}, 'hex')" for name, key in keys.items()}
        key = f"{keys['customer']} || convert_to(mod(n, {customers})::text, 'UTF8')"
        state = f"case when mod(n, 10) <> 0 then {keys['paid']} else {keys['open']} end"
        id, numbers = filling.POSTGRES_ID, filling.POSTGRES_NUMBERS
    statements = [
        f"insert into hydra_attribute ({columns}) {start_of} "
        f"select {id}, '{name}', 'default', {value}, {value} from {numbers}"
        for name, value in (("customer", key), ("state", state))
    ]
    for start in range(first, last + 1, filling.PART):
        count = min(filling.PART, last + 1 - start)
        _run(store, url, statements, {"first": start, "last": start + count - 1, "count": count})


def _run(store: Store, url: str, statements: Sequence[str], values: dict[str, object]) -> None:
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        connection = sqlite3.connect(store.path or "")
        for pragma in ("synchronous = off", "cache_size = -1048576"):
            connection.execute(f"pragma {pragma}")
        for statement in statements:
            connection.execute(statement, values)
        connection.commit()
        connection.execute("pragma wal_checkpoint(truncate)")
        connection.close()
    elif scheme in MYSQL:
        with pymysql.connect(**read_address(url).arguments(), autocommit=True) as server:
            for statement in statements:
                server.cursor().execute(statement, values)
    else:
        with psycopg.connect(url, autocommit=True) as postgres:
            for statement in statements:
                postgres.execute(statement.encode(), values)
