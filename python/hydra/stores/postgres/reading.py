"""What a reader sees of executions. Never writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hydra.errors import NotFound
from hydra.execution import Claim, Message, Record, Snapshot, Status
from hydra.records.callbacks import CallbackNames
from hydra.stores import loads
from hydra.stores.failed_end import FailedEnd
from hydra.stores.filter import Filter
from hydra.stores.postgres.arrays import is_uuid, key_hash, texts, uuids
from hydra.stores.rows import WAITS_LOOKED_THROUGH, to_labels, to_node, to_pause, to_servers, to_snapshot
from hydra.stores.sql_files import UPWARDS
from hydra.stores.stats import Stats

_LISTS: dict[Status | None, str] = {
    None: "list_newest",
    Status.PENDING: "list_pending",
    Status.RUNNING: "list_running",
    **dict.fromkeys((Status.SLEEPING, Status.WAITING, Status.PARKED), "list_suspended"),
}

Read = Callable[..., list[list[tuple[Any, ...]]]]
Outcome = tuple[Status, bytes | None, str]


def snapshots(read: Read, namespace: str, ids: Sequence[str]) -> list[Snapshot | None]:
    (rows,) = read(("snapshots", _those(namespace, ids)))
    found = {row[0]: to_snapshot(row) for row in rows}
    return [found.get(id) for id in ids]


def find(read: Read, namespace: str, workflow: str, key: str) -> Snapshot | None:
    (rows,) = read(("find", {"namespace": namespace, "workflow": workflow, "key_hash": key_hash(key)}))
    return snapshots(read, namespace, [rows[0][0]])[0] if rows else None


def list_snapshots(read: Read, namespace: str, filter: Filter) -> list[Snapshot]:
    if filter.key is not None and filter.workflow is not None:
        keyed = find(read, namespace, filter.workflow, filter.key)
        return [keyed] if keyed is not None and filter.admits(keyed) and filter.limit else []
    values = {
        "namespace": namespace,
        "status": filter.status,
        "workflow": filter.workflow,
        "key": filter.key,
        "tags": msgspec.json.encode(filter.tags).decode() if filter.tags else None,
        "before": filter.before,
        "after": filter.after,
        "since": filter.since,
        "until": filter.until,
        "limit": filter.limit,
    }
    way = UPWARDS if filter.is_oldest_first else ""
    (rows,) = read((_LISTS.get(filter.status, "list_ended") + way, values))
    found = snapshots(read, namespace, [row[0] for row in rows])
    return [snapshot for snapshot in found if snapshot is not None]


def outcomes(read: Read, namespace: str, ids: Sequence[str]) -> list[Outcome | None]:
    (rows,) = read(("outcomes", _those(namespace, ids)))
    found = {id: (Status(status), payload, cause) if status else None for id, status, payload, cause in rows}
    for id in ids:
        if id not in found:
            raise NotFound(f"no execution `{id}` in namespace `{namespace}`")
    return [found[id] for id in ids]


def read_failures(read: Read, namespace: str, ids: Sequence[str]) -> dict[str, FailedEnd]:
    (rows,) = read(("failures", _those(namespace, ids)))
    return {id: FailedEnd(Status(status), cause, payload, step) for id, status, cause, payload, step in rows}


def read_superseded(read: Read, namespace: str, ids: Sequence[str]) -> set[str]:
    return {id for (id,) in read(("former_keys", _those(namespace, ids)))[0]}


def read_input(read: Read, namespace: str, id: str) -> bytes:
    (rows,) = read(("inputs", _those(namespace, [id])))
    if not rows:
        raise NotFound(f"no execution `{id}` in namespace `{namespace}`")
    content: bytes = rows[0][1]
    return content


def read_records(read: Read, namespace: str, id: str) -> list[Record]:
    return [Record(*values) for _, *values in read(("records", _those(namespace, [id])))[0]]


def read_waits(read: Read, namespace: str, id: str) -> list[Record]:
    return [Record(*row) for row in read(("waits", {**_those(namespace, [id]), "limit": WAITS_LOOKED_THROUGH}))[0]]


def read_callback(read: Read, namespace: str, id: str, names: CallbackNames, token: bytes) -> list[Record]:
    values = {**_those(namespace, [id]), "names": texts([*names]), "aside": names.aside, "token": token}
    return [Record(*row) for row in read(("callback_records", values))[0]]


def read_histories(read: Read, namespace: str, ids: Sequence[str]) -> dict[str, tuple[bytes, list[Record]]]:
    inputs, recorded = read(("inputs", _those(namespace, ids)), ("records", _those(namespace, ids)))
    found: dict[str, tuple[bytes, list[Record]]] = {id: (content, []) for id, content in inputs}
    for id, *values in recorded:
        if id in found:
            found[id][1].append(Record(*values))
    return found


def read_messages(read: Read, namespace: str, id: str, name: str | None) -> list[Message]:
    return [Message(*row) for row in read(("messages", {**_those(namespace, [id]), "name": name}))[0]]


def read_claims(read: Read, namespace: str, id: str) -> list[Claim]:
    return [Claim(*row) for row in read(("claims", _those(namespace, [id])))[0]]


def read_stats(read: Read, namespace: str) -> Stats:
    own = {"namespace": namespace}
    counted, due, oldest, nodes, servers, labels, paused = read(
        ("counts", own),
        ("due_counts", {**own, "limit": loads.COUNT_LIMIT}),
        ("oldest_due", own),
        ("nodes", own),
        ("servers", own),
        ("labels", own),
        ("pauses", own),
    )
    counts: dict[str, dict[str, int]] = {}
    for workflow, status, count in counted:
        counts.setdefault(workflow, {})[status] = count
    return loads.stats_of(
        loads.Read(
            counts,
            dict(due),
            [(workflow, at) for workflow, at in oldest],
            list(map(to_node, nodes)),
            to_servers(servers),
            to_labels(labels),
            list(map(to_pause, paused)),
        )
    )


def read_pending_count(read: Read, namespace: str, limit: int) -> int:
    (rows,) = read(("pending_count", {"namespace": namespace, "limit": limit}))
    count: int = sum(row[0] for row in rows)
    return min(limit, count)


def _those(namespace: str, ids: Sequence[str]) -> dict[str, object]:
    """What is no UUID is nobody's id."""
    return {"namespace": namespace, "ids": uuids([id for id in ids if is_uuid(id)])}
