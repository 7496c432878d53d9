"""What leaves together is one transaction in one order (R11), over a connection that was proven (R19)."""

from __future__ import annotations

import os
import uuid

import pytest
from hydra.clock import DatabaseClock
from hydra.dispatch.events import (
    Beaten,
    ClaimDone,
    CommitDone,
    Reconnected,
    Register,
    Resynced,
    SendBeat,
    SendClaim,
    SendCommit,
    SendResync,
)
from hydra.execution import Claimed, End, Ending, ExecutionCommit, NodeInfo
from hydra.node.errands import RegisterWorkflows, Report
from hydra.node.peers import Reaper
from hydra.node.store_thread import StoreThread
from hydra.stores.store import Store, WorkflowInfo
from store_values import WORKFLOW, record, submit

TTL_NS = 10 * 10**9


class Registered:
    """A store thread that is not started: `posted` is what it said since it was last asked."""

    def __init__(self, store: Store) -> None:
        self.posted: list[Report] = []
        self.clock = DatabaseClock()
        reaper = Reaper(store, TTL_NS, store.path)
        self.thread = StoreThread(store, self.clock, reaper, self.posted.append, lease_ttl_ns=TTL_NS)
        self.thread.membership.info = NodeInfo(str(uuid.uuid4()), "host", "boot", os.getpid(), 1, "code", 2)
        self.thread.perform([RegisterWorkflows([WorkflowInfo(WORKFLOW, b"{}", None, "code")]), Register()])

    def do(self, *actions: object) -> list[Report]:
        self.posted.clear()
        self.thread.perform(list(actions))  # type: ignore[arg-type]
        return [report for report in self.posted if isinstance(report, ANSWERS)]

    def claim(self) -> list[Claimed]:
        (answer,) = self.do(SendClaim(10))
        assert isinstance(answer, ClaimDone)
        return answer.executions


ANSWERS = (CommitDone, ClaimDone, Beaten, Reconnected, Resynced)


def test_r11_a_commit_goes_before_the_claim_and_the_beat_that_leave_with_it(store: Store) -> None:
    node = Registered(store)
    (id,) = submit(store, now=node.clock.now())
    (claimed,) = node.claim()
    release = ExecutionCommit(claimed.id, claimed.epoch, [record(1)], End(Ending.RELEASED))
    committed, answer, beaten = node.do(SendBeat([]), SendClaim(10), SendCommit(1, [release]))
    assert isinstance(committed, CommitDone) and committed.written == [True]
    assert isinstance(answer, ClaimDone)
    assert [(one.id, len(one.records)) for one in answer.executions] == [(id, 1)]
    assert isinstance(beaten, Beaten) and beaten.beat.running_count == 1


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
def test_r19_nothing_is_written_over_another_connection_before_it_was_proven(store: Store) -> None:
    node = Registered(store)
    submit(store, now=node.clock.now())
    (claimed,) = node.claim()
    store.close()  # it opens again when it is used again
    commit = SendCommit(1, [ExecutionCommit(claimed.id, claimed.epoch, [record(1)])])
    assert node.do(commit) == [Reconnected()]
    assert store.records(claimed.id) == []
    (resynced,) = node.do(SendResync([]))
    assert isinstance(resynced, Resynced) and [each.id for each in resynced.owned] == [claimed.id]
    assert [type(answer) for answer in node.do(commit)] == [CommitDone]
    assert [line.seq for line in store.records(claimed.id)] == [1]
