"""Gives an execution that has never begun other arguments, and finds the one that a debounced submission means."""

from __future__ import annotations

import msgspec

from hydra.execution import Submission
from hydra.stores.rescheduling import Place, Replacement, at_other_limits
from hydra.stores.reuse import KeyHolder, OwnMade
from hydra.stores.sqlite.attributes import replace
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Reading, Transaction


def replace_input(
    transaction: Transaction, id: str, new: Replacement, limit_keys: str | None, before: Place, after: Place
) -> Place:
    """Where it waits then; before it is moved there. `limit_keys` are those it has, as its row says them."""
    tags = msgspec.json.encode(new.tags).decode() if new.tags else None
    wanted = to_json(new.limit_keys) if new.limit_keys else None
    if wanted != limit_keys:
        if not before.is_delayed:
            transaction.execute("put_off", id=id, wake_at=before.run_at)
        transaction.execute("forget_slots", id=id)
        transaction.execute("replace_gate", id=id, gate=new.limit_keys[0] if new.limit_keys else None)
        after = at_other_limits(after)
    if new.attributes is not None:
        replace(transaction, id, new.attributes)
    transaction.execute("replace_input", id=id, digest=new.digest, input=new.input, tags=tags, limit_keys=wanted)
    if new.key is not None:
        transaction.execute("replace_digest", id=id, workflow=new.workflow, key=new.key, digest=new.digest)
    return after


def read_holder(reading: Reading, s: Submission) -> KeyHolder | None:
    """Under the write lock."""
    rows = reading.select("key_holder", workflow=s.workflow, key=s.key, id=s.id)
    if not rows:
        return None
    id, submitted_at, workflow, key, digest, may_be_changed = rows[0]
    own = None if workflow is None else OwnMade(workflow, key, digest, bool(may_be_changed))
    return KeyHolder(id, submitted_at, own)
