"""Transactions against a table of the user's own, and the places where they die."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import hydra
from hydra.body import sqlite_limit
from hydra.body.transactions import Transactions
from hydra.worker import worker

from tests.processes import apps, kills

kills.install_in_worker()
if seconds := os.environ.get("HYDRA_TEST_FILE_LOCK_SECONDS"):
    sqlite_limit.FILE_LOCK_SECONDS = float(seconds)

TABLE = "create table ledger (account varchar(50) not null, amount bigint not null)"


class KillingTransactions(Transactions):
    """Dies around the fence and the COMMIT of a step's connection."""

    def _take(self) -> Any:
        own = super()._take()
        if not isinstance(own, KillingConnection):
            own.__class__ = type("KillingConnection", (KillingConnection, type(own)), {})
        return own


class KillingConnection:
    """Mixed into the store's."""

    def begin(self) -> None:
        kills.reach("before begin")
        super().begin()  # type: ignore[misc]
        kills.reach("after begin")

    def commit(self, *arguments: Any) -> bool:
        kills.reach("before fence")
        written: bool = super().commit(*arguments)  # type: ignore[misc]
        kills.reach("after commit")
        return written


if os.environ.get(kills.POINT):
    worker.Transactions = KillingTransactions  # type: ignore[misc]


@hydra.transaction
def post(connection: Any, account: str, amount: int) -> int:
    cursor = connection.cursor()
    for number, each in enumerate((account, f"{account}-again"), 1):
        kills.reach(f"before insert {number}")
        cursor.execute(f"insert into ledger (account, amount) values ('{each}', {int(amount)})")
    kills.reach("after inserts")
    cursor.execute(f"select sum(amount) from ledger where account = '{account}'")
    return int(cursor.fetchone()[0])


@hydra.transaction
def post_and_fail(connection: Any, account: str) -> None:
    connection.cursor().execute(f"insert into ledger (account, amount) values ('{account}', 1)")
    raise ValueError("the account is closed")


@hydra.transaction
def post_and_commit(connection: Any, account: str) -> None:
    connection.cursor().execute(f"insert into ledger (account, amount) values ('{account}', 1)")
    connection.commit()


@hydra.transaction
def post_slowly(connection: Any, account: str) -> None:
    connection.execute(f"insert into ledger (account, amount) values ('{account}', 1)")
    time.sleep(1.5)


@hydra.workflow
def book_slowly(account: str) -> None:
    post_slowly(account)


@hydra.step
def charge_beside(log: str, word: str) -> None:
    apps.note(log, word)
    time.sleep(5)


@hydra.workflow
def charging_beside(log: str, word: str) -> None:
    charge_beside(log, word)


@hydra.step
def render(number: int) -> int:
    return number


@hydra.workflow
def book(account: str) -> list[int]:
    return [render(1), post(account, 5), render(2), post(f"{account}/2", 7)]


@hydra.workflow
def book_beside(account: str) -> list[int]:
    """Other branches record while transactions are under way."""
    calls = [bound for n in range(4) for bound in (post.bind(f"{account}/{n}", n), render.bind(n))]
    return list(hydra.gather(*calls))


@hydra.workflow
def book_closed(account: str) -> str:
    try:
        post_and_fail(account)
    except ValueError as error:
        return str(error)
    return "open"


@hydra.workflow
def book_by_hand(account: str) -> str:
    try:
        post_and_commit(account)
    except hydra.NonRetryable as error:
        return str(error)
    return "committed"


@hydra.transaction
def move(connection: Any, log: str, source: str, target: str) -> None:
    """Meets another that goes the other way half-way, the first time."""
    apps.note(log, f"{source} to {target}")
    cursor = connection.cursor()
    cursor.execute(f"update ledger set amount = amount - 1 where account = '{source}'")
    Path(f"{log}-{source}").touch()
    while not Path(f"{log}-{target}").exists():
        time.sleep(0.005)
    cursor.execute(f"update ledger set amount = amount + 1 where account = '{target}'")


@hydra.workflow
def rebalance(log: str, source: str, target: str) -> None:
    move(log, source, target)


@hydra.transaction
def insert_and_wait(connection: Any, how: str) -> None:
    connection.execute("insert into ledger (account, amount) values ('late', 1)")
    while how == "on its own":
        time.sleep(0.01)
    while how == "in spite of it":
        try:
            time.sleep(0.01)
        except hydra.StepTimeout:
            continue
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    connection.execute(endless).fetchone()


@hydra.workflow
def dawdle(how: str) -> None:
    insert_and_wait(how)


HANGS = {
    "psycopg": "select pg_sleep(600)",
    "pymysql": "select sleep(600)",
}
MAKES_READ_ONLY = {
    "sqlite3": "pragma query_only = on",
    "psycopg": "set transaction read only",
    "pymysql": "set session transaction read only",  # the transactions after this one
}


def driver_of(connection: Any) -> str:
    """Of hydra's own class of the driver's connections."""
    modules = [each.__module__.partition(".")[0] for each in type(connection).__mro__]
    return next(module for module in modules if module in HANGS or module == "sqlite3")


@hydra.transaction
def post_and_hang(connection: Any, log: str) -> None:
    cursor = connection.cursor()
    cursor.execute("insert into ledger (account, amount) values ('hung', 1)")
    apps.note(log, "hangs")
    try:
        cursor.execute(HANGS[driver_of(connection)])
    except Exception as error:
        apps.note(log, "ended")
        if driver_of(connection) == "psycopg":
            raise
        raise KeyError("hides the driver's error") from error


@hydra.workflow
def hang(log: str) -> None:
    post_and_hang(log)


@hydra.workflow(timeout=3.0)
def hang_at_most(log: str) -> None:
    post_and_hang(log)


@hydra.transaction(max_attempts=2, backoff=hydra.Backoff(initial=0.01))
def post_read_only(connection: Any, log: str) -> None:
    apps.note(log, "try")
    cursor = connection.cursor()
    cursor.execute(MAKES_READ_ONLY[driver_of(connection)])
    if driver_of(connection) == "pymysql" and hydra.current().attempt == 1:
        raise ValueError("once more, read-only")
    cursor.execute("insert into ledger (account, amount) values ('read-only', 1)")


@hydra.workflow
def book_read_only(log: str) -> list[int]:
    try:
        post_read_only(log)
    except Exception:
        return [post("after", 1)]
    return []
