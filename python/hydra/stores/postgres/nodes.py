"""Nodes: their registration and heartbeat, and how a dead one's work is given back (R7, R8)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from hydra.errors import ConfigError, LeaseLost
from hydra.execution import NodeInfo, NodeRef
from hydra.records.child_records import PURGED
from hydra.stores.node_states import Beat, NodeState, Owned
from hydra.stores.postgres.admitting import register_limits
from hydra.stores.postgres.arrays import bigints, byteas, is_uuid, texts, uuids
from hydra.stores.postgres.fence import check_fence, fence
from hydra.stores.postgres.mailbox import owned_messages, pages
from hydra.stores.postgres.news import READY
from hydra.stores.postgres.transaction import Reading, Transaction
from hydra.stores.rows import encode_labels, to_attention, to_node
from hydra.stores.workflow_info import WorkflowInfo, unbounded

FOLD_ROWS = 50_000
PEER_TRY_COUNT = 40
PEER_PAUSE_SECONDS = 0.005


def register_node(transaction: Transaction, info: NodeInfo, now: int) -> NodeRef:
    values = {
        "id": info.id,
        "host": info.host,
        "boot_id": info.boot_id,
        "pid": info.pid,
        "pid_started": info.pid_started,
        "code_version": info.code_version,
        "workers": info.workers,
        "lock_path": info.lock_path,
        "labels": encode_labels(info.labels),
        "places": info.places,
        "now": now,
    }
    if not is_uuid(info.id):
        raise ConfigError(f"`{info.id}` is not the id of a node, which is a UUID")
    registered, _ = transaction.run(("register_node", values), ("register_beat", {"id": info.id, "now": now}))
    if not registered.row_count:
        raise ConfigError(f"node `{info.id}` is registered already; an id is of one registration")
    return NodeRef(info.id, 1)


def register_workflows(transaction: Transaction, node: NodeRef, workflows: Sequence[WorkflowInfo]) -> None:
    workflows = sorted(workflows, key=lambda workflow: workflow.name)
    values = {
        "names": texts([workflow.name for workflow in workflows]),
        "signatures": byteas([workflow.signature for workflow in workflows]),
        "timeouts_us": bigints([workflow.timeout_us for workflow in workflows]),
        "code_versions": texts([workflow.code_version for workflow in workflows]),
        "labels": texts([encode_labels(workflow.labels) for workflow in workflows]),
        "served": texts([workflow.name for workflow in workflows if workflow.is_served]),
    }
    registered = transaction.select("register_workflows", **fence(node), **values)
    check_fence(node, registered)
    register_limits(transaction, [limit for workflow in workflows for limit in workflow.limits_and_bounds()])
    transaction.execute("forget_bounds", names=texts(unbounded(workflows)))


def heartbeat_node(
    transaction: Transaction, node: NodeRef, now: int, listening: Mapping[str, int], *, folds: bool = False
) -> Beat:
    """Where it `folds`, differences of counts are added up in the same flush."""
    fold = [("fold_counts", {"limit": FOLD_ROWS})] if folds else []
    beaten, attention, _, messages, clock, *_ = transaction.run(
        ("heartbeat", {**fence(node), "now": now}),
        ("attention", {"node": node.id}),
        ("tell_late", {"now": now, "purged": PURGED}),
        owned_messages(node.id, listening),
        ("now", {}),
        *fold,
    )
    rows = beaten.rows
    check_fence(node, rows)
    running_count, counter = rows[0]
    asked, must_drain = to_attention(sorted(attention.rows))
    pages_of = pages(messages)
    found = [message for page, _ in pages_of.values() for message in page]
    unread = [id for id, (_, has_more) in pages_of.items() if has_more]
    return Beat(running_count, asked, found, unread, counter, clock.rows[0][0], must_drain)


def resync(transaction: Transaction, node: NodeRef) -> tuple[NodeRef, list[Owned]]:
    """Safe to repeat when its own reply was lost: a session only grows, and only its own node raises it."""
    _, raised, owned = transaction.run(
        ("lock_node", fence(node)), ("raise_session", fence(node)), ("owned", {"node": node.id})
    )
    rows = raised.rows
    check_fence(node, rows)
    return NodeRef(node.id, rows[0][0]), [Owned(*row) for row in sorted(owned.rows)]


def unregister_node(transaction: Transaction, node: NodeRef) -> None:
    _, ended = transaction.run(("lock_node", fence(node)), ("unregister_node", fence(node)))
    if not ended.row_count:
        raise LeaseLost(f"node `{node.id}` is not registered any more")


def read_nodes(reading: Reading) -> list[NodeState]:
    return [to_node(row) for row in reading.select("nodes")]


def mark_dead(transaction: Transaction, node_id: str, counter: int | None) -> bool:
    """For an open transaction: the beat is read after the row's exclusive lock was had, or not at all. A commit of the
    node that is under way is waited for, but one that stands still does not stop the reaper."""
    if not is_uuid(node_id):
        return False
    peer = {"node": node_id}
    for _ in range(PEER_TRY_COUNT):
        if transaction.execute("lock_peer", **peer):
            break
        time.sleep(PEER_PAUSE_SECONDS)
    else:
        return False
    return transaction.execute("mark_dead", **peer, counter=counter) == 1


def return_executions(transaction: Transaction, now: int, limit: int, sparing: Sequence[str]) -> int:
    """Nodes are found empty before a batch is returned, so no scan trusts its own return (R8)."""
    values = {"now": now, "limit": limit, "sparing": uuids([id for id in sparing if is_uuid(id)])}
    # guard R8: a batch that was returned does not prove a node empty
    _, returned = transaction.run(("empty_nodes", {}), ("return_executions", values))
    if returned.row_count:
        transaction.announce(READY, returned.row_count)
    return returned.row_count
