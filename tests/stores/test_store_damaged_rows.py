"""What cannot be decoded, or fails in a way nobody knows, ends no node: one row parks alone, the rest goes on (G7)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest
from hydra.codec import encode
from hydra.dispatch.events import (
    Park,
    ParkFailed,
    Recover,
    Recovered,
    Register,
    RegisterFailed,
    ResyncFailed,
    SendResync,
    WorkerGone,
)
from hydra.execution import Claimed, End, Ending, ExecutionCommit, NodeRef
from hydra.node.requests import Settle, SettleFailed
from hydra.stores import claim_sizes
from hydra.stores.store import Store

from tests.servers.mysql import connect
from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim, record, register, status, submit
from tests.stores.test_store_damaged_listings import A_NUMBER, quoted
from tests.stores.test_store_damaged_listings import execute as execute_past_hydra
from tests.stores.test_store_limits import ONE, let_go, serving
from tests.stores.test_store_limits import submit as submit_limited
from tests.stores.test_store_thread import Registered

SETTLE = Settle(WorkerGone(0, "killed", []), {})


@pytest.mark.parametrize(
    ("verb", "action", "answer"),
    [
        ("register_node", Register(), RegisterFailed),
        ("resync", SendResync([]), ResyncFailed),
        ("recover", Recover(["a"]), ResyncFailed),
        ("resync", SETTLE, SettleFailed),
        ("nodes", Park([], 0, True), ParkFailed),
    ],
)
def test_g7_an_error_that_nobody_knows_is_told_and_ends_no_node(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    verb: str,
    action: Any,
    answer: type,
) -> None:
    node = Registered(store)
    if verb == "register_node":
        monkeypatch.setattr(node.thread.membership, "_is_registered", lambda: False)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(store, verb, fail)
    for _ in range(3):
        node.posted.clear()
        node.thread.perform([action])
        assert [type(report) for report in node.posted] == [answer]
    assert caplog.text.count("hydra does not know; please report this") == 1, "once, and not at each try"


def test_r16_what_is_owned_is_read_back_a_part_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Registered(store)
    submit(store, 3, now=node.clock.now(), input=bytes(1000))
    ids = [each.id for each in node.claim()]
    monkeypatch.setattr(claim_sizes, "CLAIM_BYTES", 2500)
    assert read_back(node, ids) == (ids[:2], True)
    assert read_back(node, ids[2:]) == (ids[2:], False)


def test_g7_one_that_cannot_be_read_back_hides_no_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Registered(store)
    submit(store, 4, now=node.clock.now())
    ids = [each.id for each in node.claim()]
    recover: Callable[[NodeRef, Sequence[str]], list[Claimed]] = store.recover

    def fail_on_one(ref: NodeRef, asked: Sequence[str]) -> list[Claimed]:
        if ids[1] in asked:
            raise ValueError("a length is wrong")
        return recover(ref, asked)

    monkeypatch.setattr(store, "recover", fail_on_one)
    node.do(SendResync([]))
    left, unreadable = list(ids), {}
    while left:
        node.do(Recover(left))
        (answer,) = [report for report in node.posted if isinstance(report, Recovered)]
        unreadable |= {each.id: each for each in answer.executions if each.unreadable}
        left = [id for id in left if id not in {each.id for each in answer.executions}]
        assert answer.has_more == bool(left)
    assert list(unreadable) == [ids[1]] and unreadable[ids[1]].epoch == 1
    assert "a length is wrong" in unreadable[ids[1]].unreadable


@pytest.mark.parametrize("url", ["sqlite", "mysql"], indirect=True)  # PostgreSQL takes no text that is not UTF-8
def test_g7_a_record_whose_name_is_no_text_spoils_neither_a_claim_nor_what_is_read_back(
    store: Store, execute: Callable[[str], None]
) -> None:
    node = register(store)
    submit(store, 4)
    for each in claim(store, node, slots=4):
        released = ExecutionCommit(each.id, each.epoch, [record(1)], End(Ending.RELEASED))
        assert all(store.commit(node, [released], NOW))
    execute("update hydra_record set name = {bad} where execution_id = (select min(id) from hydra_execution)")
    claimed = claim(store, node, slots=4)
    assert len(claimed) == 4
    for found in (claimed, store.recover(node, [each.id for each in claimed])):
        (damaged,) = [each for each in found if each.unreadable]
        assert damaged.id == min(each.id for each in claimed) and damaged.epoch == 2
        assert "cannot be read" in damaged.unreadable
        assert all(each.records == [record(1)] for each in found if each is not damaged)
    parked = ExecutionCommit(damaged.id, damaged.epoch, [], End(Ending.PARKED, payload=encode(damaged.unreadable)))
    assert all(store.commit(node, [parked], NOW))
    (snapshot,) = store.get([damaged.id])
    assert snapshot is not None and snapshot.status == "parked" and "cannot be read" in snapshot.reason
    assert store.stats(NOW).counts == {WORKFLOW: {"running": 3, "parked": 1}}


@pytest.fixture
def execute(store: Store, url: str) -> Callable[[str], None]:
    """A statement past hydra."""

    def run(sql: str) -> None:
        is_sqlite = url.startswith("sqlite")
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30) if is_sqlite else connect(url)
        with closing(connection):
            cursor = connection.cursor()
            cursor.execute(sql.format(bad="cast(x'ff41' as text)" if is_sqlite else "x'ff41'"))
            assert cursor.rowcount == 1
            connection.commit()

    return run


def read_back(node: Registered, ids: list[str]) -> tuple[list[str], bool]:
    node.do(Recover(ids))
    (answer,) = [report for report in node.posted if isinstance(report, Recovered)]
    return [each.id for each in answer.executions], answer.has_more


def test_g7_keys_of_limits_that_cannot_be_read_hold_up_nobody(open_another: Callable[..., Store], url: str) -> None:
    store = open_another()
    node, later = serving(store), NOW + SECOND
    ids = submit_limited(store, ONE, count=4)
    (delayed,) = submit_limited(store, ONE, run_at=later)
    table, key = ("hydra_execution", "id") if url.startswith("mysql") else ("hydra_submission", "execution_id")
    for id in (*ids[:3], delayed):
        execute_past_hydra(url, f"update {table} set limit_keys = {A_NUMBER} where {key} = {quoted(url, id)}")
    let_go(store)
    (claimed,) = claim(store, node)
    assert claimed.id == ids[3]
    assert store.commit(node, [ExecutionCommit(claimed.id, 1, [], End(Ending.COMPLETED, b""))], later)
    store.promote(later, 100)
    let_go(store, later)
    assert [snapshot and (snapshot.status, snapshot.reason) for snapshot in store.get([*ids[:3], delayed])] == [
        ("parked", "its row in the database is damaged: the keys of its limits cannot be read")
    ] * 4
    assert store.resume([ids[0]], later) == ["parked"]
    let_go(store, later)
    assert status(store, ids[0]) == "parked", "until its row is mended"
