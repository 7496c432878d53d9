"""What executions are found by: written with their submission and with the records that change it."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.attributes import KeyChanges, Keys, last_of
from hydra.execution import ExecutionCommit, Status, Submission
from hydra.sought import Sought
from hydra.stores.postgres.arrays import byteas, is_uuid, texts, uuids
from hydra.stores.postgres.session import Step
from hydra.stores.postgres.transaction import Reading, Transaction
from hydra.stores.rows import changed_attributes


def adding(submissions: Sequence[Submission]) -> list[Step]:
    """Those of what the statements before it make, or have made; none where nothing is searched for."""
    rows = [(s.id, s.digest, name, key) for s in submissions if s.attributes for name, key in s.attributes.items()]
    return [_add(rows)] if rows else []


def changing(changes: Sequence[tuple[str, KeyChanges]]) -> list[Step]:
    """In their order."""
    last = last_of(changes)
    if not last:
        return []
    values = {
        "ids": uuids([id for id, _ in last]),
        "names": texts([name for _, name in last]),
        "keys": byteas(list(last.values())),
    }
    return [("set_attributes", values)]


def change(transaction: Transaction, commits: Sequence[ExecutionCommit]) -> None:
    """By the records of what was written."""
    if steps := changing(changed_attributes(commits)):
        transaction.run(*steps)


def set_attributes(transaction: Transaction, id: str, changes: KeyChanges) -> Status | None:
    """By an operator: the status, None if it is unknown."""
    if not is_uuid(id):
        return None
    *_, states = transaction.run(*changing([(id, changes)]), ("states", {"ids": uuids([id])}))
    return Status(states.rows[0][1]) if states.rows else None


def replacing(id: str, digest: bytes, keys: Keys) -> list[Step]:
    """Of an execution that has never begun, once it has the arguments of that digest."""
    steps: list[Step] = [("forget_attributes", {"id": id})]
    return [*steps, _add([(id, digest, name, key) for name, key in keys.items()])] if keys else steps


def copying(pairs: Sequence[tuple[str, str]]) -> Step:
    """To new executions those with which others began: (the other, the new one)."""
    sources, ids = uuids([source for source, _ in pairs]), uuids([id for _, id in pairs])
    return ("copy_attributes", {"sources": sources, "ids": ids})


def counts(reading: Reading, sought: Sequence[Sought], limit: int) -> list[int]:
    steps: list[Step] = [
        ("attribute_count", {"name": each.name, "low": each.low, "high": each.high, "limit": limit}) for each in sought
    ]
    return [rows[0][0] for rows in reading.rows_of(*steps)]


def _add(rows: Sequence[tuple[str, bytes, str, bytes]]) -> Step:
    values = {
        "ids": uuids([id for id, *_ in rows]),
        "digests": byteas([digest for _, digest, *_ in rows]),
        "names": texts([name for *_, name, _ in rows]),
        "keys": byteas([key for *_, key in rows]),
    }
    return ("add_attributes", values)
