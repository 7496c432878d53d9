"""Schedules: what nodes register, and the one write by which a tick fires or a person's order is done (R25)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hydra.execution import NodeRef
from hydra.schedules import ScheduleChange, ScheduleEntry, ScheduleState
from hydra.stores.postgres.arrays import bigints, texts
from hydra.stores.postgres.fence import check_fence, fence
from hydra.stores.postgres.session import Result
from hydra.stores.rows import encode_progress, encode_spec, to_schedules

Write = Callable[..., list[Result]]
Read = Callable[..., list[list[tuple[Any, ...]]]]


def read_schedules(read: Read, namespace: str) -> list[ScheduleState]:
    (rows,) = read(("schedules", {"namespace": namespace}))
    return to_schedules(rows)


def upsert_schedules(write: Write, namespace: str, node: NodeRef, entries: Sequence[ScheduleEntry]) -> None:
    entries = sorted(entries, key=lambda entry: entry.name.encode())
    values = {
        "names": texts([entry.name for entry in entries]),
        "specs": texts([encode_spec(entry.spec) for entry in entries]),
        "revisions": bigints([entry.revision for entry in entries]),
        "mark_ats": bigints([entry.mark_at for entry in entries]),
        "next_ats": bigints([entry.next_at for entry in entries]),
        "progress": encode_progress(None),
    }
    (registered,) = write(("upsert_schedules", {**fence(namespace, node), **values}))
    check_fence(node, registered.rows)


def fire(write: Write, namespace: str, node: NodeRef, changes: Sequence[ScheduleChange]) -> list[bool]:
    """Under the node's fence. Which changes were written; for an open transaction, in which the rest follows."""
    (changed,) = write(("fire_schedules", {**fence(namespace, node), **_values(changes)}))
    check_fence(node, changed.rows)
    return _written(changes, changed)


def change(write: Write, namespace: str, changes: Sequence[ScheduleChange]) -> list[bool]:
    (changed,) = write(("change_schedules", {"namespace": namespace, **_values(changes)}))
    return _written(changes, changed)


def _values(changes: Sequence[ScheduleChange]) -> dict[str, object]:
    return {
        "names": texts([change.name for change in changes]),
        "revisions": bigints([change.revision for change in changes]),
        "mark_ats": bigints([change.mark_at for change in changes]),
        "next_ats": bigints([change.next_at for change in changes]),
        "paused_ats": bigints([change.paused_at for change in changes]),
        "progresses": texts([encode_progress(change.progress) for change in changes]),
    }


def _written(changes: Sequence[ScheduleChange], changed: Result) -> list[bool]:
    names = {name for (name,) in changed.rows}
    return [change.name in names for change in changes]
