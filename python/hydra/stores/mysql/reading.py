"""What a reader sees of executions. Never writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from hydra.errors import NotFound
from hydra.execution import FINAL, Claim, Message, Progress, Record, Snapshot, Status
from hydra.limits import FAIR, keys_of_limit
from hydra.records.callbacks import CallbackNames
from hydra.schedules import ScheduleState
from hydra.stores.acts import Act
from hydra.stores.admission import NEVER
from hydra.stores.deleting import Tree
from hydra.stores.failed_end import FailedEnd
from hydra.stores.filter import Filter
from hydra.stores.key_pauses import KeyPause, to_key_pause
from hydra.stores.limit_states import KeyUse, LimitState, LimitUse, Weight
from hydra.stores.loads import COUNT_LIMIT, Read, stats_of
from hydra.stores.mysql.acts import to_acts
from hydra.stores.mysql.admitting import to_use
from hydra.stores.mysql.claiming import to_record
from hydra.stores.mysql.mailbox import to_message
from hydra.stores.mysql.nodes import to_node
from hydra.stores.mysql.pausing import to_pauses
from hydra.stores.mysql.progress import to_progress
from hydra.stores.mysql.statements import (
    NO_NODE,
    STATEMENTS,
    Word,
    id_list,
    id_literal,
    id_text,
    key_hash,
    literal,
)
from hydra.stores.node_states import NodeState
from hydra.stores.pauses import Pause
from hydra.stores.rows import (
    WAITS_LOOKED_THROUGH,
    shown,
    to_key_use,
    to_labels,
    to_schedules,
    to_servers,
    to_snapshot,
    to_workflow,
)
from hydra.stores.stats import Stats
from hydra.stores.workflow_info import WorkflowInfo

BEFORE_ANY_PRIORITY = -(1 << 40)

Run = Callable[[str], Sequence[tuple[Any, ...]]]


class Reader:
    """The reading verbs; `run` runs one statement on the thread's own connection."""

    def __init__(self, namespace: str, run: Run) -> None:
        self._namespace = namespace
        self._literal = literal(namespace)
        self._run = run

    def snapshots(self, ids: Sequence[str]) -> list[Snapshot | None]:
        found = {id_text(row[0]): _to_snapshot(row) for row in self._by_ids("snapshots", ids)}
        return [found.get(id) for id in ids]

    def find(self, workflow: str, key: str) -> Snapshot | None:
        rows = self._select("find", key_hash=key_hash(self._namespace, workflow, key))
        return self.snapshots([id_text(rows[0][0])])[0] if rows else None

    def list_snapshots(self, filter: Filter) -> list[Snapshot]:
        if filter.key is not None and filter.workflow is not None:
            known = self.find(filter.workflow, filter.key)
            return [known] if known is not None and filter.admits(known) and filter.limit else []
        wanted = [filter.status] if filter.status is not None else list(Status)
        parts = [
            STATEMENTS["list"].format(
                namespace=self._literal,
                status=literal(Word(status)),
                conditions=" and ".join(_conditions(status, filter)),
                way="asc" if filter.is_oldest_first else "desc",
                limit=filter.limit,
            )
            for status in wanted
        ]
        found = (id_text(id) for (id,) in self._run(" union all ".join(parts)))
        ids = sorted(found, reverse=not filter.is_oldest_first)
        return [snapshot for snapshot in self.snapshots(ids[: filter.limit]) if snapshot is not None]

    def outcomes(self, ids: Sequence[str]) -> list[tuple[Status, bytes | None, str] | None]:
        found = {
            id_text(id): (Status(status), payload, shown(cause))
            for id, status, payload, cause in self._by_ids("outcomes", ids)
        }
        for id in ids:
            if id not in found:
                raise NotFound(f"no execution `{id}` in namespace `{self._namespace}`")
        return [found[id] if found[id][0] in (*FINAL, Status.PARKED) else None for id in ids]

    def failures(self, ids: Sequence[str]) -> dict[str, FailedEnd]:
        return {
            id_text(id): FailedEnd(Status(status), shown(cause), payload, None if step is None else shown(step))
            for id, status, cause, payload, step in self._by_ids("failures", ids)
        }

    def superseded(self, ids: Sequence[str]) -> set[str]:
        return {id_text(id) for (id,) in self._by_ids("former_keys", ids)}

    def tree(self, id: str) -> Tree | None:
        (found,) = self.snapshots([id])
        if found is None:
            return None
        roots = [id_text(root) for (root,) in self._select("tree_root", id=id_literal(id))]
        open_ids = [id_text(member) for (member,) in self._select("open_member", id=id_literal(id))]
        return Tree(found.status, next(iter(roots), None), next(iter(open_ids), None))

    def input(self, id: str) -> bytes:
        rows = self._by_ids("inputs", [id])
        if not rows:
            raise NotFound(f"no execution `{id}` in namespace `{self._namespace}`")
        content: bytes = rows[0][1]
        return content

    def records(self, id: str) -> list[Record]:
        return [to_record(row[1:], shown) for row in self._by_ids("records", [id])]

    def histories(self, ids: Sequence[str]) -> dict[str, tuple[bytes, list[Record]]]:
        found: dict[str, tuple[bytes, list[Record]]] = {
            id_text(id): (content, []) for id, content in self._by_ids("inputs", ids)
        }
        for row in self._by_ids("records", ids):
            if history := found.get(id_text(row[0])):
                history[1].append(to_record(row[1:], shown))
        return found

    def messages(self, id: str, name: str | None) -> list[Message]:
        rows = self._select("messages", id=id_literal(id), wanted="null" if name is None else literal(name))
        return [to_message(row) for row in rows]

    def waits(self, id: str) -> list[Record]:
        return [to_record(row, shown) for row in self._select("waits", id=id_literal(id), limit=WAITS_LOOKED_THROUGH)]

    def callback_records(self, id: str, names: CallbackNames, token: bytes) -> list[Record]:
        wanted = ", ".join(map(literal, names))
        values = {"id": id_literal(id), "names": wanted, "aside": literal(names.aside), "token": literal(token)}
        return [to_record(row, shown) for row in self._select("callback_records", **values)]

    def claims(self, id: str) -> list[Claim]:
        rows = self._select("claims", id=id_literal(id))
        return [
            Claim(id_text(id), epoch, attempt, id_text(node), worker, claimed_at, ended_at, ending, shown(detail))
            for id, epoch, attempt, node, worker, claimed_at, ended_at, ending, detail in rows
        ]

    def progress(self, id: str) -> list[Progress]:
        return [to_progress(row) for row in self._select("progress", id=id_literal(id))]

    def stats(self) -> Stats:
        counts: dict[str, dict[str, int]] = {}
        for workflow, status, count in self._select("counts"):
            counts.setdefault(shown(workflow), {})[status] = count
        waiting = [workflow for workflow, by_status in counts.items() if by_status.get(Status.PENDING)]
        return stats_of(
            Read(
                counts,
                {workflow: self._due_count(workflow) for workflow in waiting},
                [(workflow, run_at) for workflow in waiting for run_at in self._heads(workflow)],
                self.nodes(),
                self.servers(),
                to_labels((shown(name), labels) for name, labels in self._select("labels")),
                self.pauses(),
            )
        )

    def _due_count(self, workflow: str) -> int:
        count: int = self._select("due_count", workflow=literal(workflow), limit=COUNT_LIMIT)[0][0]
        return count

    def _heads(self, workflow: str) -> Iterator[int]:
        """When the first of each priority in its queue became due."""
        after = BEFORE_ANY_PRIORITY
        while rows := self._select("oldest_due", workflow=literal(workflow), after=after):
            after, run_at = rows[0]
            yield run_at

    def pending_count(self, limit: int) -> int:
        count: int = sum(count for _, status, count in self._select("counts") if status == Status.PENDING)
        return min(limit, count)

    def workflows(self) -> list[WorkflowInfo]:
        return [
            to_workflow((shown(name), signature, timeout_us, shown(code_version), labels))
            for name, signature, timeout_us, code_version, labels in self._select("workflows")
        ]

    def pauses(self) -> list[Pause]:
        return to_pauses(self._select("pauses"))

    def acts(self, id: str) -> list[Act]:
        return to_acts(self._select("acts", id=id_literal(id)))

    def schedules(self) -> list[ScheduleState]:
        return to_schedules((shown(name), *rest) for name, *rest in self._select("schedules"))

    def nodes(self) -> list[NodeState]:
        return [to_node(row) for row in self._select("nodes")]

    def servers(self) -> dict[str, list[str]]:
        return to_servers((shown(name), id_text(node)) for name, node in self._select("servers"))

    def changes(self, kind: str) -> tuple[object, int]:
        """What is another after every transaction of the kind (of `tallies`), and how many nodes are alive."""
        *counters, node_count = self._select("tally_changes", kind=literal(Word(kind)))[0]
        return counters, node_count

    def limits(self) -> list[LimitState]:
        return [LimitState(shown(kind), shown(name), *rest) for kind, name, *rest in self._select("limits")]

    def waiting_count(self, key: str, limit: int) -> int:
        return int(self._select("waiting_count", key=literal(key), limit=limit)[0][0])

    def weights(self, name: str) -> list[Weight]:
        first, last = map(literal, keys_of_limit(FAIR, name))
        rows = self._select("limit_weights", first=first, last=last)
        return [Weight(shown(key), weight, set_weight) for key, weight, set_weight in rows]

    def limit_use(self, kind: str, name: str, keys: int, waiting: int) -> list[LimitUse]:
        first, last = map(literal, keys_of_limit(kind, name))
        return [to_use(row, waiting) for row in self._select("limit_use", first=first, last=last, limit=keys)]

    def key_use(self, key: str, holders: int) -> KeyUse:
        rows = self._select("key_use", key=literal(key), most=holders)
        return to_key_use((look_at or None, None if id is None else id_text(id)) for look_at, id in rows)

    def key_pauses(self, first: str, last: str, limit: int) -> list[KeyPause]:
        rows = self._select("key_pauses", first=literal(first), last=literal(last), limit=limit)
        return [
            to_key_pause((key.decode(), until, paused_at, paused_by.decode(), reason.decode()))
            for key, until, paused_at, paused_by, reason in rows
        ]

    def due(self) -> tuple[bool, int]:
        """Whether something is ready to be claimed, and when the next timer is due."""
        is_ready, due_at = self._select("due", never=NEVER)[0]
        return bool(is_ready), due_at

    def now(self) -> int:
        now: int = self._select("now")[0][0]
        return now

    def _select(self, name: str, **values: object) -> Sequence[tuple[Any, ...]]:
        return self._run(STATEMENTS[name].format(namespace=self._literal, **values))

    def _by_ids(self, name: str, ids: Sequence[str]) -> Sequence[tuple[Any, ...]]:
        return self._select(name, ids=id_list(ids)) if ids else ()


