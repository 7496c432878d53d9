"""Who reads or waits in a database that a move closes, clears or fills is told so, and never that nothing is there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import hydra
import pytest
from click.testing import CliRunner
from hydra.cli import main
from hydra.client import watcher
from hydra.errors import ConfigError, NotFound
from hydra.execution import Status
from hydra.move import move
from hydra.stores.moved import DatabaseMoved

from tests.move.conftest import Pair
from tests.move.killed import LEASE_SECONDS, stopped
from tests.move.worlds import shown_url

BILL = hydra.named("bill").bind()
UNKNOWN = "01890000-0000-7000-8000-000000000000"


def said(command: str, id: str, url: str, *options: str) -> tuple[int, str]:
    answer = CliRunner().invoke(main, [command, *([id] if id else []), "--db", url, *options])
    return answer.exit_code, " ".join(answer.output.split())


def test_who_waits_while_it_is_moved_away_is_told_so_and_what_had_ended_is_still_read(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "MOVE_LOOK_SECONDS", 0.0)
    with hydra.Engine(pair.source) as engine, ThreadPoolExecutor(2) as pool:
        ended, open = engine.submit(BILL), engine.submit(BILL, key="open")
        ended.cancel()
        waits = [pool.submit(open.result, timeout=60), pool.submit(open.result)]
        move(pair.source, pair.target, lease_seconds=LEASE_SECONDS)
        for wait in waits:
            with pytest.raises(
                DatabaseMoved, match=re.escape(f"was moved to another database, `{shown_url(pair.target)}`; use")
            ):
                wait.result(60)
        for refused in (
            lambda: open.result(timeout=0),
            lambda: engine.get(UNKNOWN),
            lambda: engine.find("bill", "later"),
            lambda: engine.signal(UNKNOWN, "go"),
        ):
            with pytest.raises(DatabaseMoved):
                refused()
        with pytest.raises(hydra.WorkflowCancelled):
            ended.result(timeout=60)
        assert open.status() is Status.PENDING  # as it was when it left
        assert len(engine.executions()) == 2

    async def wait_there() -> None:
        async with hydra.AsyncEngine(pair.source) as engine:
            with pytest.raises(DatabaseMoved):
                await (await engine.get(open.id)).result()

    asyncio.run(wait_there())
    code, told = said("result", open.id, pair.source)
    assert (code, "was moved to another database" in told) == (2, True)
    for command in ("show", "why", "list"):
        code, told = said(command, "" if command == "list" else open.id, pair.source)
        assert (code, f"was moved to `{shown_url(pair.target)}`" in told) == (0, True)
    assert "was moved to" not in said("show", ended.id, pair.source)[1]


def refuse_to_say_that_nothing_is_there(engine: hydra.Engine, id: str) -> None:
    handle = hydra.Handle(engine, id, "bill")
    reads: tuple[Callable[[], object], ...] = (
        handle.status,
        handle.execution,
        handle.result,
        lambda: handle.result(timeout=60),
        lambda: engine.get(id),
        lambda: engine.find("bill", "open"),
        lambda: engine.signal(id, "go"),
        handle.cancel,
        engine.executions,
        engine.select().count,
        lambda: engine.select().count_by("reason"),
    )
    for read in reads:
        with pytest.raises(ConfigError, match="is being moved here"):
            read()
    for command in ("result", "show", "list", "why"):
        code, told = said(command, "" if command == "list" else id, engine.url)
        assert (code, "is being moved here" in told) == (2, True), (command, told)


def test_a_database_that_is_cleared_or_filled_never_says_that_an_execution_is_not_there(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hydra.Engine(pair.source) as engine:
        id = engine.submit(BILL, key="open").id
        stopped(pair, monkeypatch, "executions")  # before the first batch
        with hydra.Engine(pair.target) as other:
            refuse_to_say_that_nothing_is_there(other, id)
        move(*pair, lease_seconds=LEASE_SECONDS)
        stopped(Pair(pair.target, pair.source), monkeypatch, "delete_rest")  # once executions are cleared away
        refuse_to_say_that_nothing_is_there(engine, id)
        move(pair.target, pair.source, lease_seconds=LEASE_SECONDS)
        assert engine.get(id).status() is Status.PENDING
        engine.get(id).cancel()
        with pytest.raises(hydra.WorkflowCancelled):
            engine.get(id).result(timeout=60)
        with pytest.raises(NotFound):
            engine.get(UNKNOWN)
        assert "moved" not in said("list", "", pair.source)[1]
