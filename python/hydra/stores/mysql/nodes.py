"""Nodes: their registration and heartbeat, and how a dead one's work is given back (R7, R8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pymysql

from hydra.errors import ConfigError, LeaseLost
from hydra.execution import Ending, NodeInfo, NodeRef, Status
from hydra.stores.mysql.admitting import register_limits
from hydra.stores.mysql.folding import FOLD_LIMIT, fold_deltas
from hydra.stores.mysql.locking import Locked, enter_ready, keep_deadlines, lock_executions
from hydra.stores.mysql.mailbox import pages, select_pages
from hydra.stores.mysql.statements import NO_NODE, Word, id_list, id_literal, id_text, literal, new_id_literal, row
from hydra.stores.mysql.transaction import Reading, Transaction
from hydra.stores.node_states import Beat, NodeState, Owned
from hydra.stores.rows import encode_labels, shown, shown_texts, to_attention
from hydra.stores.workflow_info import WorkflowInfo, unbounded


def register_node(transaction: Transaction, info: NodeInfo, now: int) -> NodeRef:
    process = info.host, info.boot_id, info.pid, info.pid_started
    settings = info.code_version, info.workers, info.lock_path, encode_labels(info.labels), info.places
    texts = row(*process, *settings)[1:-1]
    values = f"{new_id_literal(info.id)}, {transaction.namespace}, {texts}, 'alive', 1, 0, {now}"
    transaction.queue("register_node", row=f"({values})")
    try:
        transaction.execute("register_beat", node=id_literal(info.id), now=now)
    except pymysql.IntegrityError as error:
        raise ConfigError(f"node `{info.id}` is registered already; an id is of one registration") from error
    return NodeRef(info.id, 1)


def register_workflows(transaction: Transaction, node: NodeRef, workflows: Sequence[WorkflowInfo]) -> None:
    transaction.check_fence(node)  # guard R6: registering workflows takes the fence
    ordered = sorted(workflows, key=lambda workflow: workflow.name.encode())
    transaction.queue_rows(
        "register_workflows",
        [f"({transaction.namespace}, {_columns(workflow)})" for workflow in ordered],
    )
    names = [f"({id_literal(node.id)}, {literal(w.name)})" for w in ordered if w.is_served]
    transaction.queue_rows("register_node_workflows", names)
    if ordered:
        transaction.queue("register_code", node=id_literal(node.id), code_version=literal(ordered[0].code_version))
    transaction.flush()
    register_limits(transaction, [limit for workflow in workflows for limit in workflow.limits_and_bounds()])
    if names := unbounded(workflows):
        transaction.queue("forget_bounds", names=", ".join(map(literal, names)))
        transaction.flush()


def _columns(workflow: WorkflowInfo) -> str:
    w = workflow
    return row(w.name, w.signature, w.timeout_us, w.code_version, encode_labels(w.labels))[1:-1]


def heartbeat_node(
    transaction: Transaction,
    node: NodeRef,
    now: int,
    listening: Mapping[str, int],
    finish: Callable[[Sequence[str]], list[Any]] | None,
) -> tuple[Beat, bool]:
    """All of it in one flush, with COMMIT where `finish` is given; else deltas are folded. Whether some are left."""
    transaction.check_fence(node)  # guard R6: a heartbeat takes the fence
    id = id_literal(node.id)
    transaction.queue("heartbeat", node=id, session=node.session, now=now)
    reads = [
        transaction.render("running_count", node=id),
        transaction.render("attention", node=id, node_name=literal(node.id)),
        transaction.render("deltas", limit=FOLD_LIMIT),
        transaction.render("now"),
        *([select_pages(transaction, listening, id)] if listening else []),
    ]
    answers = (finish or transaction.all_of)(reads)[-len(reads) :]
    ((running_count, counter),), attention, deltas, ((clock,),) = answers[:4]
    found_pages = pages(answers[4]) if listening else {}
    if finish is None:
        fold_deltas(transaction, deltas)
    found, must_drain = to_attention((id_text(id), epoch, kind) for id, epoch, kind in attention)
    messages = [message for page, _ in found_pages.values() for message in page]
    unread = [execution_id for execution_id, (_, has_more) in found_pages.items() if has_more]
    beat = Beat(running_count, found, messages, unread, counter, clock, must_drain)
    return beat, len(deltas) > (0 if finish else FOLD_LIMIT - 1)


def resync(transaction: Transaction, node: NodeRef) -> tuple[NodeRef, list[Owned]]:
    """Safe to repeat when its own reply was lost."""
    id = id_literal(node.id)
    sessions = transaction.select("resync", node=id)
    if not sessions:
        raise LeaseLost(f"node `{node.id}` may no longer write: it was declared dead")
    session = max(sessions[0][0], node.session) + 1
    transaction.queue("raise_session", node=id, session=session)  # guard R16: a resync writes its session
    owned = transaction.select("owned", node=id)
    return NodeRef(node.id, session), [Owned(id_text(id), *counts) for id, *counts in owned]


def unregister_node(transaction: Transaction, node: NodeRef) -> None:
    if not transaction.execute("unregister_node", node=id_literal(node.id), session=node.session):
        raise LeaseLost(f"node `{node.id}` is not registered any more")


def read_nodes(reading: Reading) -> list[NodeState]:
    return [_to_node(row) for row in reading.select("nodes")]


def _to_node(row: Sequence[Any]) -> NodeState:
    id, host, boot_id, pid, pid_started, code_version, workers, lock_path = row[:8]
    texts = (shown(host), shown(boot_id), pid, pid_started, shown(code_version), workers, shown(lock_path))
    state, session, counter, registered_at, beat_at, running_count, current_code, labels, places = row[8:]
    info = NodeInfo(id_text(id), *texts, shown_texts(labels), places)
    return NodeState(info, state, session, counter, registered_at, beat_at, running_count, shown(current_code))


def mark_dead(transaction: Transaction, node_id: str, counter: int | None) -> bool:
    id = id_literal(node_id)
    if not transaction.select("lock_gone_node" if counter is None else "lock_node", node=id):
        return False
    # guard R3: a node that beat after it was looked at lives
    if counter is not None and transaction.select("beat_counter", node=id) != ((counter,),):
        return False
    return transaction.execute("mark_dead", node=id) == 1


def is_dead(transaction: Transaction, node_id: str) -> bool:
    """It stays so until COMMIT."""
    return bool(transaction.select("lock_dead_node", node=id_literal(node_id)))


def return_executions(transaction: Transaction, now: int, limit: int, sparing: Sequence[str]) -> int:
    """A node is empty only when a scan finds nothing of it; a batch that was returned proves nothing (R8)."""
    returned = 0
    for (key,) in transaction.select("dead_nodes"):
        if returned >= limit:
            break
        if id_text(key) in sparing:
            continue
        node = literal(key)
        rows = transaction.select("dead_owned", node=node, limit=limit - returned)
        if rows:
            returned += give_back(transaction, key, [id_text(id) for (id,) in rows], now)
        else:  # guard R8: a batch that was returned does not prove a node empty
            transaction.queue("empty_node", node=node)
    transaction.flush()
    return returned


def give_back(transaction: Transaction, node: bytes, ids: Sequence[str], now: int) -> int:
    owned = [e for e in lock_executions(transaction, ids) if e.status == Status.RUNNING and e.owner == node]
    if not owned:
        return 0
    transaction.queue_rows("add_claims", [_lost_claim(e, now) for e in owned])
    ids_owned = id_list(e.id for e in owned)
    transaction.queue("return_executions", ids=ids_owned, node=literal(node), no_node=NO_NODE, now=now)
    enter_ready(transaction, [(e, now) for e in owned])
    keep_deadlines(transaction, [(e.timeout_at, e.id) for e in owned if not e.attention])
    for execution in owned:
        transaction.move(execution.workflow, Status.RUNNING, Status.PENDING)
    return len(owned)


def _lost_claim(execution: Locked, now: int) -> str:
    e = execution
    return (
        f"({id_literal(e.id)}, {e.epoch}, {e.attempt}, {literal(e.owner)}, null, {e.claimed_at}, {now}, "
        f"'{Word(Ending.LOST)}', x'', null)"
    )