def _conditions(status: Status, filter: Filter) -> list[str]:
    """Only what is running has an owner: for all else the index gives the order of ids."""
    conditions = [] if status is Status.RUNNING else [f"owner = {NO_NODE}"]
    if filter.before is not None:
        conditions.append(f"id < {id_literal(filter.before)}")
    if filter.after is not None:
        conditions.append(f"id > {id_literal(filter.after)}")
    if filter.since is not None:
        conditions.append(f"submitted_at >= {literal(filter.since)}")
    if filter.until is not None:
        conditions.append(f"submitted_at < {literal(filter.until)}")
    if filter.workflow is not None:
        conditions.append(f"workflow = {literal(filter.workflow)}")
    if filter.key is not None:
        conditions.append(f"idempotency_key = {literal(filter.key)}")
    for pair in (filter.tags or {}).items():
        # Tags are stored as compact JSON, where an unescaped quote only ever opens or closes a text.
        text = msgspec.json.encode(dict([pair]))[1:-1]
        conditions.append(f"(instr(tags, {literal(b'{' + text)}) = 1 or instr(tags, {literal(b',' + text)}) > 0)")
    return conditions or ["true"]


def _to_snapshot(row: tuple[Any, ...]) -> Snapshot:
    id, workflow, key, status, priority, attempt, epoch, owner, attention, cause, *payload_and_tags = row[:12]
    submitted_at, run_at, *instants, record_count, death_count, limit_keys, gate = row[12:]
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
            *(record_count, death_count, limit_keys, shown(gate) if gate else None),
        )
    )
