"""What a reader sees of executions. Never writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from operator import attrgetter

import msgspec

from hydra.errors import NotFound
from hydra.execution import FINAL, Claim, Message, Record, Snapshot, Status
from hydra.records.callbacks import CallbackNames
from hydra.stores.failed_end import FailedEnd
from hydra.stores.filter import Filter
from hydra.stores.loads import COUNT_LIMIT, Read, stats_of
from hydra.stores.rows import WAITS_LOOKED_THROUGH, by_arrival, to_labels, to_servers, to_snapshot, to_workflow
from hydra.stores.sql_files import UPWARDS
from hydra.stores.sqlite.nodes import read_nodes
from hydra.stores.sqlite.pausing import read_pauses
from hydra.stores.sqlite.statements import select_shown, to_json
from hydra.stores.stats import Stats
from hydra.stores.workflow_info import WorkflowInfo

_NOTABLE = (Status.SLEEPING, Status.WAITING, Status.FAILED, Status.CANCELLED, Status.PARKED)


def snapshots(connection: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> list[Snapshot | None]:
    rows = select_shown(connection, "snapshots", namespace=namespace, ids=to_json(list(ids)))
    found = {row[0]: to_snapshot(row) for row in rows}
    return [found.get(id) for id in ids]


def find(connection: sqlite3.Connection, namespace: str, workflow: str, key: str) -> Snapshot | None:
    rows = select_shown(connection, "find", namespace=namespace, workflow=workflow, key=key)
    return snapshots(connection, namespace, [rows[0][0]])[0] if rows else None


def list_snapshots(connection: sqlite3.Connection, namespace: str, filter: Filter) -> list[Snapshot]:
    if filter.key is not None and filter.workflow is not None:
        keyed = find(connection, namespace, filter.workflow, filter.key)
        return [keyed] if keyed is not None and filter.admits(keyed) and filter.limit else []
    parameters = {
        "namespace": namespace,
        "workflow": filter.workflow,
        "key": filter.key,
        "tags": msgspec.json.encode(filter.tags).decode() if filter.tags else None,
        "tag_count": len(filter.tags or ()),
        "before": filter.before,
        "after": filter.after,
        "since": filter.since,
        "until": filter.until,
        "limit": filter.limit,
    }
    way = UPWARDS if filter.is_oldest_first else ""
    if filter.status is Status.RUNNING:
        rows = select_shown(connection, f"list_running{way}", **parameters)
    elif filter.status in _NOTABLE:
        rows = select_shown(connection, f"list_notable{way}", status=filter.status, **parameters)
    else:
        rows = select_shown(connection, f"list_newest{way}", status=filter.status, **parameters)
    found = snapshots(connection, namespace, [row[0] for row in rows])
    return [snapshot for snapshot in found if snapshot is not None]


def outcomes(
    connection: sqlite3.Connection, namespace: str, ids: Sequence[str]
) -> list[tuple[Status, bytes | None, str] | None]:
    rows = select_shown(connection, "outcomes", namespace=namespace, ids=to_json(list(ids)))
    found = {id: (Status(status), payload, cause) for id, status, payload, cause in rows}
    for id in ids:
        if id not in found:
            raise NotFound(f"no execution `{id}` in namespace `{namespace}`")
    return [found[id] if found[id][0] in (*FINAL, Status.PARKED) else None for id in ids]


def read_failures(connection: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> dict[str, FailedEnd]:
    rows = select_shown(connection, "failures", namespace=namespace, ids=to_json(list(ids)))
    return {id: FailedEnd(Status(status), cause, payload, step) for id, status, cause, payload, step in rows}


def read_superseded(connection: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    return {id for (id,) in select_shown(connection, "former_keys", ids=to_json(list(ids)))}


def read_input(connection: sqlite3.Connection, namespace: str, id: str) -> bytes:
    rows = select_shown(connection, "inputs", namespace=namespace, ids=to_json([id]))
    if not rows:
        raise NotFound(f"no execution `{id}` in namespace `{namespace}`")
    content: bytes = rows[0][1]
    return content


def read_records(connection: sqlite3.Connection, namespace: str, id: str) -> list[Record]:
    return _records(connection, namespace, [id]).get(id, [])


def read_waits(connection: sqlite3.Connection, namespace: str, id: str) -> list[Record]:
    rows = select_shown(connection, "waits", namespace=namespace, id=id, limit=WAITS_LOOKED_THROUGH)
    return [Record(*row) for row in rows]


def read_callback(
    connection: sqlite3.Connection, namespace: str, id: str, names: CallbackNames, token: bytes
) -> list[Record]:
    values = {"namespace": namespace, "id": id, "names": to_json([*names]), "aside": names.aside, "token": token}
    return [Record(*row) for row in select_shown(connection, "callback_records", **values)]


def read_histories(
    connection: sqlite3.Connection, namespace: str, ids: Sequence[str]
) -> dict[str, tuple[bytes, list[Record]]]:
    inputs = select_shown(connection, "inputs", namespace=namespace, ids=to_json(list(ids)))
    records = _records(connection, namespace, ids)
    return {id: (content, records.get(id, [])) for id, content in inputs}


def _records(connection: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for id, *values in select_shown(connection, "records", namespace=namespace, ids=to_json(list(ids))):
        found.setdefault(id, []).append(Record(*values))
    for records in found.values():
        records.sort(key=attrgetter("seq"))
    return found


def read_messages(connection: sqlite3.Connection, namespace: str, id: str, name: str | None) -> list[Message]:
    rows = select_shown(connection, "messages", namespace=namespace, id=id, name=name)
    return sorted((Message(*row) for row in rows), key=by_arrival)


def read_claims(connection: sqlite3.Connection, namespace: str, id: str) -> list[Claim]:
    return [Claim(*row) for row in select_shown(connection, "claims", namespace=namespace, id=id)]


def read_stats(connection: sqlite3.Connection, namespace: str) -> Stats:
    counts: dict[str, dict[str, int]] = {}
    for workflow, status, count in select_shown(connection, "counts", namespace=namespace):
        counts.setdefault(workflow, {})[status] = count
    return stats_of(
        Read(
            counts,
            dict(select_shown(connection, "due_counts", namespace=namespace, limit=COUNT_LIMIT)),
            [(workflow, at) for workflow, at in select_shown(connection, "oldest_due", namespace=namespace)],
            read_nodes(connection, namespace),
            read_servers(connection, namespace),
            to_labels(select_shown(connection, "labels", namespace=namespace)),
            read_pauses(connection, namespace),
        )
    )


def read_pending_count(connection: sqlite3.Connection, namespace: str, limit: int) -> int:
    counts = select_shown(connection, "counts", namespace=namespace)
    count: int = sum(count for _, status, count in counts if status == Status.PENDING)
    return min(limit, count)


def read_workflows(connection: sqlite3.Connection, namespace: str) -> list[WorkflowInfo]:
    return [to_workflow(row) for row in select_shown(connection, "workflows", namespace=namespace)]


def read_servers(connection: sqlite3.Connection, namespace: str) -> dict[str, list[str]]:
    return to_servers(select_shown(connection, "servers", namespace=namespace))
