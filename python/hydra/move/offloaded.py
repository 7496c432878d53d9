"""Deletes offloaded values that no row points at: of executions that were deleted, or orphans of a crash.

An object is named before any row points at it, so young ones are left alone (`older_than_us`, by their names). Rows are
read while programs and nodes are at work: what is copied from row to row might be passed over once, so what seems to be
pointed at by none is looked for again before it goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from hydra.errors import HydraError, IllegalMove
from hydra.move.opening import open_side
from hydra.move.side import Side, first_ids
from hydra.move.tables import OF_EXECUTIONS
from hydra.object_store import ObjectStore
from hydra.payload_keys import PayloadKeys, encrypted_with, why_closed
from hydra.pointers import POINTER_BYTES, names_in
from hydra.stores.moved import DONE, MOVED, SOURCE, TARGET

BATCH_ROWS = 500
DELETE_COUNT = 500  # objects deleted between two looks at the time


class Swept(NamedTuple):
    """`kept` are pointed at, or young."""

    deleted: int
    kept: int


def sweep(
    url: str,
    namespace: str,
    objects: ObjectStore,
    keys: PayloadKeys,
    now: int,
    older_than_us: int,
    *,
    is_dry_run: bool = False,
    force: bool = False,
) -> Swept:
    """Delete what lies there for longer, and is pointed at by nothing in this namespace of this database.

    Raises:
        IllegalMove: the namespace was moved elsewhere; or, without `force`, no row points at any object.
        HydraError: a row cannot be read, and may point at one.
    """
    names = set(objects.names())
    old = {name for name in names if (at := made_at(name)) is not None and at < now - older_than_us}
    side = open_side(url, may_migrate=False)
    try:
        _refuse_moved(side, namespace)
        if old:
            known = set(_pointed_at(side, namespace, keys))
            if names and not names & known and not force:
                raise IllegalMove(
                    f"no row of namespace `{namespace}` of `{side.place}` points at any of the {len(names):,} objects, "
                    "so they may be another database's; say `--force` if they are not"
                )
            old -= known
        if old:
            old -= set(_pointed_at(side, namespace, keys))
    finally:
        side.close()
    going = sorted(old)
    if not is_dry_run:
        objects.delete(going)
    return Swept(len(going), len(names) - len(going))


def made_at(name: str) -> int | None:
    """When an object was named, in microseconds; None of what hydra did not name."""
    try:
        found = UUID(name.removesuffix(".part"))
    except ValueError:
        return None
    return (found.int >> 80) * 1000 if found.version == 7 else None


def _refuse_moved(side: Side, namespace: str) -> None:
    state = side.state(SOURCE, namespace)
    if state is not None and state.state == MOVED:
        raise IllegalMove(f"namespace `{namespace}` was moved to `{state.other}`, whose rows count; sweep there")
    state = side.state(TARGET, namespace)
    if state is not None and state.state != DONE:
        raise IllegalMove(f"namespace `{namespace}` is being moved here; sweep when that is done")


def _pointed_at(side: Side, namespace: str, keys: PayloadKeys) -> Iterator[str]:
    """Messages before records: what is taken goes from one to the other."""
    tables = sorted(OF_EXECUTIONS, key=lambda table: table.name != "hydra_message")
    after = ""
    while ids := first_ids(side.sizes(namespace, after, BATCH_ROWS)):
        after = ids[-1]
        rows = [row for table in tables for row in side.rows_of(table, ids)]
        for row in [*rows, *side.executions(ids)]:
            for value in row:
                if isinstance(value, bytes) and len(value) >= POINTER_BYTES:  # a digest may begin as what is encrypted
                    yield from names_in(_opened(value, keys))


def _opened(value: bytes, keys: PayloadKeys) -> bytes:
    """The end of a child is encrypted with the pointer in it."""
    if encrypted_with(value) is None:
        return value
    opened = keys.decrypt(value)
    if (reason := why_closed([opened])) is not None and encrypted_with(opened) is not None:
        raise HydraError(f"a row may point at an object, but {reason}")
    return opened
