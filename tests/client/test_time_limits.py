"""How long a program waits for a database that does not answer, and what it knows afterwards (G1, R17)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import hydra
import pytest
from hydra import _core
from hydra.client.session import EngineSession
from hydra.execution import Submission, Submitted
from hydra.stores.sqlite import SqliteStore

from tests.servers.slow_proxy import SlowProxy

TIMEOUT_SECONDS = 0.5  # far below any limit of a store's own


@hydra.workflow
def limited_call() -> None:
    pass


class Unanswering(Protocol):
    url: str

    def begin(self) -> None: ...
    def end(self) -> None: ...


class DeafServer:
    def __init__(self, url: str, path: Path, server_socket: Path, query: str) -> None:
        path.parent.mkdir()
        self.proxy = SlowProxy(path, server_socket)
        self.url = urlsplit(url)._replace(query=query).geturl()
        self.begin, self.end = self.proxy.deafen, self.proxy.answer


class LockedFile:
    def __init__(self, url: str) -> None:
        self.url = url

    def begin(self) -> None:
        self.holder = sqlite3.connect(self.url.removeprefix("sqlite:///"), isolation_level=None)
        self.holder.execute("begin immediate")

    def end(self) -> None:
        self.holder.close()


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, url: str) -> Iterator[Unanswering]:
    if request.param == "sqlite":
        yield LockedFile(url)
        return
    folder = tmp_path / "deaf"
    server = request.getfixturevalue(f"{request.param}_server")
    if request.param == "postgres":
        name = f".s.PGSQL.{server.port}"
        path, behind, query = folder / name, server.socket_folder / name, f"host={folder}&connect_timeout=2"
    else:
        path, behind, query = folder / "s", server.socket, f"unix_socket={folder / 's'}"
    deaf = DeafServer(request.getfixturevalue(f"{request.param}_url"), path, behind, query)
    yield deaf
    deaf.proxy.close()


def submit_with_patience(engine: hydra.Engine, id: str) -> hydra.Handle[None]:
    """What is tested is a database that answers; on a busy machine it may need longer than the limit for one try."""
    for _ in range(60):
        with suppress(hydra.StoreUnavailable):
            return engine.submit(limited_call.bind(), delay=3600, id=id)
    raise AssertionError("the database never answered within the limit")


@pytest.mark.timeout(60)  # a read alone would wait longer without a limit
def test_g1_no_call_outlasts_the_engines_time_limit_and_a_submission_is_repeated_safely(database: Unanswering) -> None:
    with hydra.Engine(database.url, timeout=TIMEOUT_SECONDS) as engine:
        known = submit_with_patience(engine, str(_core.uuid7()))
        database.begin()
        with pytest.raises(hydra.StoreUnavailable) as submitting:
            engine.submit(limited_call.bind(), delay=3600)
        error = submitting.value
        assert error.execution_id is not None
        # PostgreSQL's COMMIT leaves with the writes, MySQL's after their answer; a locked file is not written to.
        assert error.outcome == ("unknown" if database.url.startswith("postgresql") else None)
        with pytest.raises(hydra.StoreUnavailable):
            known.cancel()
        with suppress(hydra.StoreUnavailable):
            assert isinstance(database, LockedFile) is (known.status() == "pending")
        database.end()
        late = submit_with_patience(engine, error.execution_id)
    with hydra.Engine(database.url) as engine:
        assert {each.id for each in engine.executions()} == {known.id, late.id}


@pytest.mark.timeout(60)
def test_g1_nor_does_an_async_engines(database: Unanswering) -> None:
    async def main() -> None:
        async with hydra.AsyncEngine(database.url, timeout=TIMEOUT_SECONDS) as engine:
            await asyncio.to_thread(submit_with_patience, engine.engine, str(_core.uuid7()))
            database.begin()
            with pytest.raises(hydra.StoreUnavailable):
                await engine.submit(limited_call.bind(), delay=3600)
            database.end()

    asyncio.run(main())


class Answers(SqliteStore):
    """Fails as it is told, one submission after the other."""

    errors: list[hydra.StoreUnavailable]

    def submit(self, submissions: Sequence[Submission], now: int) -> list[Submitted]:
        if self.errors:
            raise self.errors.pop(0)
        return super().submit(submissions, now)


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[Answers]:
    store = Answers(f"sqlite:///{tmp_path}/answers.db", f"{tmp_path}/answers.db", "default")
    store.open()
    yield store
    store.close()


def unknown() -> hydra.StoreUnavailable:
    return hydra.StoreUnavailable("the commit got no answer", outcome="unknown")


def test_r17_an_outcome_that_is_unknown_stays_so_when_the_database_is_not_reached_again(answers: Answers) -> None:
    session = EngineSession(answers)
    answers.errors = [unknown(), hydra.StoreUnavailable("nobody listens")] + [hydra.StoreUnavailable("nor now")] * 3
    submission = Submission(_core.uuid7(), "limited_call", b"", b"")
    with pytest.raises(hydra.StoreUnavailable) as failed:
        session.submit(submission)
    assert (failed.value.outcome, failed.value.execution_id) == ("unknown", submission.id)
    answers.errors = [unknown(), hydra.StoreUnavailable("it restarts")]
    assert session.submit(submission).id == submission.id


def test_what_certainly_did_not_happen_is_not_repeated(answers: Answers) -> None:
    session = EngineSession(answers)
    answers.errors = [hydra.StoreUnavailable("nobody listens"), hydra.StoreUnavailable("never asked")]
    with pytest.raises(hydra.StoreUnavailable, match="nobody listens") as failed:
        session.submit(Submission(_core.uuid7(), "limited_call", b"", b""))
    assert failed.value.outcome is None
    assert len(answers.errors) == 1


def test_g7_a_submission_that_an_async_engine_cannot_hand_on_is_refused_and_does_not_wait_for_ever(url: str) -> None:
    async def main() -> None:
        engine = hydra.AsyncEngine(url)
        await engine.submit(limited_call.bind(), delay=3600)
        engine.engine.session().close()  # while submissions wait for their batch
        for _ in range(2):
            with pytest.raises(hydra.HydraError, match="closed"):
                await asyncio.wait_for(engine.submit(limited_call.bind(), delay=3600), 30)

    asyncio.run(main())
