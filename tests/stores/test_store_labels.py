"""Groups of nodes: what each registers, who runs what, and due work that nobody may take."""

from __future__ import annotations

import os
import uuid

from hydra._core import encode
from hydra.clock import DatabaseClock
from hydra.dispatch.events import ClaimDone, Register, SendClaim
from hydra.execution import DIVERGED, End, Ending, ExecutionCommit, NodeInfo, NodeRef
from hydra.node.handover import with_recipients
from hydra.node.reaper import Reaper
from hydra.node.requests import RegisterWorkflows, Report
from hydra.node.store_thread import StoreThread
from hydra.stores.store import Store
from hydra.stores.workflow_info import WorkflowInfo

from tests.stores.store_values import NOW, WORKFLOW, claim, end, record, running, submit


def register(store: Store, *labels: str, code: str = "v1", serves: bool = True) -> NodeRef:
    info = NodeInfo(str(uuid.uuid4()), "host", "boot", os.getpid(), 1, code, 2, "", labels, 128)
    node = store.register_node(info, NOW)
    store.register_workflows(node, [WorkflowInfo(WORKFLOW, b"{}", None, code, is_served=serves)], NOW)
    return node


def test_labels_and_places_come_back_as_they_were_registered(store: Store) -> None:
    node = register(store, "eu", "gpu")
    (state,) = store.nodes()
    assert (state.info.id, state.info.labels, state.info.places) == (node.id, ("eu", "gpu"), 128)
    train = WorkflowInfo("train", b"{}", None, "v1", labels=("gpu",))
    store.register_workflows(node, [train], NOW)
    again = WorkflowInfo("train", b"{}", None, "v1", labels=("eu", "gpu"))
    assert store.workflows()[-1] == train
    store.register_workflows(node, [again], NOW)
    assert store.workflows()[-1] == again


def test_only_living_nodes_that_run_a_workflow_are_its_servers(store: Store) -> None:
    first, second, third = register(store), register(store), register(store, serves=False)
    assert store.servers() == {WORKFLOW: sorted([first.id, second.id])}
    store.mark_dead(first.id, None, NOW)
    assert store.servers() == {WORKFLOW: [second.id]}
    assert third.id in {node.info.id for node in store.nodes()}


def test_due_work_that_needs_a_label_nobody_has_is_told_by_label(store: Store) -> None:
    node = register(store, "eu")
    train = WorkflowInfo("train", b"{}", None, "v1", labels=("eu", "gpu"), is_served=False)
    store.register_workflows(node, [train], NOW)
    submit(store, 3, workflow="train")
    stats = store.stats(NOW)
    assert (stats.unclaimed, stats.unserved_labels) == ({"train": 3}, {"gpu": 3})
    other = register(store, "eu", "gpu")
    store.register_workflows(other, [WorkflowInfo("train", b"{}", None, "v1", labels=("eu", "gpu"))], NOW)
    stats = store.stats(NOW)
    assert (stats.unclaimed, stats.unserved_labels) == ({}, {})
    store.mark_dead(other.id, None, NOW)
    assert store.stats(NOW).unserved_labels == {"gpu": 3}


def test_a_store_thread_claims_nothing_that_its_node_is_not_for(store: Store) -> None:
    posted: list[Report] = []
    clock = DatabaseClock()
    thread = StoreThread(store, clock, Reaper(store, 10 * 10**9, store.path), posted.append, lease_ttl_ns=10 * 10**9)
    thread.membership.info = NodeInfo(str(uuid.uuid4()), "host", "boot", os.getpid(), 1, "v1", 2)
    ours, theirs = (WorkflowInfo(name, b"{}", None, "v1", is_served=name == "ours") for name in ("ours", "theirs"))
    thread.perform([RegisterWorkflows([ours, theirs]), Register()])
    (mine,) = submit(store, workflow="ours", now=clock.now())
    submit(store, workflow="theirs", now=clock.now())
    thread.perform([SendClaim(10)])
    (answer,) = [report for report in posted if isinstance(report, ClaimDone)]
    assert [execution.id for execution in answer.executions] == [mine]


def test_r27_a_node_with_the_recorders_code_that_is_for_others_is_no_successor(store: Store) -> None:
    old, new = register(store, code="v1"), register(store, code="v2")
    begun = running(store, old)
    assert end(store, old, begun, Ending.RELEASED, record(1))
    (claimed,) = claim(store, new)
    store.unregister_node(old, NOW)
    elsewhere = register(store, code="v1", serves=False)
    differs = ExecutionCommit(claimed.id, claimed.epoch, [], End(Ending.PARKED, encode("they differ"), cause=DIVERGED))
    (commit,) = with_recipients(store, new, [differs], NOW)
    assert (commit.successor, commit.end) == (None, differs.end)
    serving = register(store, code="v1")
    (commit,) = with_recipients(store, new, [differs], NOW)
    assert commit.successor == serving.id != elsewhere.id
