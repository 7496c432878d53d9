"""How many replies a node waits for: on a slow database its lease hangs on that. And what it knows of lost ones."""

from __future__ import annotations

import importlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hydra.clock import DatabaseClock
from hydra.dispatch.events import (
    Action,
    BeatFailed,
    CommitFailed,
    Register,
    Registered,
    RegisterFailed,
    SendBeat,
    SendClaim,
    SendCommit,
)
from hydra.errors import LeaseLost, StoreUnavailable
from hydra.execution import NodeInfo
from hydra.node.reaper import Reaper
from hydra.node.requests import Report
from hydra.node.store_thread import StoreThread
from hydra.stores.store import Store

from tests.stores.store_values import NOW, register

TTL_NS = 10_000_000_000
SESSIONS = {
    "postgresql": ("hydra.stores.postgres.session", "PostgresSession", "run"),
    "mysql": ("hydra.stores.mysql.session", "MySQLSession", "send"),
}
servers = pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)


def start(store: Store) -> tuple[StoreThread, list[Report]]:
    posted: list[Report] = []
    thread = StoreThread(store, DatabaseClock(), Reaper(store, TTL_NS, None), posted.append, lease_ttl_ns=TTL_NS)
    thread.membership.info = NodeInfo(str(uuid.uuid4()), "host", "boot", os.getpid(), 1, "code", 1)
    return thread, posted


@servers
def test_r5_a_beat_by_itself_costs_one_reply_and_a_commit_two_at_most(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, _ = start(store)
    thread.perform([Register()])
    module, class_name, name = SESSIONS[url.partition(":")[0]]
    session: Any = getattr(importlib.import_module(module), class_name)
    real = getattr(session, name)
    waited_for: list[Any] = []

    def counted(self: Any, *arguments: Any) -> Any:
        waited_for.append(arguments)
        return real(self, *arguments)

    def replies(*actions: Action) -> int:
        waited_for.clear()
        thread._write(list(actions))
        return len(waited_for)

    monkeypatch.setattr(session, name, counted)
    assert [replies(SendBeat([])) for _ in range(60)] == [1] * 60, "those that fold counts, too"
    assert replies(SendCommit(1, [])) <= 2
    assert replies(SendCommit(2, []), SendClaim(1), SendBeat([])) <= 3


@pytest.mark.parametrize("is_last", [False, True])
def test_r6_a_beat_that_leaves_with_its_commit_is_refused_like_any_other(store: Store, is_last: bool) -> None:
    node = register(store)
    assert store.heartbeat_node(node, NOW, is_last=is_last).counter == 1
    with store.transaction():
        assert store.heartbeat_node(node, NOW, is_last=is_last).counter == 2
    raised, _ = store.resync(node)
    for is_joint in (False, True):
        with pytest.raises(LeaseLost):
            if is_joint:
                with store.transaction():
                    store.heartbeat_node(node, NOW, is_last=is_last)
            else:
                store.heartbeat_node(node, NOW, is_last=is_last)
    assert store.heartbeat_node(raised, NOW, is_last=is_last).counter == 3, "what was refused wrote nothing"
    assert store.mark_dead(node.id, None, NOW)
    with pytest.raises(LeaseLost):
        store.heartbeat_node(raised, NOW, is_last=is_last)
    assert [each.counter for each in store.nodes()] == [3]


class Forgetful:
    """A store whose first commit is written and never confirmed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._store.transaction():
            yield
        if not self._is_lost:
            self._is_lost = True
            raise StoreUnavailable("the reply was lost", outcome="unknown")


def test_r5_a_registration_whose_reply_was_lost_counts_from_when_it_was_sent(store: Store) -> None:
    """The others have counted since then, not since the try that found it."""
    forgetful: Any = Forgetful(store)
    thread, posted = start(forgetful)
    before_ns = thread._clock.boottime_ns()
    thread.perform([Register()])
    between_ns = thread._clock.boottime_ns()
    thread.perform([Register()])
    answers = [report for report in posted if isinstance(report, RegisterFailed | Registered)]
    assert [type(answer) for answer in answers] == [RegisterFailed, Registered]
    assert isinstance(answers[1], Registered) and before_ns <= answers[1].sent_ns <= between_ns
    assert len(store.nodes()) == 1


class Unwritable:
    """A store that takes beats and no commits."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, *arguments: Any, **options: Any) -> None:
        raise StoreUnavailable("somebody has locked the records")


def test_r4_on_a_slow_database_a_beat_that_waits_behind_a_commit_fails_with_it(store: Store) -> None:
    unwritable: Any = Unwritable(store)
    thread, posted = start(unwritable)
    thread.perform([Register()])
    now_ns = thread._clock.boottime_ns()
    thread._request_queue.ended([SendBeat([])], now_ns - TTL_NS, now_ns)
    posted.clear()
    thread.perform([SendCommit(1, []), SendBeat([])])
    assert [type(report) for report in posted] == [CommitFailed, BeatFailed]
    assert [node.counter for node in store.nodes()] == [0]
