"""What a reader sees of executions. Never writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hydra.errors import NotFound
from hydra.execution import FINAL, Claim, Message, Record, Snapshot, Status
from hydra.records.callbacks import CallbackNames
from hydra.stores.arrivals import WAITS_LOOKED_THROUGH
from hydra.stores.failed_end import FailedEnd
from hydra.stores.loads import COUNT_LIMIT, Read, stats_of
from hydra.stores.mysql.claiming import to_record
from hydra.stores.mysql.mailbox import to_message
from hydra.stores.mysql.nodes import read_nodes
from hydra.stores.mysql.pausing import read_pauses
from hydra.stores.mysql.statements import id_list, id_literal, id_text, key_hash, literal
from hydra.stores.mysql.transaction import MAX_ROWS, Reading, Rows
from hydra.stores.rows import shown, to_attributes, to_labels, to_servers, to_snapshot, to_workflow
from hydra.stores.stats import Stats
from hydra.stores.workflow_info import WorkflowInfo

BEFORE_ANY_PRIORITY = -(1 << 40)


def snapshots(reading: Reading, ids: Sequence[str]) -> list[Snapshot | None]:
    rows = [(id_text(id), shown(name), key) for id, name, key in _by_ids(reading, "attributes", ids)]
    attributes = to_attributes(rows)
    found = {}
    for row in _by_ids(reading, "snapshots", ids):
        found[id_text(row[0])] = _to_snapshot(row, attributes.get(id_text(row[0])))
    return [found.get(id) for id in ids]


def find(reading: Reading, workflow: str, key: str) -> Snapshot | None:
    rows = reading.select("find", key_hash=key_hash(reading.namespace_name, workflow, key))
    return snapshots(reading, [id_text(rows[0][0])])[0] if rows else None


def known_keys(reading: Reading, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Locks nothing."""
    hashes = {key_hash(reading.namespace_name, *each): each for each in keys}
    found: dict[tuple[str, str], str] = {}
    ordered = sorted(hashes)
    for start in range(0, len(ordered), MAX_ROWS):
        rows = reading.select("known_keys", hashes=", ".join(ordered[start : start + MAX_ROWS]))
        found |= {hashes[literal(hash)]: id_text(id) for hash, id in rows}
    return found


def outcomes(reading: Reading, ids: Sequence[str]) -> list[tuple[Status, bytes | None, str] | None]:
    found = {
        id_text(id): (Status(status), payload, shown(cause))
        for id, status, payload, cause in _by_ids(reading, "outcomes", ids)
    }
    for id in ids:
        if id not in found:
            raise NotFound(f"no execution `{id}` in namespace `{reading.namespace_name}`")
    return [found[id] if found[id][0] in (*FINAL, Status.PARKED) else None for id in ids]


def read_failures(reading: Reading, ids: Sequence[str]) -> dict[str, FailedEnd]:
    return {
        id_text(id): FailedEnd(Status(status), shown(cause), payload, None if step is None else shown(step))
        for id, status, cause, payload, step in _by_ids(reading, "failures", ids)
    }


def read_superseded(reading: Reading, ids: Sequence[str]) -> set[str]:
    return {id_text(id) for (id,) in _by_ids(reading, "former_keys", ids)}


def read_input(reading: Reading, id: str) -> bytes:
    rows = _by_ids(reading, "inputs", [id])
    if not rows:
        raise NotFound(f"no execution `{id}` in namespace `{reading.namespace_name}`")
    content: bytes = rows[0][1]
    return content


def read_records(reading: Reading, id: str) -> list[Record]:
    return [to_record(row[1:], shown) for row in _by_ids(reading, "records", [id])]


def read_histories(reading: Reading, ids: Sequence[str]) -> dict[str, tuple[bytes, list[Record]]]:
    found: dict[str, tuple[bytes, list[Record]]] = {
        id_text(id): (content, []) for id, content in _by_ids(reading, "inputs", ids)
    }
    for row in _by_ids(reading, "records", ids):
        if history := found.get(id_text(row[0])):
            history[1].append(to_record(row[1:], shown))
    return found


