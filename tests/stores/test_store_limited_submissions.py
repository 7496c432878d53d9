"""Submissions with limits: they wait from the start, and each of their keys is called once (R29)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest
from hydra import _core
from hydra.execution import NodeRef, Submission
from hydra.stores import admitting
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, WORKFLOW, claim
from tests.stores.test_store_limits import ONE, TWO, let_go, serving, submit

RUN_AT, PRIORITY = NOW - 1, 3


@pytest.fixture
def node(store: Store) -> NodeRef:
    return serving(store)


def test_r29_however_many_of_a_key_are_submitted_at_once_it_is_called_once(
    store: Store, node: NodeRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look answers one call of each of both keys: after it there is none."""
    monkeypatch.setattr(admitting, "MAX_CALLS", 2)
    monkeypatch.setattr(admitting, "MAX_NEWEST_CALLS", 0)
    monkeypatch.setattr(admitting, "MAX_TURN_CALLS", 1)
    keys = [(ONE,), (TWO,), None, (ONE, TWO)] * 25
    batch = [Submission(_core.uuid7(), WORKFLOW, b"input", b"d" * 16, limit_keys=each) for each in keys]
    assert all(answer.created for answer in store.submit(batch, NOW))
    store.promote(NOW, 100)
    assert store.next_due_at() is None
    assert len(claim(store, node, 100)) == 25 + 1 + 2, "without limits, and as many as both let go"


def test_a_submission_that_is_known_calls_nobody(store: Store, node: NodeRef) -> None:
    batch = [Submission(_core.uuid7(), WORKFLOW, b"input", b"d" * 16, key="order", limit_keys=(ONE,))]
    assert store.submit(batch, NOW)[0].created
    let_go(store)
    again = [Submission(_core.uuid7(), WORKFLOW, b"input", b"d" * 16, key="order", limit_keys=(ONE,))]
    assert not store.submit(again, NOW)[0].created
    assert not store.submit(batch, NOW)[0].created
    assert store.next_due_at() is None


def test_one_that_is_delayed_calls_nobody_before_it_is_due(store: Store, node: NodeRef) -> None:
    (late,) = submit(store, ONE, run_at=NOW + SECOND)
    assert store.next_due_at() == NOW + SECOND
    let_go(store, NOW + SECOND)
    assert [each.id for each in claim(store, node, now=NOW + SECOND)] == [late]


@pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
def test_r27_what_code_of_the_version_before_submits_waits_at_its_key_too(
    url: str, store: Store, node: NodeRef
) -> None:
    """It writes the row as if it were ready, and leaves the rest to the trigger."""
    (first,) = submit(store, ONE)
    (second,) = submit(store, ONE, now=NOW + 1)
    for id in (first, second):
        execute(url, "delete from hydra_execution where id = ?", id)
        execute(url, "delete from hydra_gate_call where limit_key = ?", ONE)
        execute(
            url,
            "insert into hydra_execution (id, run_at, priority, status, namespace, workflow, gate) "
            "values (?, ?, ?, 'pending', 'default', ?, ?)",
            *(id, RUN_AT + (id == second), PRIORITY, WORKFLOW, ONE),
        )
    assert claim(store, node) == []
    let_go(store)
    assert [each.id for each in claim(store, node, 10)] == [first]


def execute(url: str, statement: str, *values: object) -> None:
    """In the store's database, in a transaction of its own."""
    if urlsplit(url).scheme == "sqlite":
        with closing(sqlite3.connect(urlsplit(url).path)) as file, file:
            file.execute(statement, values)
    else:
        with psycopg.connect(url) as connection:
            connection.execute(statement.replace("?", "%s").encode(), values)
