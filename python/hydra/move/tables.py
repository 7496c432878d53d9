"""The tables that a move takes along, in the form that all three stores have in common. Reads no database.

A table of a store that is neither here nor in `NOT_MOVED`, or a column that nobody names, is refused before anything is
moved, and fails `tests/move`: so a new table is not forgotten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import msgspec

Row = tuple[Any, ...]
Value = int | str | bytes | None


class Kind(Enum):
    ID = "id"  # a UUID as text
    INT = "int"
    TEXT = "text"
    BYTES = "bytes"
    JSON = "json"  # text, the same for the same value
    FLAG = "flag"  # 0 or 1


class Column(NamedTuple):
    """`is_zero`: MySQL has 0, or an empty text, in place of null."""

    name: str
    kind: Kind
    mysql_name: str
    is_zero: bool


class Table(NamedTuple):
    """`owner` is the column with the execution that a row belongs to; "" where rows have a namespace of their own.
    `order` is what its rows are paged by, a key of it."""

    name: str
    columns: tuple[Column, ...]
    owner: str
    order: tuple[str, ...]
    passed_over: str = ""  # rows that are not moved

    def place(self, name: str) -> int:
        return [column.name for column in self.columns].index(name)


def _columns(text: str) -> tuple[Column, ...]:
    """`name:kind`, with `=other` for MySQL's name of it and `?` where MySQL has zero for null."""
    found = []
    for word in text.split():
        name, _, kind = word.partition(":")
        kind, is_zero = kind.removesuffix("?"), kind.endswith("?")
        name, _, other = name.partition("=")
        found.append(Column(name, Kind(kind), other or name, is_zero))
    return tuple(found)


def _table(name: str, owner: str, order: str, columns: str, passed_over: str = "") -> Table:
    return Table(name, _columns(columns), owner, tuple(order.split()), passed_over)


EXECUTION = _columns(
    "id:id workflow:text key=idempotency_key:text digest:bytes input:bytes tags:json submitted_at:int timeout_us:int? "
    "limit_keys:json status:text priority:int run_at:int wake_at:int? timeout_at:int? attention:text? epoch:int "
    "wake_seq:int attempt:int record_count:int death_count:int alone_death_count:int claimed_at:int? started_at:int? "
    "finished_at:int? cause:text cause_seq:int is_child:flag gate:text? own_priority:int own_run_at:int"
)

# What belongs to an execution goes with it, in the same transaction.
OF_EXECUTIONS = (
    _table(
        "hydra_record",
        "execution_id",
        "execution_id seq",
        "execution_id:id seq:int kind:text branch:text name:text ordinal:int attempt:int digest:bytes payload:bytes "
        "started_at:int finished_at:int due_at:int",
    ),
    _table(
        "hydra_message",
        "execution_id",
        "execution_id id",
        "execution_id:id id:id name:text payload:bytes sent_at:int number:int",
    ),
    _table("hydra_child", "parent_id", "child_id request_id", "child_id:id request_id:id parent_id:id"),
    _table(
        "hydra_claim",
        "execution_id",
        "execution_id epoch",
        "execution_id:id epoch:int attempt:int node:id worker:int claimed_at:int ended_at:int ending:text detail:text "
        "payload:bytes",
    ),
    _table(
        "hydra_progress",
        "execution_id",
        "execution_id place",
        "execution_id:id place:bytes branch:text name:text ordinal:int attempt:int payload:bytes started_at:int "
        "reported_at:int",
    ),
    _table("hydra_consumed", "execution_id", "execution_id message_id", "execution_id:id message_id:bytes"),
    _table("hydra_descendant", "execution_id", "execution_id", "execution_id:id root_id:id"),
    _table("hydra_former_key", "execution_id", "execution_id", "execution_id:id"),
)

