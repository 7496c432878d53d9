"""Gives an execution that has never begun other arguments, and finds the one that a debounced submission means."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hydra.execution import Submission
from hydra.stores.mysql.admitting import give_up
from hydra.stores.mysql.attributes import replace
from hydra.stores.mysql.locking import Locked, lock_executions
from hydra.stores.mysql.statements import id_list, id_literal, id_text, key_hash, literal
from hydra.stores.mysql.transaction import Transaction
from hydra.stores.repeats import Made
from hydra.stores.rescheduling import Replacement
from hydra.stores.reuse import KeyHolder, OwnMade


def replace_input(transaction: Transaction, execution: Locked, new: Replacement) -> Locked:
    """As it is then. Its gate is that of its own limits only where they are the same: else it has left them, and is yet
    to wait at the first of the others."""
    id, digest = id_literal(execution.id), literal(new.digest)
    limit_keys = msgspec.json.encode(new.limit_keys) if new.limit_keys else None
    replaced = execution
    if limit_keys != execution.limit_keys:
        if execution.limit_keys:
            keys = sorted(msgspec.json.decode(execution.limit_keys))
            transaction.queue("forget_slots", keys=", ".join(map(literal, keys)), id=id)
            give_up(transaction, [execution.limit_keys])
        gate = new.limit_keys[0].encode() if new.limit_keys else b""
        replaced = msgspec.structs.replace(execution, gate=gate, first_gate=gate, limit_keys=limit_keys)
    tags = literal(msgspec.json.encode(new.tags)) if new.tags else "null"
    gates = {"gate": literal(replaced.gate), "first_gate": literal(replaced.first_gate)}
    values = {"digest": digest, "input": literal(new.input), "tags": tags, "limit_keys": literal(limit_keys)}
    transaction.queue("replace_input", id=id, **gates, **values)
    if new.attributes is not None:
        replace(transaction, execution.id, new.attributes)
    if new.key is not None:
        hash = key_hash(transaction.namespace_name, new.workflow, new.key)
        transaction.queue("replace_digest", key_hash=hash, id=id, digest=digest)
    return replaced


def lock_key(transaction: Transaction, new: Replacement) -> None:
    """Keys before executions."""
    if new.key is not None:
        transaction.select("lock_keys", hashes=key_hash(transaction.namespace_name, new.workflow, new.key))


def lock_holder(transaction: Transaction, s: Submission) -> KeyHolder | None:
    locked = transaction.select("lock_keys", hashes=key_hash(transaction.namespace_name, s.workflow, s.key or ""))
    if not locked:
        return None
    holder_id = id_text(locked[0][1])
    made = made_of(transaction, [s.id]).get(s.id)
    holder = lock_executions(transaction, [holder_id])
    is_own = made is not None and made.namespace == transaction.namespace_name
    own = None
    if made is not None and is_own:
        may_be_changed = bool(transaction.select("may_be_changed", id=id_literal(s.id)))
        own = OwnMade(made.workflow, made.key, made.digest, may_be_changed)
    return KeyHolder(holder_id, holder[0].submitted_at if holder else None, own)


def made_of(transaction: Transaction, ids: Iterable[str]) -> dict[str, Made]:
    """Of these ids those that executions have."""
    return {
        id_text(id): Made(digest, namespace.decode(), workflow.decode(), None if key is None else key.decode())
        for id, namespace, workflow, digest, key in transaction.select("submit_known_ids", ids=id_list(ids))
    }
