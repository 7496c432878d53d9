"""A value that the database takes from nobody: its execution is parked, and all others go on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import hydra
import pytest
from hydra.body import child_executions
from hydra.execution import Status

from tests.processes.scene import until
from tests.servers import mysql

LIMIT_BYTES = 1 << 20


@hydra.step
def give_small() -> int:
    return 1


@hydra.step
def give_large(byte_count: int) -> bytes:
    return random.Random(0).randbytes(byte_count)


@hydra.transaction
def give_large_in_a_transaction(db: Any, byte_count: int) -> bytes:
    return give_large.function(byte_count)


@hydra.workflow
def refused_step(byte_count: int) -> int:
    return give_small() + len(give_large(byte_count))


@hydra.workflow
def refused_transaction(byte_count: int) -> int:
    return len(give_large_in_a_transaction(byte_count))


@pytest.fixture
def narrow_url(mysql_url: str) -> Iterator[str]:
    with mysql.connect(mysql_url) as root:
        root.query(f"set global max_allowed_packet = {LIMIT_BYTES}")
        yield mysql_url
        root.query(f"set global max_allowed_packet = {64 << 20}")


def test_g7_a_result_that_the_server_does_not_take_parks_its_execution_and_no_node(narrow_url: str) -> None:
    with hydra.Engine(narrow_url) as engine:
        with engine.worker():
            large = [engine.submit(refused_step.bind(LIMIT_BYTES)) for _ in range(2)]
            small = [engine.submit(refused_step.bind(10)) for _ in range(3)]
            assert [each.result(timeout=60) for each in small] == [11] * 3
            for each in large:
                until(lambda handle=each: handle.status() == Status.PARKED)
                assert "raise its `max_allowed_packet`; then `hydra resume" in each.execution().reason
                assert [(step.name, step.status) for step in each.steps()] == [
                    ("give_small", "completed"), ("give_large", "crashed"),
                ]  # fmt: skip
        with mysql.connect(narrow_url) as root:
            root.query(f"set global max_allowed_packet = {64 << 20}")
    with hydra.Engine(narrow_url) as engine, engine.worker():
        for each in large:
            handle = engine.get(each.id)
            handle.resume()
            assert handle.result(timeout=60) == 1 + LIMIT_BYTES
        assert engine.audit() == []


def test_g6_a_transaction_whose_result_the_server_does_not_take_fails(narrow_url: str) -> None:
    with hydra.Engine(narrow_url) as engine, engine.worker():
        with pytest.raises(hydra.WorkflowFailed, match="raise its `max_allowed_packet`"):
            engine.submit(refused_transaction.bind(LIMIT_BYTES)).result(timeout=60)
        assert engine.submit(refused_transaction.bind(10)).result(timeout=60) == 10
        assert engine.audit() == []


@hydra.workflow
def refused_child(name: str) -> str:
    return name


@hydra.workflow
def refused_keyed(key: bytes) -> str:
    return hydra.spawn(refused_child.bind("child"), key=key.decode("utf-16", "surrogatepass")).result()


@hydra.workflow
async def refused_caught(key: bytes) -> str:
    try:
        await hydra.aio.spawn(refused_child.bind("child"), key=key.decode("utf-16", "surrogatepass"))
    except (hydra.ConfigError, hydra.PayloadError) as error:
        return type(error).__name__
    return "taken"


@hydra.workflow
def refused_parent(key: str) -> str:
    give_small()
    return hydra.spawn(refused_child.bind("child"), key=key).result()


def test_a_key_with_a_nul_or_half_a_pair_is_an_error_that_the_body_can_catch(url: str) -> None:
    with hydra.Engine(url) as engine, engine.worker():
        for key, error in (("inv\0-42", "PayloadError"), ("inv\ud800", "ConfigError")):
            with pytest.raises(hydra.WorkflowFailed, match=error):
                engine.submit(refused_keyed.bind(key.encode("utf-16", "surrogatepass"))).result(timeout=60)
            caught = engine.submit(refused_caught.bind(key.encode("utf-16", "surrogatepass")))
            assert caught.result(timeout=60) == error


def test_g7_a_key_that_no_database_keeps_parks_its_parent_and_no_node(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_executions, "check_key", lambda key: key)
    with hydra.Engine(url) as engine, engine.worker():
        refused = engine.submit(refused_parent.bind("inv\0-42"))
        others = [engine.submit(refused_parent.bind(f"inv-{number}")) for number in range(3)]
        assert [each.result(timeout=60) for each in others] == ["child"] * 3
        until(lambda: refused.status() == Status.PARKED)
        assert "holds a NUL character" in refused.execution().reason
        assert engine.audit() == []
