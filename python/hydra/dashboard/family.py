"""The executions that one has spawned, and theirs, as far as a page shows them; and those above it.

Read level by level, in batches.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.client.engine import Engine
from hydra.client.views import Execution, execution_view
from hydra.execution import Record, RecordKind, Snapshot
from hydra.records.child_records import child_of, decode_id
from hydra.records.placed import asked_step

MAX_DEPTH = 4
MAX_CHILDREN = 100  # of the whole tree
MAX_READ_RECORDS = 10_000  # of one execution; of what has more, no children are looked for


class Child(msgspec.Struct, frozen=True):
    """`execution` is None where it was purged. `step`: the one that it runs, if it was made for a step."""

    id: str
    depth: int
    step: str | None
    execution: Execution | None


class Family(msgspec.Struct, frozen=True):
    """In the order of a tree that is read from the top; `is_whole` where nothing was left out."""

    children: list[Child]
    is_whole: bool


def spawned(records: Sequence[Record]) -> list[tuple[str, str | None]]:
    """The ids of what these records asked for, and for which step; each once."""
    found: dict[str, str | None] = {}
    for record in records:
        if record.kind == RecordKind.SPAWN and record.payload is not None:
            child = child_of(records, decode_id(record.payload))
            if child is not None:
                found.setdefault(child, asked_step(record))
    return list(found.items())


def above(engine: Engine, id: str) -> list[str]:
    """From the root of its tree down to its parent; the root alone where the way between them is not found in what is
    read. Nothing of what nobody spawned, and of what only shares a key with what somebody asked for."""
    tree = engine.read(lambda store: store.tree(id))
    if tree is None or tree.root_id is None:
        return []
    ways: dict[str, list[str]] = {tree.root_id: [tree.root_id]}
    level = [tree.root_id]
    while level and len(ways) <= MAX_CHILDREN:
        histories, level = _histories(engine, _read(engine, level)), []
        for parent, records in histories.items():
            for child, _ in spawned(records):
                if child == id:
                    return ways[parent]
                if child not in ways:
                    ways[child] = [*ways[parent], child]
                    level.append(child)
    return [tree.root_id]


def _read(engine: Engine, ids: Sequence[str]) -> list[Snapshot | None]:
    return engine.read(lambda store: store.get(ids)) if ids else []


def _histories(engine: Engine, found: Sequence[Snapshot | None]) -> dict[str, list[Record]]:
    """What these have recorded, but for those with too much of it."""
    ids = [each.id for each in found if each is not None and 0 < each.record_count <= MAX_READ_RECORDS]
    histories = engine.read(lambda store: store.histories(ids)) if ids else {}
    return {id: records for id, (_, records) in histories.items()}


def family_of(engine: Engine, records: Sequence[Record]) -> Family:
    left = [MAX_CHILDREN]
    children, is_whole = _level(engine, spawned(records), 1, left)
    return Family(children, is_whole)


def _level(
    engine: Engine, asked: Sequence[tuple[str, str | None]], depth: int, left: list[int]
) -> tuple[list[Child], bool]:
    taken = asked[: left[0]]
    is_whole = len(taken) == len(asked)
    left[0] -= len(taken)
    found = _read(engine, [id for id, _ in taken])
    histories = _histories(engine, found) if depth < MAX_DEPTH else {}
    children: list[Child] = []
    for (id, step), snapshot in zip(taken, found, strict=True):
        children.append(Child(id, depth, step, None if snapshot is None else execution_view(snapshot)))
        if id in histories:
            grandchildren, is_all = _level(engine, spawned(histories[id]), depth + 1, left)
            children += grandchildren
            is_whole = is_whole and is_all
    return children, is_whole