def read_messages(reading: Reading, id: str, name: str | None) -> list[Message]:
    rows = reading.select("messages", id=id_literal(id), wanted="null" if name is None else literal(name))
    return [to_message(row) for row in rows]


def read_waits(reading: Reading, id: str) -> list[Record]:
    return [to_record(row, shown) for row in reading.select("waits", id=id_literal(id), limit=WAITS_LOOKED_THROUGH)]


def read_callback(reading: Reading, id: str, names: CallbackNames, token: bytes) -> list[Record]:
    wanted = ", ".join(map(literal, names))
    values = {"id": id_literal(id), "names": wanted, "aside": literal(names.aside), "token": literal(token)}
    return [to_record(row, shown) for row in reading.select("callback_records", **values)]


def read_claims(reading: Reading, id: str) -> list[Claim]:
    rows = reading.select("claims", id=id_literal(id))
    return [
        Claim(id_text(id), epoch, attempt, id_text(node), worker, claimed_at, ended_at, ending, shown(detail))
        for id, epoch, attempt, node, worker, claimed_at, ended_at, ending, detail in rows
    ]


def read_stats(reading: Reading) -> Stats:
    counts: dict[str, dict[str, int]] = {}
    for workflow, status, count in reading.select("counts"):
        counts.setdefault(shown(workflow), {})[status] = count
    waiting = [workflow for workflow, by_status in counts.items() if by_status.get(Status.PENDING)]
    return stats_of(
        Read(
            counts,
            {workflow: _due_count(reading, workflow) for workflow in waiting},
            [(workflow, run_at) for workflow in waiting for run_at in _heads(reading, workflow)],
            read_nodes(reading),
            read_servers(reading),
            to_labels((shown(name), labels) for name, labels in reading.select("labels")),
            read_pauses(reading),
        )
    )


def _due_count(reading: Reading, workflow: str) -> int:
    count: int = reading.select("due_count", workflow=literal(workflow), limit=COUNT_LIMIT)[0][0]
    return count


def _heads(reading: Reading, workflow: str) -> Iterator[int]:
    """When the first of each priority in its queue became due."""
    after = BEFORE_ANY_PRIORITY
    while rows := reading.select("oldest_due", workflow=literal(workflow), after=after):
        after, run_at = rows[0]
        yield run_at


def read_pending_count(reading: Reading, limit: int, workflow: str | None) -> int:
    name, counts = None if workflow is None else workflow.encode(), reading.select("counts")
    count: int = sum(c for of, status, c in counts if status == Status.PENDING and name in (None, of))
    return min(limit, count)


def read_workflows(reading: Reading) -> list[WorkflowInfo]:
    return [
        to_workflow((shown(name), signature, timeout_us, shown(code_version), labels))
        for name, signature, timeout_us, code_version, labels in reading.select("workflows")
    ]


def read_servers(reading: Reading) -> dict[str, list[str]]:
    return to_servers((shown(name), id_text(node)) for name, node in reading.select("servers"))


def read_now(reading: Reading) -> int:
    now: int = reading.select("now")[0][0]
    return now


def _by_ids(reading: Reading, name: str, ids: Sequence[str]) -> Rows:
    return reading.select(name, ids=id_list(ids)) if ids else ()


def _to_snapshot(row: tuple[Any, ...], attributes: dict[str, Any] | None) -> Snapshot:
    id, workflow, key, status, priority, attempt, epoch, owner, attention, cause, *payload_and_tags = row[:12]
    submitted_at, run_at, *instants, record_count, death_count, limit_keys, gate, timeout_us = row[12:]
    return to_snapshot(
        (
            id_text(id),
            shown(workflow),
            None if key is None else shown(key),
            *(status, priority, attempt, epoch),
            id_text(owner) if status == Status.RUNNING else None,
            attention,
            shown(cause),
            *payload_and_tags,
            *(submitted_at, run_at),
            *(instant or None for instant in instants),
            *(record_count, death_count, limit_keys, shown(gate) if gate else None, timeout_us),
        ),
        attributes,
    )