OF_NAMESPACES = (
    _table(
        "hydra_key",
        "",
        "workflow key",
        "workflow:text key=idempotency_key:text execution_id:id digest:bytes created_at:int",
    ),
    _table(
        "hydra_schedule",
        "",
        "name",
        "name:text spec:text revision:int mark_at:int next_at:int paused_at:int progress:text",
    ),
    _table("hydra_workflow", "", "name", "name:text signature:bytes timeout_us:int code_version:text labels:text"),
    _table(
        "hydra_pause",
        "",
        "kind name",
        "kind:text name:text paused_at:int paused_by:text reason:text",
        "kind = 'node'",  # it goes with its node
    ),
    _table(
        "hydra_limit",
        "",
        "kind name",
        "kind:text name:text count:int per_us:int burst:int set_count:int set_per_us:int set_burst:int",
    ),
    _table("hydra_limit_key", "", "limit_key", "limit_key:text due_at:int look_at:int?"),
    _table("hydra_slot", "", "limit_key execution_id", "limit_key:text execution_id:id bound:int"),
    _table("hydra_weight", "", "limit_key", "limit_key:text weight:int set_weight:int"),
    _table(
        "hydra_key_pause",
        "",
        "limit_key",
        "limit_key:text until_at:int paused_at:int paused_by:text reason:text",
    ),
    _table(
        "hydra_attribute",
        "",
        "execution_id name",
        "execution_id:id name:text value:bytes first_value:bytes",
    ),
    _table("hydra_payload_key", "", "number", "number:int key_id:text wrapped:bytes added_at:int"),
    _table("hydra_gate_call", "", "id", "id:int limit_key:text"),
    _table(
        "hydra_act",
        "",
        "execution_id id",
        "execution_id:id id:id kind:text done_at:int done_by:text done_from:text reason:text detail:text",
    ),
    _table(
        "hydra_approval",
        "",
        "id",
        "id:id kind:text state:text what:text payload:bytes asked_at:int asked_by:text asked_from:text reason:text "
        "expires_at:int decided_at:int decided_by:text decided_from:text decided_reason:text",
    ),
)

_NODES = "nodes of the source go on nowhere; what they held was given back before"
_DERIVED = "made again from what is moved"

NOT_MOVED: dict[str, str] = {
    "hydra_schema": "the target has its own",
    "hydra_move": "of the move itself",
    "hydra_node": _NODES,
    "hydra_node_beat": _NODES,
    "hydra_node_workflow": _NODES,
    "hydra_node_schedule": _NODES,
    "hydra_count": _DERIVED,
    "hydra_tally": _DERIVED,
    "hydra_delta": _DERIVED,
    "hydra_ready": _DERIVED,
    "hydra_timer": _DERIVED,
    "hydra_deadline": _DERIVED,
    "hydra_finished": _DERIVED,
    "hydra_gated": _DERIVED,
    "hydra_probe": "a row is in it for a moment only",
}

NOT_FENCED = (_DERIVED, NOT_MOVED["hydra_move"])

EXECUTIONS = "executions"  # the name under which executions are counted, whatever tables they lie in


def forgotten(tables: Mapping[str, set[str]], known: Mapping[str, set[str]]) -> list[str]:
    """Tables, and columns as `table.column`, that a database has and a move would leave behind."""
    found = [name for name in tables if name not in known and name not in NOT_MOVED]
    return sorted(found + [f"{name}.{column}" for name in known for column in tables.get(name, set()) - known[name]])


_AT = {column.name: place for place, column in enumerate(EXECUTION)}


def as_dict(row: Row) -> dict[str, Any]:
    """An execution's row by the names of its columns."""
    return {column.name: value for column, value in zip(EXECUTION, row, strict=True)}


def first_key(limit_keys: str | None) -> str | None:
    return msgspec.json.decode(limit_keys, type=list[str])[0] if limit_keys else None


def same_execution(row: Sequence[Any]) -> Row:
    """What two stores keep of one execution, without what only one of them has.

    PostgreSQL has no cause of what is open, and of what has ended neither its place in queues nor who is to be told.
    """
    values = list(row)
    values[_AT["tags"]] = same_json(values[_AT["tags"]])
    values[_AT["limit_keys"]] = same_json(values[_AT["limit_keys"]])
    own_priority, own_run_at = values[_AT["own_priority"]], values[_AT["own_run_at"]]
    if values[_AT["finished_at"]] is None:
        values[_AT["cause"]], values[_AT["cause_seq"]] = "", 0
        return tuple(values)
    if own_priority is not None:
        values[_AT["priority"]] = own_priority
    if own_run_at is not None:
        values[_AT["run_at"]] = own_run_at
    values[_AT["own_priority"]] = values[_AT["own_run_at"]] = values[_AT["wake_at"]] = None
    values[_AT["is_child"]] = 0
    values[_AT["gate"]] = first_key(values[_AT["limit_keys"]])
    return tuple(values)


def same_json(text: str | None) -> str | None:
    return None if text is None else msgspec.json.encode(msgspec.json.decode(text), order="sorted").decode()


class Digest:
    """How many rows, and the sum of their digests: the same for the same rows in any order."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, row: Row) -> None:
        encoded = msgspec.msgpack.encode(row)
        self.count += 1
        self._sum = (self._sum + int.from_bytes(hashlib.blake2b(encoded, digest_size=16).digest())) % (1 << 128)

    def text(self) -> str:
        return f"{self._sum:032x}"


Derive = Callable[[str, dict[str, Any]], Value]  # of a namespace and a row by its columns
