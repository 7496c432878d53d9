"""What a reader sees of executions. Never writes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from hydra.errors import NotFound
from hydra.execution import FINAL, Claim, Message, Record, Snapshot, Status
from hydra.records.callbacks import CallbackNames
from hydra.stores.arrivals import WAITS_LOOKED_THROUGH, by_arrival
from hydra.stores.failed_end import FailedEnd
from hydra.stores.loads import COUNT_LIMIT, Read, stats_of
from hydra.stores.rows import to_attributes, to_labels, to_servers, to_snapshot, to_workflow
from hydra.stores.sqlite.nodes import read_nodes
from hydra.stores.sqlite.pausing import read_pauses
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Reading
from hydra.stores.stats import Stats
from hydra.stores.workflow_info import WorkflowInfo


def snapshots(reading: Reading, ids: Sequence[str]) -> list[Snapshot | None]:
    wanted = to_json(list(ids))
    rows = reading.select_shown("snapshots", ids=wanted)
    attributes = to_attributes(reading.select_shown("attributes", ids=wanted))
    found = {row[0]: to_snapshot(row, attributes.get(row[0])) for row in rows}
    return [found.get(id) for id in ids]


def find(reading: Reading, workflow: str, key: str) -> Snapshot | None:
    rows = reading.select_shown("find", workflow=workflow, key=key)
    return snapshots(reading, [rows[0][0]])[0] if rows else None


def known_keys(reading: Reading, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Locks nothing."""
    rows = reading.select_json("submit_known_keys", rows=to_json(list(keys)))
    return {(workflow, key): id for workflow, key, id, *_ in rows}


def outcomes(reading: Reading, ids: Sequence[str]) -> list[tuple[Status, bytes | None, str] | None]:
    rows = reading.select_shown("outcomes", ids=to_json(list(ids)))
    found = {id: (Status(status), payload, cause) for id, status, payload, cause in rows}
    for id in ids:
        if id not in found:
            raise NotFound(f"no execution `{id}` in namespace `{reading.namespace}`")
    return [found[id] if found[id][0] in (*FINAL, Status.PARKED) else None for id in ids]


def read_failures(reading: Reading, ids: Sequence[str]) -> dict[str, FailedEnd]:
    rows = reading.select_shown("failures", ids=to_json(list(ids)))
    return {id: FailedEnd(Status(status), cause, payload, step) for id, status, cause, payload, step in rows}


def read_superseded(reading: Reading, ids: Sequence[str]) -> set[str]:
    return {id for (id,) in reading.select_shown("former_keys", ids=to_json(list(ids)))}


def read_input(reading: Reading, id: str) -> bytes:
    rows = reading.select_shown("inputs", ids=to_json([id]))
    if not rows:
        raise NotFound(f"no execution `{id}` in namespace `{reading.namespace}`")
    content: bytes = rows[0][1]
    return content


def read_records(reading: Reading, id: str) -> list[Record]:
    return _records(reading, [id]).get(id, [])


def read_waits(reading: Reading, id: str) -> list[Record]:
    rows = reading.select_shown("waits", id=id, limit=WAITS_LOOKED_THROUGH)
    return [Record(*row) for row in rows]


def read_callback(reading: Reading, id: str, names: CallbackNames, token: bytes) -> list[Record]:
    values = {"id": id, "names": to_json([*names]), "aside": names.aside, "token": token}
    return [Record(*row) for row in reading.select_shown("callback_records", **values)]


def read_histories(reading: Reading, ids: Sequence[str]) -> dict[str, tuple[bytes, list[Record]]]:
    inputs = reading.select_shown("inputs", ids=to_json(list(ids)))
    records = _records(reading, ids)
    return {id: (content, records.get(id, [])) for id, content in inputs}


def _records(reading: Reading, ids: Sequence[str]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for id, *values in reading.select_shown("records", ids=to_json(list(ids))):
        found.setdefault(id, []).append(Record(*values))
    for records in found.values():
        records.sort(key=attrgetter("seq"))
    return found


def read_messages(reading: Reading, id: str, name: str | None) -> list[Message]:
    rows = reading.select_shown("messages", id=id, name=name)
    return sorted((Message(*row) for row in rows), key=by_arrival)


def read_claims(reading: Reading, id: str) -> list[Claim]:
    return [Claim(*row) for row in reading.select_shown("claims", id=id)]


def read_stats(reading: Reading) -> Stats:
    counts: dict[str, dict[str, int]] = {}
    for workflow, status, count in reading.select_shown("counts"):
        counts.setdefault(workflow, {})[status] = count
    return stats_of(
        Read(
            counts,
            dict(reading.select_shown("due_counts", limit=COUNT_LIMIT)),
            [(workflow, at) for workflow, at in reading.select_shown("oldest_due")],
            read_nodes(reading),
            read_servers(reading),
            to_labels(reading.select_shown("labels")),
            read_pauses(reading),
        )
    )


def read_pending_count(reading: Reading, limit: int, workflow: str | None) -> int:
    counts = reading.select_shown("counts")
    count: int = sum(c for name, status, c in counts if status == Status.PENDING and workflow in (None, name))
    return min(limit, count)


def read_workflows(reading: Reading) -> list[WorkflowInfo]:
    return [to_workflow(row) for row in reading.select_shown("workflows")]


def read_servers(reading: Reading) -> dict[str, list[str]]:
    return to_servers(reading.select_shown("servers"))
