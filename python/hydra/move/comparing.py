"""What lies on both sides of a move, counted and read again, and whether it keeps the promises there."""

from __future__ import annotations

from typing import NamedTuple

from hydra.errors import IllegalMove
from hydra.move.side import Side, first_ids
from hydra.move.tables import EXECUTIONS, OF_EXECUTIONS, OF_NAMESPACES, Digest, Table
from hydra.stores import plain_store


class Compared(NamedTuple):
    """One table of a namespace on both sides."""

    namespace: str
    table: str
    rows: int
    digest: str


class Difference(NamedTuple):
    """A table of which the sides have not the same."""

    table: str
    source: Digest
    target: Digest

    def __str__(self) -> str:
        source, target = self.source, self.target
        return (
            f"{source.count} rows of {self.table} with digest {source.text()} in the source, "
            f"{target.count} with {target.text()} in the target"
        )


def compare(source: Side, target: Side, name: str, batch_rows: int) -> list[Compared] | Difference:
    """Counts and digests of what lies on either side, all of it read again; or the first table that differs."""
    ours, theirs = _digests(source, name, batch_rows), _digests(target, name, batch_rows)
    for table, digest in ours.items():
        if (digest.count, digest.text()) != (theirs[table].count, theirs[table].text()):
            return Difference(table, digest, theirs[table])
    return [Compared(name, table, digest.count, digest.text()) for table, digest in ours.items()]


def refuse_broken(url: str, name: str, remedy: str) -> None:
    store = plain_store(url, name)
    try:
        found = store.audit()
    finally:
        store.close()
    if found:
        told = f"`hydra audit` finds {len(found)} broken promises in namespace `{name}` of `{store.url}`"
        raise IllegalMove(f"{told}, such as {found[0].promise}: {found[0].detail}; {remedy}")


def _digests(side: Side, name: str, batch_rows: int) -> dict[str, Digest]:
    found = {EXECUTIONS: Digest(), **{table.name: Digest() for table in (*OF_EXECUTIONS, *OF_NAMESPACES)}}
    after = ""
    while ids := first_ids(side.sizes(name, after, batch_rows)):
        after = ids[-1]
        for row in side.executions(ids):
            found[EXECUTIONS].add(row)
        for table in OF_EXECUTIONS:
            for row in side.rows_of(table, ids):
                found[table.name].add(row)
    for table in OF_NAMESPACES:
        place: list[int | str] = []
        while rows := side.page(table, name, place, batch_rows):
            place = side.place_after(table, name, rows[-1])
            for row in rows:
                found[table.name].add(_comparable(side, table, row))
    return found


def _comparable(side: Side, table: Table, row: tuple[object, ...]) -> tuple[object, ...]:
    """Without numbers that each database gives itself."""
    pairs = zip(table.columns, row, strict=True)
    return tuple(value for column, value in pairs if not side.makes_itself(table, column))
