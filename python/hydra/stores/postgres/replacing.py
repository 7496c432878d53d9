"""Gives an execution that has never begun other arguments, and finds the one that a debounced submission means."""

from __future__ import annotations

import msgspec

from hydra.execution import Submission
from hydra.stores.postgres.arrays import byteas, key_hash, text, texts, uuids
from hydra.stores.postgres.attributes import replacing
from hydra.stores.postgres.session import Result, Step
from hydra.stores.postgres.transaction import Transaction
from hydra.stores.rescheduling import Place, Replacement, at_other_limits
from hydra.stores.reuse import KeyHolder, OwnMade


def replace_input(
    id: str, new: Replacement, limit_keys: str | None, before: Place, after: Place
) -> tuple[list[Step], Place]:
    """The statements, to be run before it is moved; and where it waits then. `limit_keys` are those it has, as its row
    says them."""
    own = {"id": id}
    steps: list[Step] = []
    known = None if limit_keys is None else msgspec.json.decode(limit_keys)
    if known != (list(new.limit_keys) if new.limit_keys else None):
        if not before.is_delayed:
            steps.append(("put_off", {**own, "wake_at": before.run_at}))
        steps.append(("forget_slots", own))
        after = at_other_limits(after)
    tags = text(msgspec.json.encode(new.tags).decode()) if new.tags else None
    keys = text(msgspec.json.encode(new.limit_keys).decode()) if new.limit_keys else None
    steps.append(("replace_input", {**own, "digest": new.digest, "input": new.input, "tags": tags, "limit_keys": keys}))
    steps.append(("replace_gate", {**own, "gate": text(new.limit_keys[0]) if new.limit_keys else None}))
    if new.attributes is not None:
        steps += replacing(id, new.digest, new.attributes)
    if new.key is not None:
        named = {"workflow": new.workflow, "key_hash": key_hash(new.key)}
        steps.append(("replace_digest", {**own, **named, "digest": new.digest}))
    return steps, after


def lock_key(new: Replacement) -> list[Step]:
    """Keys before executions."""
    if new.key is None:
        return []
    return [("lock_keys", {"workflows": texts([new.workflow]), "key_hashes": byteas([key_hash(new.key)])})]


def lock_holder(transaction: Transaction, s: Submission) -> KeyHolder | None:
    rows = transaction.select("lock_key_holder", workflow=s.workflow, key_hash=key_hash(s.key or ""), id=s.id)
    if not rows:
        return None
    id, submitted_at, workflow, key, digest, may_be_changed = rows[0]
    own = None if workflow is None else OwnMade(workflow, key, digest, bool(may_be_changed))
    return KeyHolder(id, submitted_at, own)


def inputs_again(transaction: Transaction, marked: Result) -> Result:
    """What a claim marked, with the arguments that were replaced after it had looked (see replace_gate)."""
    replaced = [row[0] for row in marked.rows if row[0] is not None and row[1] == 1 and row[11]]
    if not replaced:
        return marked
    found = transaction.select("replaced_inputs", ids=uuids(sorted(replaced)))
    inputs = {id: (input, tags) for id, input, tags in found}
    rows = []
    for row in marked.rows:
        if row[0] in inputs:
            input, tags = inputs[row[0]]
            row = (*row[:4], input, *row[5:15], tags, *row[16:])
        rows.append(row)
    return Result(rows, marked.row_count)
