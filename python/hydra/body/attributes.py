"""What a body changes of the attributes by which its execution is found. Never writes a database.

The record says what is changed; the store that writes it changes them in the same transaction.
"""

from __future__ import annotations

import hashlib

from hydra.attributes import ATTRIBUTES, KeyChanges, encode_changes
from hydra.body.protocol import RunningExecution
from hydra.body.record_log import Timing
from hydra.execution import RecordKind

VALUE = str(RecordKind.VALUE)


def change(execution: RunningExecution, branch: str, ordinal: int, changes: KeyChanges) -> None:
    """Recorded, or found in the records; a body that changes others there differs from them."""
    key = (branch, ATTRIBUTES, ordinal)
    payload = encode_changes(changes)
    digest = hashlib.blake2b(payload, digest_size=16).digest()
    past = execution.recorded.ask(key, (VALUE,), digest)
    if past is not None and past.outcome is not None:
        return
    now = execution.host.now()
    execution.log.append(VALUE, key, digest, payload, Timing(1, now, now))
    execution.log.hand_out()
