"""Nodes: their registration and heartbeat, and how a dead one's work is given back (R7, R8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hydra.errors import ConfigError, LeaseLost
from hydra.execution import NodeInfo, NodeRef
from hydra.stores.node_states import Beat, NodeState, Owned
from hydra.stores.rows import encode_labels, to_attention, to_node
from hydra.stores.sqlite.admitting import register_limits
from hydra.stores.sqlite.counting import Changes
from hydra.stores.sqlite.fence import check_fence
from hydra.stores.sqlite.mailbox import read_owned
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Reading, Transaction
from hydra.stores.workflow_info import WorkflowInfo, unbounded


def register_node(transaction: Transaction, info: NodeInfo, now: int) -> NodeRef:
    registered = transaction.execute(
        "register_node",
        id=info.id,
        host=info.host,
        boot_id=info.boot_id,
        pid=info.pid,
        pid_started=info.pid_started,
        code_version=info.code_version,
        workers=info.workers,
        lock_path=info.lock_path,
        labels=encode_labels(info.labels),
        places=info.places,
        now=now,
    )
    if not registered:
        raise ConfigError(f"node `{info.id}` is registered already; an id is of one registration")
    transaction.execute("register_beat", id=info.id, now=now)
    return NodeRef(info.id, 1)


def register_workflows(transaction: Transaction, node: NodeRef, workflows: Sequence[WorkflowInfo]) -> None:
    check_fence(transaction, node)  # guard R6: registering workflows takes the fence
    for workflow in workflows:
        transaction.execute(
            "register_workflows",
            name=workflow.name,
            signature=workflow.signature,
            timeout_us=workflow.timeout_us,
            code_version=workflow.code_version,
            labels=encode_labels(workflow.labels),
        )
        if workflow.is_served:
            transaction.execute("register_node_workflow", node=node.id, name=workflow.name)
        register_limits(transaction, workflow.limits_and_bounds())
    transaction.execute("forget_bounds", names=to_json(unbounded(workflows)))
    if workflows:
        transaction.execute("register_code", node=node.id, code_version=workflows[0].code_version)


def heartbeat_node(
    transaction: Transaction,
    node: NodeRef,
    now: int,
    database_now: int,
    listening: Mapping[str, int],
) -> Beat:
    check_fence(transaction, node)  # guard R6: a heartbeat takes the fence
    transaction.execute("heartbeat", node=node.id, now=now)
    running_count, counter = transaction.select("running_count", node=node.id)[0]
    attention, must_drain = to_attention(transaction.select("attention", node=node.id))
    messages, unread = read_owned(transaction, node.id, listening)
    return Beat(running_count, attention, messages, unread, counter, database_now, must_drain)


def resync(transaction: Transaction, node: NodeRef) -> tuple[NodeRef, list[Owned]]:
    """The write lock stands for the row's exclusive lock; safe to repeat when its own reply was lost."""
    sessions = transaction.select("resync", node=node.id, session=node.session)
    if not sessions:
        raise LeaseLost(f"node `{node.id}` may no longer write: it was declared dead")
    return NodeRef(node.id, sessions[0][0]), [Owned(*row) for row in transaction.select_shown("owned", node=node.id)]


def unregister_node(transaction: Transaction, node: NodeRef) -> None:
    if not transaction.execute("unregister_node", node=node.id, session=node.session):
        raise LeaseLost(f"node `{node.id}` is not registered any more")


def read_nodes(reading: Reading) -> list[NodeState]:
    return [to_node(row) for row in reading.select_shown("nodes")]


def mark_dead(transaction: Transaction, node_id: str, counter: int | None) -> bool:
    return transaction.execute("mark_dead", node=node_id, counter=counter) == 1


def is_dead(reading: Reading, node_id: str) -> bool:
    return bool(reading.select("dead_node", node=node_id))


def return_executions(transaction: Transaction, now: int, limit: int, sparing: Sequence[str]) -> int:
    # guard R8: a batch that was returned does not prove a node empty
    transaction.execute("empty_nodes")
    rows = transaction.select_json("dead_owned", limit=limit, sparing=to_json(sorted(sparing)))
    # guard R8: what is found empty was looked for before anything is returned
    return give_back(transaction, rows, now)


def give_back(transaction: Transaction, rows: Sequence[Sequence[str]], now: int) -> int:
    """(execution, workflow) of each, all of them running on dead nodes."""
    if not rows:
        return 0
    ids = to_json(sorted(row[0] for row in rows))
    transaction.execute("return_claims", ids=ids, now=now)
    returned = transaction.execute("return_executions", ids=ids, now=now)
    if returned != len(rows):
        raise AssertionError(f"{len(rows)} executions of dead nodes under the write lock, {returned} returned")
    changes = Changes()
    for _, workflow in rows:
        changes.move(workflow, "running", "pending")
    changes.write(transaction)
    return returned
