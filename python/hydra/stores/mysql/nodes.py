"""Nodes: their registration and heartbeat, and how a dead one's work is given back (R7, R8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pymysql

from hydra.errors import ConfigError, LeaseLost
from hydra.execution import Ending, NodeInfo, NodeRef, Status
from hydra.stores.mysql.folding import FOLD_LIMIT, fold_deltas
from hydra.stores.mysql.locking import Locked, enter_ready, keep_deadlines, lock_executions
from hydra.stores.mysql.mailbox import to_message
from hydra.stores.mysql.statements import NO_NODE, Word, id_list, id_literal, id_text, literal, new_id_literal, row
from hydra.stores.mysql.transaction import Transaction
from hydra.stores.rows import MESSAGES_PER_BEAT
from hydra.stores.store import Attention, Beat, NodeState, Owned, WorkflowInfo


def register_node(transaction: Transaction, info: NodeInfo, now: int) -> NodeRef:
    texts = (info.host, info.boot_id, info.pid, info.pid_started, info.code_version, info.workers, info.lock_path)
    values = f"{new_id_literal(info.id)}, {transaction.namespace}, {row(*texts)[1:-1]}, 'alive', 1, 0, {now}"
    transaction.queue("register_node", row=f"({values})")
    try:
        transaction.execute("register_beat", node=id_literal(info.id), now=now)
    except pymysql.IntegrityError as error:
        raise ConfigError(f"node `{info.id}` is registered already; an id is of one registration") from error
    return NodeRef(info.id, 1)


def register_workflows(transaction: Transaction, node: NodeRef, workflows: Sequence[WorkflowInfo]) -> None:
    transaction.check_fence(node)
    ordered = sorted(workflows, key=lambda workflow: workflow.name.encode())
    transaction.queue_rows(
        "register_workflows",
        [f"({transaction.namespace}, {row(w.name, w.signature, w.timeout_us, w.code_version)[1:-1]})" for w in ordered],
    )
    names = [f"({id_literal(node.id)}, {literal(w.name)})" for w in ordered]
    transaction.queue_rows("register_node_workflows", names)
    if ordered:
        transaction.queue("register_code", node=id_literal(node.id), code_version=literal(ordered[0].code_version))
    transaction.flush()


def heartbeat_node(
    transaction: Transaction, node: NodeRef, now: int, finish: Callable[[Sequence[str]], list[Any]] | None
) -> tuple[Beat, bool]:
    """All of it in one flush, with COMMIT where `finish` is given; else deltas are folded. Whether some are left."""
    transaction.check_fence(node)
    id = id_literal(node.id)
    transaction.queue("heartbeat", node=id, session=node.session, now=now)
    reads = [
        transaction.render("running_count", node=id),
        transaction.render("attention", node=id),
        transaction.render("owned_messages", node=id, limit=MESSAGES_PER_BEAT),
        transaction.render("deltas", limit=FOLD_LIMIT),
        transaction.render("now"),
    ]
    *_, ((running_count, counter),), attention, messages, deltas, ((clock,),) = (finish or transaction.all_of)(reads)
    if finish is None:
        fold_deltas(transaction, deltas)
    found = [Attention(id_text(id), epoch, kind) for id, epoch, kind in attention]
    beat = Beat(running_count, found, [to_message(row) for row in messages], counter, clock)
    return beat, len(deltas) > (0 if finish else FOLD_LIMIT - 1)


def resync(transaction: Transaction, node: NodeRef) -> tuple[NodeRef, list[Owned]]:
    """Safe to repeat when its own reply was lost."""
    id = id_literal(node.id)
    sessions = transaction.select("resync", node=id)
    if not sessions:
        raise LeaseLost(f"node `{node.id}` may no longer write: it was declared dead")
    transaction.queue("raise_session", node=id)
    owned = transaction.select("owned", node=id)
    return NodeRef(node.id, sessions[0][0] + 1), [Owned(id_text(id), *counts) for id, *counts in owned]


def unregister_node(transaction: Transaction, node: NodeRef) -> None:
    if not transaction.execute("unregister_node", node=id_literal(node.id), session=node.session):
        raise LeaseLost(f"node `{node.id}` is not registered any more")


def to_node(row: Sequence[Any]) -> NodeState:
    id, host, boot_id, pid, pid_started, code_version, workers, lock_path = row[:8]
    texts = (host.decode(), boot_id.decode(), pid, pid_started, code_version.decode(), workers, lock_path.decode())
    state, session, counter, registered_at, beat_at, running_count, current_code = row[8:]
    info = NodeInfo(id_text(id), *texts)
    return NodeState(info, state, session, counter, registered_at, beat_at, running_count, current_code.decode())


def mark_dead(transaction: Transaction, node_id: str, counter: int | None) -> bool:
    id = id_literal(node_id)
    if not transaction.select("lock_gone_node" if counter is None else "lock_node", node=id):
        return False
    if counter is not None and transaction.select("beat_counter", node=id) != ((counter,),):
        return False
    return transaction.execute("mark_dead", node=id) == 1


def return_executions(transaction: Transaction, now: int, limit: int) -> int:
    """A node is empty only when a scan finds nothing of it; a batch that was returned proves nothing (R8)."""
    returned = 0
    for (key,) in transaction.select("dead_nodes"):
        if returned >= limit:
            break
        node = literal(key)
        rows = transaction.select("dead_owned", node=node, limit=limit - returned)
        if rows:
            returned += _return(transaction, key, [id_text(id) for (id,) in rows], now)
        else:
            transaction.queue("empty_node", node=node)
    transaction.flush()
    return returned


def _return(transaction: Transaction, node: bytes, ids: Sequence[str], now: int) -> int:
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
