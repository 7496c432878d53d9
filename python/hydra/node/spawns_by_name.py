"""Children that were spawned by name in a worker without their code: what a node has registered of it is added here.

    body ──► request without time-outs, limits, attributes ──► its node reads what is registered ──► store.commit

Where only the code can say whose key the child has, the request is refused: no child passes its limits unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from hydra import _core
from hydra.call_terms import registered_terms
from hydra.errors import ConfigError, PayloadError
from hydra.execution import ExecutionCommit, Record, RecordKind, Submission
from hydra.records import child_records
from hydra.records.placed import asked_step

SPAWN = str(RecordKind.SPAWN)

Registered = Callable[[str], Mapping[str, Any]]  # what a node has registered of a workflow; nothing where none has


class RefusedSpawn(PayloadError):
    """`seq` is that of the record which cannot be written."""

    def __init__(self, message: str, seq: int) -> None:
        super().__init__(message)
        self.seq = seq


def completed(commits: Sequence[ExecutionCommit], registered: Registered) -> Sequence[ExecutionCommit]:
    """The same commits where nothing is lacking. RefusedSpawn where it cannot be known."""
    for commit in commits:  # each step's record comes past here
        for record in commit.records:
            if record.kind == SPAWN:
                return [_completed(commit, registered) for commit in commits]
    return commits


def _is_spawn(record: Record) -> bool:
    """Of a workflow; steps that run as executions of their own are asked for where their code is."""
    return record.kind == SPAWN and record.payload is not None and asked_step(record) is None


def _completed(commit: ExecutionCommit, registered: Registered) -> ExecutionCommit:
    records = [_with_terms(record, registered) if _is_spawn(record) else record for record in commit.records]
    if all(one is other for one, other in zip(records, commit.records, strict=True)):
        return commit
    return msgspec.structs.replace(commit, records=records)


def _with_terms(record: Record, registered: Registered) -> Record:
    asked, answer_id = child_records.read_request(record.payload or b"")
    if not asked.is_by_name:
        return record
    complete = child_records.encode_request(_complete(asked, record.seq, registered), answer_id)
    return msgspec.structs.replace(record, payload=complete)


def _complete(asked: Submission, seq: int, registered: Registered) -> Submission:
    call = _core.decode(asked.input)  # needs no class: objects are their fields
    try:
        terms = registered_terms(registered(asked.workflow), asked.workflow, call["args"], call["kwargs"], asked.tags)
    except (ConfigError, PayloadError) as error:
        raise RefusedSpawn(f"workflow `{asked.workflow}` was not spawned by its name: {error}", seq) from error
    return msgspec.structs.replace(
        asked, timeout_us=terms.limit_us, limit_keys=terms.limit_keys, attributes=terms.attributes, is_by_name=False
    )
