"""Children that were spawned by name in a worker without their code: what a node has registered of it is added here.

    body ──► request without time-outs, limits, attributes ──► its node reads what is registered ──► store.commit

Where only the code can say whose key the child has, or its arguments have none, the request is refused: no child passes
its limits unseen. Its parent is parked, in one commit with the steps of other branches that ended since: while its body
runs nothing of that is written, and the body stops. No other execution's commit is kept up by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec

from hydra import _core
from hydra.call_terms import registered_terms
from hydra.errors import ConfigError, PayloadError
from hydra.execution import ExecutionCommit, Record, RecordKind, Submission
from hydra.node.refused_values import is_held, parked
from hydra.records import child_records
from hydra.records.kept import kept_without
from hydra.records.placed import asked_step
from hydra.stores.batches import kinds_of

SPAWN = str(RecordKind.SPAWN)

Registered = Callable[[str], Mapping[str, Any]]  # what a node has registered of a workflow; nothing where none has


class RefusedSpawn(PayloadError):
    """A user's mistake, of which the database knows nothing."""


class Completed(NamedTuple):
    commits: Sequence[ExecutionCommit]
    parked_ids: frozenset[str] = frozenset()  # those that end before a request that cannot be written
    held_ids: frozenset[str] = frozenset()  # those that will, and whose bodies still run: nothing of them is written

    @property
    def written(self) -> Sequence[ExecutionCommit]:
        return [each for each in self.commits if each.id not in self.held_ids] if self.held_ids else self.commits


def completed(commits: Sequence[ExecutionCommit], registered: Registered) -> Completed:
    """The same commits where nothing is lacking."""
    return _all_completed(commits, registered) if SPAWN in kinds_of(commits) else Completed(commits)


def _all_completed(commits: Sequence[ExecutionCommit], registered: Registered) -> Completed:
    registered = cache(registered)  # one of which nothing is known is read again by each batch, not by each child
    found: list[ExecutionCommit] = []
    parked_ids, held_ids = set(), set()
    for commit in commits:
        records: list[Record] = []
        try:
            for record in commit.records:
                records += [_with_terms(record, registered) if _is_spawn(record) else record]
        except RefusedSpawn as error:
            if is_held(commit, error):
                held_ids.add(commit.id)
                found.append(commit)
                continue
            # guard G4: what ended beside a child that is refused is kept
            records = kept_without([*records, *commit.records[len(records) :]], len(records), str(error))
            end = parked(commit.id, str(error))
            commit = msgspec.structs.replace(commit, records=records, end=end, successor=None)
            parked_ids.add(commit.id)
        else:
            if any(one is not other for one, other in zip(records, commit.records, strict=True)):
                commit = msgspec.structs.replace(commit, records=records)
        found.append(commit)
    return Completed(found, frozenset(parked_ids), frozenset(held_ids))


def _is_spawn(record: Record) -> bool:
    """Of a workflow; steps that run as executions of their own are asked for where their code is."""
    return record.kind == SPAWN and record.payload is not None and asked_step(record) is None


def _with_terms(record: Record, registered: Registered) -> Record:
    asked, answer_id = child_records.read_request(record.payload or b"")
    if not asked.is_by_name:
        return record
    complete = child_records.encode_request(_complete(asked, registered(asked.workflow)), answer_id)
    return msgspec.structs.replace(record, payload=complete)


def _complete(asked: Submission, registered: Mapping[str, Any]) -> Submission:
    try:
        call = _core.decode(asked.input)  # needs no class: objects are their fields
        terms = registered_terms(registered, asked.workflow, call["args"], call["kwargs"], asked.tags)
    except Exception as error:  # of another version's registration, too: it parks who asks, and nobody else
        told = str(error) if isinstance(error, ConfigError | PayloadError) else f"{type(error).__name__}: {error}"
        raise RefusedSpawn(f"workflow `{asked.workflow}` was not spawned by its name: {told}") from error
    return msgspec.structs.replace(
        asked, timeout_us=terms.limit_us, limit_keys=terms.limit_keys, attributes=terms.attributes, is_by_name=False
    )
