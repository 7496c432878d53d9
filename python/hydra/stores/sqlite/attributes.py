"""What executions are found by: written with their submission and with the records that change it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hydra.attributes import KeyChanges, Keys, last_of
from hydra.execution import Status
from hydra.sought import Sought
from hydra.stores.sqlite.statements import RowStatement, to_json
from hydra.stores.sqlite.states import States
from hydra.stores.sqlite.transaction import Reading, Transaction

_ADD = RowStatement("add_attributes")
_SET = RowStatement("set_attributes")


def add(transaction: Transaction, keys: Iterable[tuple[str, Keys]]) -> None:
    """Of executions that are just made."""
    namespace = transaction.namespace
    rows = [(id, name, namespace, key, key) for id, own in keys for name, key in own.items()]
    transaction.execute_rows(_ADD, rows)


def change(transaction: Transaction, changes: Sequence[tuple[str, KeyChanges]]) -> None:
    """In their order."""
    rows = [(id, name, transaction.namespace, key) for (id, name), key in last_of(changes).items()]
    transaction.execute_rows(_SET, rows)


def set_attributes(transaction: Transaction, id: str, changes: KeyChanges) -> Status | None:
    """By an operator: the status, None if it is unknown."""
    (status,) = States(transaction, [id]).of([id])
    if status is not None:
        change(transaction, [(id, changes)])
    return status


def replace(transaction: Transaction, id: str, keys: Keys) -> None:
    """Of an execution that has never begun."""
    transaction.execute("purge_attributes", ids=to_json([id]))
    add(transaction, [(id, keys)])


def copy(transaction: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
    """To new executions those with which others began: (the other, the new one)."""
    transaction.execute("copy_attributes", pairs=to_json(pairs))


def counts(reading: Reading, sought: Sequence[Sought], limit: int) -> list[int]:
    return [
        reading.select("attribute_count", name=each.name, low=each.low, high=each.high, limit=limit)[0][0]
        for each in sought
    ]
