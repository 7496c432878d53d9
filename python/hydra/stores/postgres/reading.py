"""What a reader sees of executions. Never writes."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.errors import NotFound
from hydra.execution import Claim, Message, Record, Snapshot, Status
from hydra.records.callbacks import CallbackNames
from hydra.stores import loads
from hydra.stores.arrivals import WAITS_LOOKED_THROUGH
from hydra.stores.failed_end import FailedEnd
from hydra.stores.postgres.arrays import byteas, is_uuid, key_hash, texts, uuids
from hydra.stores.postgres.transaction import Reading
from hydra.stores.rows import to_attributes, to_labels, to_node, to_pause, to_servers, to_snapshot, to_workflow
from hydra.stores.stats import Stats
from hydra.stores.workflow_info import WorkflowInfo

Outcome = tuple[Status, bytes | None, str]


def snapshots(reading: Reading, ids: Sequence[str]) -> list[Snapshot | None]:
    rows, of_attributes = reading.rows_of(("snapshots", _those(ids)), ("attributes", _those(ids)))
    attributes = to_attributes(of_attributes)
    found = {row[0]: to_snapshot(row, attributes.get(row[0])) for row in rows}
    return [found.get(id) for id in ids]


def find(reading: Reading, workflow: str, key: str) -> Snapshot | None:
    rows = reading.select("find", workflow=workflow, key_hash=key_hash(key))
    return snapshots(reading, [rows[0][0]])[0] if rows else None


def known_keys(reading: Reading, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Locks nothing."""
    hashes = {
        "workflows": texts([workflow for workflow, _ in keys]),
        "key_hashes": byteas([key_hash(key) for _, key in keys]),
    }
    return {(workflow, key): id for workflow, key, id, *_ in reading.select("submit_known_keys", **hashes)}


def outcomes(reading: Reading, ids: Sequence[str]) -> list[Outcome | None]:
    rows = reading.select("outcomes", **_those(ids))
    found = {id: (Status(status), payload, cause) if status else None for id, status, payload, cause in rows}
    for id in ids:
        if id not in found:
            raise NotFound(f"no execution `{id}` in namespace `{reading.namespace}`")
    return [found[id] for id in ids]


def read_failures(reading: Reading, ids: Sequence[str]) -> dict[str, FailedEnd]:
    rows = reading.select("failures", **_those(ids))
    return {id: FailedEnd(Status(status), cause, payload, step) for id, status, cause, payload, step in rows}


def read_superseded(reading: Reading, ids: Sequence[str]) -> set[str]:
    return {id for (id,) in reading.select("former_keys", **_those(ids))}


def read_input(reading: Reading, id: str) -> bytes:
    rows = reading.select("inputs", **_those([id]))
    if not rows:
        raise NotFound(f"no execution `{id}` in namespace `{reading.namespace}`")
    content: bytes = rows[0][1]
    return content


def read_records(reading: Reading, id: str) -> list[Record]:
    return [Record(*values) for _, *values in reading.select("records", **_those([id]))]


def read_waits(reading: Reading, id: str) -> list[Record]:
    return [Record(*row) for row in reading.select("waits", **_those([id]), limit=WAITS_LOOKED_THROUGH)]


def read_callback(reading: Reading, id: str, names: CallbackNames, token: bytes) -> list[Record]:
    values = {**_those([id]), "names": texts([*names]), "aside": names.aside, "token": token}
    return [Record(*row) for row in reading.select("callback_records", **values)]


def read_histories(reading: Reading, ids: Sequence[str]) -> dict[str, tuple[bytes, list[Record]]]:
    inputs, recorded = reading.rows_of(("inputs", _those(ids)), ("records", _those(ids)))
    found: dict[str, tuple[bytes, list[Record]]] = {id: (content, []) for id, content in inputs}
    for id, *values in recorded:
        if id in found:
            found[id][1].append(Record(*values))
    return found


def read_messages(reading: Reading, id: str, name: str | None) -> list[Message]:
    return [Message(*row) for row in reading.select("messages", **_those([id]), name=name)]


def read_claims(reading: Reading, id: str) -> list[Claim]:
    return [Claim(*row) for row in reading.select("claims", **_those([id]))]


def read_stats(reading: Reading) -> Stats:
    counted, due, oldest, nodes, servers, labels, paused = reading.rows_of(
        ("counts", {}),
        ("due_counts", {"limit": loads.COUNT_LIMIT}),
        ("oldest_due", {}),
        ("nodes", {}),
        ("servers", {}),
        ("labels", {}),
        ("pauses", {}),
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


def read_workflows(reading: Reading) -> list[WorkflowInfo]:
    return [to_workflow(row) for row in reading.select("workflows")]


def read_servers(reading: Reading) -> dict[str, list[str]]:
    return to_servers(reading.select("servers"))


def read_now(reading: Reading) -> int:
    now: int = reading.select("now")[0][0]
    return now


def read_pending_count(reading: Reading, limit: int, workflow: str | None) -> int:
    if workflow is None:
        rows = reading.select("pending_count", limit=limit)
    else:
        rows = reading.select("pending_count_of", limit=limit, workflow=workflow)
    count: int = sum(row[0] for row in rows)
    return min(limit, count)


def _those(ids: Sequence[str]) -> dict[str, object]:
    """What is no UUID is nobody's id."""
    return {"ids": uuids([id for id in ids if is_uuid(id)])}
