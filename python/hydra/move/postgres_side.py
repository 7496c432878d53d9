"""A PostgreSQL database as a move sees it: what is open and what has ended lie in tables of their own."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hydra.blocks import contextmanager
from hydra.move.patient_connection import PatientConnection
from hydra.move.side import (
    LOCK_SECONDS,
    Key,
    Side,
    counted,
    fence_name,
    grouped,
    sentence_of,
)
from hydra.move.tables import EXECUTION, Column, Derive, Kind, Row, Table, as_dict
from hydra.stores.postgres import PostgresStore
from hydra.stores.postgres.address import CONNECT_SECONDS, parse_address
from hydra.stores.postgres.arrays import key_hash
from hydra.stores.postgres.failures import explain

_SUBMITTED = ("workflow", "key", "digest", "input", "tags", "limit_keys", "submitted_at")
_COUNTED = ("epoch", "attempt", "wake_seq", "record_count", "death_count", "alone_death_count")
_SHARED = ("run_at", "timeout_at", "started_at", "claimed_at", *_COUNTED, "status", "attention", "workflow")
_OPEN = ("wake_at", "priority", "is_child", "own_priority", "own_run_at")
_ENDED = ("finished_at", "cause", "cause_seq")
_CASTS = {Kind.ID: "%s::uuid", Kind.JSON: "%s::jsonb", Kind.FLAG: "%s::int::boolean"}
_SHOWN = {Kind.ID: "::text", Kind.JSON: "::text", Kind.FLAG: "::int"}
_KINDS = {column.name: column for column in EXECUTION}

REFUSE = """
create or replace function hydra_move_refuse() returns trigger language plpgsql as $$
begin
    if current_setting('hydra.moving', true) is distinct from tg_argv[0] then
        raise exception '%', tg_argv[1];
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    return new;
end
$$
"""


class PostgresSide(Side):
    derived: ClassVar[dict[str, dict[str, Derive]]] = {
        "hydra_key": {"key_hash": lambda _, row: key_hash(row["key"])},
        "hydra_child": {"is_late": lambda _, __: False},  # see `finish`
    }

    def __init__(self, store: PostgresStore, url: str) -> None:
        self.place = store.url
        try:
            asked: dict[str, Any] = {
                "connect_timeout": CONNECT_SECONDS,
                **conninfo_to_dict(parse_address(url).conninfo),
            }
            self._connection = PatientConnection.connect(
                make_conninfo(**asked), autocommit=True, prepare_threshold=None
            )
        except psycopg.Error as error:
            raise explain(error, self.place) or error from error

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._explained():
            return self._connection.execute(sql.encode(), values or None).fetchall()

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        with self._explained():
            return self._connection.execute(sql.encode(), values or None).rowcount

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        with self._explained(), _told_once(), self._connection.cursor() as cursor:
            cursor.executemany(sql.encode(), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._explained(), self._connection.transaction():
            yield

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            clear = explain(error, self.place)
            if clear is None:
                raise
            raise clear from error

    def close(self) -> None:
        self._connection.close()

    def fits(self, error: Exception) -> bool:
        return not isinstance(error, psycopg.DataError | psycopg.IntegrityError)

    def literal(self, text: str) -> str:
        doubled = text.replace("'", "''")
        return f"'{doubled}'"

    def shown(self, column: Column) -> str:
        return self.name(column) + _SHOWN.get(column.kind, "")

    def mark(self, column: Column) -> str:
        return _CASTS.get(column.kind, "%s")

    def tables(self) -> dict[str, set[str]]:
        return grouped(
            self.query(
                "select c.relname, a.attname from pg_class as c "
                "join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
                "where c.relkind = 'r' and starts_with(c.relname, 'hydra_') and pg_table_is_visible(c.oid)"
            )
        )

    def execution_tables(self) -> dict[str, set[str]]:
        submission = {*_SUBMITTED, "execution_id", "namespace", "due_at", "timeout_at", "priority"}
        return {
            "hydra_submission": submission,
            "hydra_execution": {*_SHARED, *_OPEN, "id", "namespace", "gate", "owner"},
            "hydra_outcome": {*_SHARED, *_ENDED, "execution_id", "namespace"},
        }

    def sizes(self, namespace: str, after: str, limit: int) -> list[tuple[str, int]]:
        sql = """
            select s.execution_id::text, octet_length(s.input) + coalesce((
                select sum(octet_length(r.payload)) from hydra_record as r where r.execution_id = s.execution_id
            ), 0)::bigint
            from hydra_submission as s
            where s.namespace = %s and s.execution_id > %s::uuid
            order by s.execution_id
            limit %s
        """
        first = after or "00000000-0000-0000-0000-000000000000"
        return [(id, size) for id, size in self.query(sql, [namespace, first, limit])]

    def read_executions(self, ids: Sequence[str]) -> list[Row]:
        marks = ", ".join(["%s::uuid"] * len(ids))
        sql = f"""
            select {", ".join(map(_read, (column.name for column in EXECUTION)))}
            from hydra_submission as s
            left join hydra_execution as e on e.id = s.execution_id
            left join hydra_outcome as o on o.execution_id = s.execution_id
            where s.execution_id in ({marks})
        """
        return self.query(sql, ids)

    def put_executions(self, namespace: str, rows: Sequence[Row]) -> None:
        found = [as_dict(row) | {"namespace": namespace} for row in rows]
        for each in found:
            each["execution_id"], each["due_at"] = each["id"], each["submitted_at"]
        asked = [
            each
            | {
                "timeout_at": None if each["timeout_us"] is None else each["submitted_at"] + each["timeout_us"],
                "priority": each["priority"] if each["own_priority"] is None else each["own_priority"],
            }
            for each in found
        ]
        opened = [each for each in found if each["finished_at"] is None]
        ended = [each for each in found if each["finished_at"] is not None]
        submitted = ["execution_id", "namespace", *_SUBMITTED, "due_at", "timeout_at", "priority"]
        self._put("hydra_submission", submitted, asked)
        self._put("hydra_execution", ["id", "namespace", *_SHARED, *_OPEN], opened)
        # By itself: a trigger would have what is inserted with a gate wait anew.
        gates = [(each["gate"], each["id"]) for each in opened if each["gate"] is not None]
        self.run_many("update hydra_execution set gate = %s where id = %s::uuid", gates)
        self._put("hydra_outcome", ["execution_id", "namespace", *_SHARED, *_ENDED], ended)
        self.run_many(
            "insert into hydra_count (namespace, workflow, status, count) values (%s, %s, %s, %s)",
            [[namespace, *place, count] for place, count in counted(ended).items()],
        )

    def _put(self, table: str, names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        marks = [
            "%s::uuid" if name == "execution_id" else self.mark(_KINDS[name]) if name in _KINDS else "%s"
            for name in names
        ]
        self.insert(table, names, marks, [[row[name] for name in names] for row in rows])

    def keys(self, table: Table) -> list[Key]:
        if table.name != "hydra_key":
            return super().keys(table)
        workflow = super().keys(table)[0]
        return [workflow, Key("key_hash", "decode(%s, 'hex')", lambda _, row: key_hash(row["key"]).hex(), str)]

    def create_state_table(self) -> None:
        with self.transaction():
            self._take_turn()
            self._create_state_table()

    def _create_state_table(self) -> None:
        self.run(
            'create table if not exists hydra_move (role text not null, namespace text collate "C" not null, '
            "id text not null, state text not null, other text not null, place text not null, "
            "primary key (role, namespace))"
        )

    @contextmanager
    def writing(self, id: str) -> Iterator[None]:
        with self.transaction():
            self.query("select set_config('hydra.moving', %s, true)", [id])
            yield

    def raise_fence(self, namespace: str | None, id: str | None, *, comes_back: bool = False) -> None:
        said = self.literal(sentence_of(namespace, is_source=id is None))
        asks = self.literal(id or "nobody")
        with self.transaction():
            self._take_turn()
            self.query(f"select set_config('lock_timeout', '{LOCK_SECONDS}s', true)")
            self.run(REFUSE)
            there = {name for (name,) in self.query("select tgname from pg_trigger")}
            for table in self.fenced_tables():
                for event, events, row in (("insert", "insert", "new"), ("change", "update or delete", "old")):
                    name = fence_name(table, event, namespace, id if comes_back else None)
                    if name in there:
                        continue
                    when = "" if namespace is None else f"when ({row}.namespace = {self.literal(namespace)})"
                    self.run(
                        f"create trigger {name} before {events} on {table} for each row {when} "
                        f"execute function hydra_move_refuse({asks}, {said})"
                    )

    def _take_turn(self) -> None:
        """Of two moves that change triggers at once PostgreSQL would fail one ("tuple concurrently updated")."""
        self.query("select pg_advisory_xact_lock(hashtext('hydra_move'), hashtext(current_schema()))")

    def fences(self, prefix: str) -> list[tuple[str, str]]:
        found = self.query(
            "select t.tgname, c.relname from pg_trigger as t join pg_class as c on c.oid = t.tgrelid "
            "where starts_with(t.tgname, %s) and pg_table_is_visible(c.oid)",
            [prefix],
        )
        return [(name, table) for name, table in found]

    def drop_fences(self, prefix: str, *, but: str | None = None) -> None:
        with self.transaction():
            self._take_turn()
            for name, table in self.fences(prefix):
                if but is None or not name.startswith(but):
                    self.run(f"drop trigger if exists {name} on {table}")

    def delete_some(self, table: str, namespace: str, limit: int) -> int:
        some = f"select ctid from {table} where namespace = %s limit %s"
        return self.run(f"delete from {table} where ctid = any(array({some}))", [namespace, limit])

    def finish(self, namespace: str) -> None:
        """Heartbeats look for links to children that have ended and were not told of."""
        self.run(
            "update hydra_child as c set is_late = true from hydra_submission as s "
            "where s.execution_id = c.parent_id and s.namespace = %s "
            "and not exists (select 1 from hydra_execution as e where e.id = c.child_id)",
            [namespace],
        )


@contextmanager
def _told_once() -> Iterator[None]:
    """The driver logs that its pipeline was aborted, beside the error that says why."""
    log = logging.getLogger("psycopg")

    def is_other(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("error ignored terminating")

    log.addFilter(is_other)
    try:
        yield
    finally:
        log.removeFilter(is_other)


def _read(name: str) -> str:
    if name == "id":
        return "s.execution_id::text"
    if name == "timeout_us":
        return "s.timeout_at - greatest(s.due_at, s.submitted_at)"
    if name == "record_count":
        counted = "(select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = s.execution_id)"
        return f"coalesce(o.record_count, {counted})"
    if name == "priority":
        return "coalesce(e.priority, s.priority)"
    if name == "is_child":
        return "coalesce(e.is_child, false)::int"
    if name in ("cause", "cause_seq"):
        return "coalesce(o.cause, '')" if name == "cause" else "coalesce(o.cause_seq, 0)"
    if name in _SUBMITTED:
        return f"s.{name}" + _SHOWN.get(_KINDS[name].kind, "")
    if name in _SHARED:
        return f"coalesce(e.{name}, o.{name})"
    return f"o.{name}" if name in _ENDED else f"e.{name}"
