"""What executions are found by: written with their submission and with the records that change it, by who has locked
them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hydra.attributes import KeyChanges, Keys, last_of
from hydra.execution import Status
from hydra.sought import Sought
from hydra.stores.mysql.locking import lock_executions
from hydra.stores.mysql.statements import id_list, id_literal, literal
from hydra.stores.mysql.transaction import Reading, Transaction


def add(transaction: Transaction, keys: Iterable[tuple[str, Keys]]) -> None:
    """Of executions that are just made."""
    rows = [_row(transaction, id, name, key, key) for id, own in keys for name, key in own.items()]
    transaction.queue_rows("add_attributes", sorted(rows))


def change(transaction: Transaction, changes: Sequence[tuple[str, KeyChanges]]) -> None:
    """In their order."""
    last = last_of(changes)
    rows = [_row(transaction, id, name, key, None) for (id, name), key in last.items()]
    transaction.queue_rows("set_attributes", sorted(rows))


def set_attributes(transaction: Transaction, id: str, changes: KeyChanges) -> Status | None:
    """By an operator: the status, None if it is unknown."""
    found = lock_executions(transaction, [id])
    if not found:
        return None
    change(transaction, [(id, changes)])
    transaction.flush()
    return Status(found[0].status)


def replace(transaction: Transaction, id: str, keys: Keys) -> None:
    """Of an execution that has never begun."""
    transaction.queue("purge_attributes", ids=id_list([id]))
    add(transaction, [(id, keys)])


def copy(transaction: Transaction, source: str, id: str) -> None:
    """To a new execution those with which another began."""
    transaction.queue("copy_attributes", source=id_literal(source), id=id_literal(id))


def counts(reading: Reading, sought: Sequence[Sought], limit: int) -> list[int]:
    return [
        reading.select(
            "attribute_count", name=literal(each.name), low=literal(each.low), high=literal(each.high), limit=limit
        )[0][0]
        for each in sought
    ]


def has(sought: Sought) -> str:
    """Whether `e` has it, for a list that another attribute leads."""
    name, low, high = literal(sought.name), literal(sought.low), literal(sought.high)
    own = f"o.execution_id = e.id and o.name = {name} and o.value >= {low} and o.value < {high}"
    return f"exists (select 1 from hydra_attribute as o where {own})"


def _row(transaction: Transaction, id: str, name: str, key: bytes | None, first: bytes | None) -> str:
    return f"({id_literal(id)}, {literal(name)}, {transaction.namespace}, {literal(key)}, {literal(first)})"
