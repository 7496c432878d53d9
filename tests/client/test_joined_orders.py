"""`connection=` of submit, signal, complete, fail, cancel: all of it with the caller's transaction, or nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import hydra
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from tests.client import shop
from tests.servers import mysql

WAIT_SECONDS = 60

joined_tokens: list[str] = []


@hydra.step
def keep_token(token: str) -> None:
    joined_tokens.append(token)


@hydra.workflow
def wait_joined() -> Any:
    return hydra.wait_event("go", type=int)


@hydra.workflow
def wait_called_back() -> Any:
    token = hydra.callback_token()
    keep_token(token)
    return hydra.wait_callback(token, type=int)


class Caller:
    def __init__(self, url: str, joined: Any, begin: Callable[[], Any], own: Any) -> None:
        self.url, self.joined, self.begin = url, joined, begin
        self.commit, self.rollback, self.close = own.commit, own.rollback, own.close


def of_sqlite3(url: str) -> Caller:
    own = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    return Caller(url, own, lambda: own.execute("begin immediate"), own)


def of_psycopg(url: str) -> Caller:
    own = psycopg.connect(url)
    return Caller(url, own, lambda: own.execute("select 1"), own)


def of_sqlalchemy(url: str) -> Caller:
    own = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url)).connect()
    return Caller(url, own, lambda: None, own)


def of_pymysql(url: str) -> Caller:
    own = mysql.connect(url)
    return Caller(url, own, own.begin, own)


LIBRARIES: dict[str, Callable[[str], Caller]] = {
    "sqlite3": of_sqlite3,
    "psycopg": of_psycopg,
    "sqlalchemy": of_sqlalchemy,
    "pymysql": of_pymysql,
}


@pytest.fixture(params=LIBRARIES)
def caller(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite3":
        url = f"sqlite:///{tmp_path}/joined.db"
    else:
        url = request.getfixturevalue("mysql_url" if request.param == "pymysql" else "postgres_url")
    with hydra.Engine(url) as engine:
        engine.stats()  # makes the tables
    caller = LIBRARIES[request.param](url)
    yield caller
    caller.close()


def settled(engine: hydra.Engine, workflow: Any) -> hydra.Handle[Any]:
    """One that waits, and runs nowhere."""
    joined_tokens.clear()
    with engine.worker():
        handle: hydra.Handle[Any] = engine.submit(workflow.bind())
        while handle.status() != "waiting":
            pass
    return handle


ORDERS: dict[str, tuple[Any, Callable[..., Any], str]] = {
    "signal": (wait_joined, lambda engine, id, on: engine.signal(id, "go", 7, connection=on), "pending"),
    "complete": (
        wait_called_back,
        lambda engine, id, on: engine.complete(joined_tokens[0], 7, connection=on),
        "pending",
    ),
    "fail": (wait_called_back, lambda engine, id, on: engine.fail(joined_tokens[0], "no", connection=on), "pending"),
}


@pytest.mark.parametrize("order", [*ORDERS, "cancel"])
def test_an_order_commits_or_vanishes_with_the_callers_transaction(caller: Caller, order: str) -> None:
    with hydra.Engine(caller.url) as engine:
        workflow, give, after = ORDERS.get(order, (wait_joined, None, "cancelled"))
        handle = settled(engine, workflow)
        for ending in (caller.rollback, caller.commit):
            caller.begin()
            if give is None:
                assert handle.cancel(connection=caller.joined) == "cancelled"
            else:
                give(engine, handle.id, caller.joined)
            assert handle.status() == "waiting", "nobody sees it before the caller commits"
            ending()
            assert handle.status() == ("waiting" if ending == caller.rollback else after)
        assert engine.audit() == []
        if give is None:
            return
        with engine.worker():
            if order == "fail":
                with pytest.raises(hydra.WorkflowFailed, match="no"):
                    handle.result(timeout=WAIT_SECONDS)
            else:
                assert handle.result(timeout=WAIT_SECONDS) == 7


def test_what_is_refused_leaves_the_callers_transaction_usable(caller: Caller) -> None:
    with hydra.Engine(caller.url) as engine:
        handle = settled(engine, wait_called_back)
        caller.begin()
        with pytest.raises(hydra.PayloadError, match="waits for a callback as `int`"):
            engine.complete(joined_tokens[0], "seven", connection=caller.joined)
        with pytest.raises(hydra.NotFound):
            engine.signal("01a226f3-d04d-7585-83b0-c4f18ae431d2", "go", 1, connection=caller.joined)
        engine.complete(joined_tokens[0], 7, connection=caller.joined)
        with pytest.raises(hydra.IllegalMove, match="completed before, with something else"):
            engine.complete(joined_tokens[0], 8, connection=caller.joined)
        made = engine.submit(shop.echo.bind(1), connection=caller.joined)
        caller.commit()
        assert (handle.status(), made.status()) == ("pending", "pending")
        assert handle.cancel() == "cancelled"
        caller.begin()
        with pytest.raises(hydra.IllegalMove, match="is cancelled"):
            handle.signal("go", 1, connection=caller.joined)
        assert handle.cancel(connection=caller.joined) == "cancelled"
        caller.rollback()
        assert engine.audit() == []


# asynchronous ones, of PostgreSQL


def sqlalchemy_url(url: str) -> Any:
    return create_async_engine("postgresql+psycopg://", async_creator=lambda: psycopg.AsyncConnection.connect(url))


@asynccontextmanager
async def async_psycopg(url: str) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(url) as own:
        yield own


@asynccontextmanager
async def async_sqlalchemy_connection(url: str) -> AsyncIterator[Any]:
    async with sqlalchemy_url(url).connect() as own:
        yield own


@asynccontextmanager
async def async_sqlalchemy_session(url: str) -> AsyncIterator[Any]:
    async with AsyncSession(sqlalchemy_url(url)) as own:
        yield own


ASYNC: dict[str, Callable[[str], Any]] = {
    "psycopg": async_psycopg,
    "sqlalchemy connection": async_sqlalchemy_connection,
    "sqlalchemy session": async_sqlalchemy_session,
}


async def give_all(engine: hydra.AsyncEngine, handles: dict[str, Any], on: Any) -> list[Any]:
    made = await engine.submit(shop.echo.bind(1), key="joined", connection=on)
    many = await engine.submit_many([shop.echo.bind(2)] * 2, connection=on)
    await engine.signal(handles["go"], "go", 7, connection=on)
    await engine.complete(joined_tokens[0], 7, connection=on)
    handle = await engine.get(handles["stop"])
    assert await handle.cancel(connection=on) == "cancelled"
    return [made, *many]


@pytest.mark.parametrize("library", ASYNC)
def test_the_same_on_an_asynchronous_connection(postgres_url: str, library: str) -> None:
    with hydra.Engine(postgres_url) as engine:
        handles = {
            "go": settled(engine, wait_joined).id,
            "stop": settled(engine, wait_joined).id,
            "token": settled(engine, wait_called_back).id,
        }

    async def statuses(asynchronous: hydra.AsyncEngine) -> list[str]:
        return [await (await asynchronous.get(id)).status() for id in handles.values()]

    async def main() -> None:
        async with AsyncExitStack() as stack:
            asynchronous = await stack.enter_async_context(hydra.AsyncEngine(postgres_url))
            own = await stack.enter_async_context(ASYNC[library](postgres_url))
            other = asyncio.create_task(asyncio.sleep(3600))
            gone = await give_all(asynchronous, handles, own)
            await own.rollback()
            assert await statuses(asynchronous) == ["waiting"] * 3
            for each in gone:
                with pytest.raises(hydra.NotFound):
                    await each.status()
            with pytest.raises(hydra.PayloadError, match="as `int`"):
                await asynchronous.signal(handles["go"], "go", "seven", connection=own)
            kept = await give_all(asynchronous, handles, own)
            assert await statuses(asynchronous) == ["waiting"] * 3
            await own.commit()
            assert await statuses(asynchronous) == ["pending", "cancelled", "pending"]
            assert [await each.status() for each in kept] == ["pending"] * 3
            with pytest.raises(hydra.IdempotencyConflict):
                await asynchronous.submit(shop.echo.bind(9), key="joined", connection=own)
            await own.rollback()
            assert not other.done(), "the event loop was the caller's all the time"
            other.cancel()
            assert await asynchronous.audit() == []

    asyncio.run(asyncio.wait_for(main(), WAIT_SECONDS))


def test_a_task_that_is_cancelled_while_it_joins_leaves_a_transaction_that_can_be_rolled_back(
    postgres_url: str,
) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(postgres_url) as engine, async_psycopg(postgres_url) as own:
            await engine.stats()
            for turns in range(1, 12):
                task = asyncio.create_task(engine.submit(shop.echo.bind(1), connection=own))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await own.rollback()
                assert await engine.executions() == []
            await engine.submit(shop.echo.bind(1), connection=own)
            await own.commit()
            assert len(await engine.executions()) == 1

    asyncio.run(asyncio.wait_for(main(), WAIT_SECONDS))


def test_an_asynchronous_connection_of_a_synchronous_engine_is_one_sentence(postgres_url: str) -> None:
    async def main() -> None:
        async with async_psycopg(postgres_url) as own:
            asynchronous = pytest.raises(hydra.ConfigError, match=r"asynchronous; give it to `hydra\.AsyncEngine`")
            with hydra.Engine(postgres_url) as engine, asynchronous:
                engine.submit(shop.echo.bind(1), connection=own)

    asyncio.run(main())


@pytest.mark.parametrize("order", ["submit", "submit_many", "signal"])
def test_a_program_opened_before_there_were_keys_puts_nothing_plain_in_its_own_transaction(
    caller: Caller, order: str
) -> None:
    """However short a time ago it has looked for them."""
    keys = hydra.PayloadKeys({"k1": bytes(range(32))}, "k1")
    with hydra.Engine(caller.url) as early:
        before = early.submit(wait_joined.bind())
        with hydra.Engine(caller.url, payload_keys=keys) as engine:
            engine.audit()
        caller.begin()
        with pytest.raises(hydra.ConfigError, match="encrypted with the key `k1`, which is not given here"):
            if order == "submit":
                early.submit(wait_joined.bind(), connection=caller.joined)
            elif order == "submit_many":
                early.submit_many([wait_joined.bind()], connection=caller.joined)
            else:
                before.signal("go", 1, connection=caller.joined)
        caller.commit()
        assert [each.id for each in early.executions()] == [before.id] and before.status() == "pending"
