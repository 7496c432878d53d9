"""A MySQL or MariaDB database as a move sees it: texts are bytes, nulls are zeros, queues are tables of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pymysql
from pymysql.constants import CLIENT

from hydra.blocks import contextmanager
from hydra.errors import ConfigError
from hydra.move.side import (
    LOCK_SECONDS,
    REPLY_SECONDS,
    Key,
    Side,
    counted,
    fence_name,
    grouped,
    sentence_of,
)
from hydra.move.tables import EXECUTION, Column, Derive, Kind, Row, Table, as_dict, first_key
from hydra.stores.admission import NEVER
from hydra.stores.mysql import MysqlStore
from hydra.stores.mysql.address import read_address
from hydra.stores.mysql.failures import error_code, explain
from hydra.stores.mysql.statements import id_literal, id_text, key_hash, literal

_DIES_OF_TRIGGERS = (1142, 1227, 1419)
_IS_THERE = 1359
_WAITS_IN_TIME = ("pending", "sleeping", "waiting")


class MysqlSide(Side):
    is_mysql: ClassVar[bool] = True
    derived: ClassVar[dict[str, dict[str, Derive]]] = {
        "hydra_key": {"key_hash": lambda namespace, row: _hash_of_key(namespace, row)},
        "hydra_message": {"size": lambda _, row: len(row["payload"])},
    }

    def __init__(self, store: MysqlStore, url: str) -> None:
        self.place = store.url
        self._named = read_address(url).place
        with self._explained():
            self._connection = pymysql.connect(
                **read_address(url).arguments(),
                charset="utf8mb4",
                autocommit=True,
                read_timeout=REPLY_SECONDS,
                client_flag=CLIENT.FOUND_ROWS,  # counts are of the rows that matched
            )
            self.run("set session transaction isolation level read committed")
            self.run(f"set session sql_mode = 'STRICT_ALL_TABLES', lock_wait_timeout = {LOCK_SECONDS}")

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._explained(), self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        with self._explained(), self._connection.cursor() as cursor:
            return int(cursor.execute(sql, values or None))

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            with self._explained(), self._connection.cursor() as cursor:
                cursor.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.run("begin")
        try:
            yield
            self.run("commit")
        except BaseException:
            if self._connection.open:
                with self._explained():
                    self._connection.rollback()
            raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (pymysql.MySQLError, OSError) as error:
            clear = explain(error, self._named)
            if clear is None:
                raise
            raise clear from error

    def close(self) -> None:
        if self._connection.open:
            self._connection.close()

    def fits(self, error: Exception) -> bool:
        return not isinstance(error, pymysql.DataError | pymysql.IntegrityError)

    def literal(self, text: str) -> str:
        return literal(text)

    def to_value(self, column: Column, value: Any) -> Any:
        if value is None:
            if not column.is_zero:
                return None
            return 0 if column.kind is Kind.INT else b""
        if column.kind is Kind.ID:
            return bytes.fromhex(id_literal(value)[2:-1])
        return value.encode() if column.kind in (Kind.TEXT, Kind.JSON) else value

    def from_value(self, column: Column, value: Any) -> Any:
        if value is None or (column.is_zero and value in (0, b"", "")):
            return None
        if column.kind is Kind.ID:
            return id_text(value)
        if column.kind in (Kind.TEXT, Kind.JSON) and isinstance(value, bytes):
            return value.decode()
        return super().from_value(column, value)

    def tables(self) -> dict[str, set[str]]:
        return grouped(
            self.query(
                "select table_name, column_name from information_schema.columns "
                "where table_schema = database() and table_name like 'hydra\\_%'"
            )
        )

    def execution_tables(self) -> dict[str, set[str]]:
        return {"hydra_execution": {c.mysql_name for c in EXECUTION} | {"namespace", "owner", "first_gate"}}

    def sizes(self, namespace: str, after: str, limit: int) -> list[tuple[str, int]]:
        sql = """
            select e.id, length(e.input)
                + coalesce((select sum(length(r.payload)) from hydra_record as r where r.execution_id = e.id), 0)
            from hydra_execution as e force index (primary)
            where e.namespace = %s and e.id > %s
            order by e.id
            limit %s
        """
        found = self.query(sql, [namespace.encode(), bytes.fromhex(after.replace("-", "")), limit])
        return [(id_text(id), int(size)) for id, size in found]

    def read_executions(self, ids: Sequence[str]) -> list[Row]:
        marks = ", ".join(id_literal(id) for id in ids)
        shown = ", ".join(map(_read, EXECUTION))
        return self.query(f"select {shown} from hydra_execution as e where e.id in ({marks})")

    def put_executions(self, namespace: str, rows: Sequence[Row]) -> None:
        found = [as_dict(row) for row in rows]
        space = namespace.encode()
        names = [*(self.name(column) for column in EXECUTION), "namespace", "owner", "first_gate"]
        written = [
            [
                *(self.to_value(column, each[column.name]) for column in EXECUTION),
                space,
                bytes(16),
                (first_key(each["limit_keys"]) or "").encode(),
            ]
            for each in found
        ]
        self.insert("hydra_execution", names, ["%s"] * len(names), written)
        self._queue(space, found)
        self.run_many(
            "insert into hydra_tally (namespace, workflow, status, slot, total) values (%s, %s, %s, 0, %s) "
            "on duplicate key update total = total + values(total)",
            [[space, workflow.encode(), status, n] for (workflow, status), n in counted(found).items()],
        )

    def _queue(self, space: bytes, found: Sequence[dict[str, Any]]) -> None:
        """Each where its state says."""
        queues: dict[str, list[list[Any]]] = {}
        for each in found:
            id, status, wake_at = bytes.fromhex(each["id"].replace("-", "")), each["status"], each["wake_at"]
            place = [-each["priority"], each["run_at"], id]
            if status == "pending" and wake_at is None:
                queues.setdefault("hydra_ready", []).append([space, each["workflow"].encode(), *place])
            elif status == "pending" and wake_at == NEVER:
                queues.setdefault("hydra_gated", []).append([space, each["gate"].encode(), *place])
            elif wake_at is not None:
                queues.setdefault("hydra_timer", []).append([space, wake_at, id])
            if each["finished_at"] is not None:
                queues.setdefault("hydra_finished", []).append([space, each["finished_at"], id])
            if each["timeout_at"] is not None and status in _WAITS_IN_TIME and each["attention"] is None:
                queues.setdefault("hydra_deadline", []).append([space, each["timeout_at"], id])
        for table, rows in queues.items():
            names = _QUEUES[table]
            self.insert(table, names, ["%s"] * len(names), rows)

    def keys(self, table: Table) -> list[Key]:
        if table.name != "hydra_key":
            return super().keys(table)
        return [Key("key_hash", "unhex(%s)", lambda namespace, row: _hash_of_key(namespace, row).hex(), str)]

    def create_state_table(self) -> None:
        self.run(
            "create table if not exists hydra_move (role varchar(16) character set ascii not null, "
            "namespace varbinary(200) not null, id varchar(64) character set ascii not null, "
            "state varchar(16) character set ascii not null, other varbinary(4096) not null, place longblob not null, "
            "primary key (role, namespace)) engine = innodb row_format = dynamic"
        )

    @contextmanager
    def writing(self, id: str) -> Iterator[None]:
        self.run("set @hydra_moving = %s", [id])
        try:
            with self.transaction():
                yield
        finally:
            if self._connection.open:
                self.run("set @hydra_moving = null")

    def raise_fence(self, namespace: str | None, id: str | None, *, comes_back: bool = False) -> None:
        """A trigger at a time: MySQL ends the transaction at each. Whoever comes in between meets some of them, and a
        submission or an end needs tables that all of them guard."""
        said = sentence_of(namespace, is_source=id is None).replace("'", "")
        there = {name for name, _ in self.query(_TRIGGERS)}
        for table in self.fenced_tables():
            for event, row in (("insert", "new"), ("update", "new"), ("delete", "old")):
                name = fence_name(table, event, namespace, id if comes_back else None)
                if name in there:
                    continue
                conditions = [] if namespace is None else [f"{row}.namespace = {literal(namespace)}"]
                conditions += [] if id is None else [f"not (@hydra_moving <=> '{id}')"]
                when = " and ".join(conditions) or "true"
                self._create(
                    f"create trigger {name} before {event} on {table} for each row "
                    f"if {when} then signal sqlstate '45000' set message_text = '{said}'; end if"
                )

    def _create(self, sql: str) -> None:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql)
        except pymysql.MySQLError as error:
            if error_code(error) == _IS_THERE:
                return
            if error_code(error) not in _DIES_OF_TRIGGERS:
                raise explain(error, self._named) or error from error
            message = f"the database `{self._named}` lets this user create no trigger ({error.args[-1]})"
            raise ConfigError(
                f"{message}; grant `trigger` to it, and set `log_bin_trust_function_creators = 1`"
            ) from error

    def fences(self, prefix: str) -> list[tuple[str, str]]:
        return [(name, table) for name, table in self.query(_TRIGGERS) if name.startswith(prefix)]

    def drop_fences(self, prefix: str, *, but: str | None = None) -> None:
        for name, _ in self.fences(prefix):
            if but is None or not name.startswith(but):
                self.run(f"drop trigger if exists {name}")

    def delete_some(self, table: str, namespace: str, limit: int) -> int:
        return self.run(f"delete from {table} where namespace = %s limit {limit}", [namespace.encode()])


_TRIGGERS = "select trigger_name, event_object_table from information_schema.triggers where trigger_schema = database()"
_QUEUES = {
    "hydra_ready": ["namespace", "workflow", "negated_priority", "run_at", "id"],
    "hydra_gated": ["namespace", "limit_key", "negated_priority", "run_at", "id"],
    "hydra_timer": ["namespace", "due_at", "id"],
    "hydra_deadline": ["namespace", "timeout_at", "id"],
    "hydra_finished": ["namespace", "finished_at", "id"],
}


def _hash_of_key(namespace: str, row: dict[str, Any]) -> bytes:
    return bytes.fromhex(key_hash(namespace, row["workflow"], row["key"])[2:-1])


def _read(column: Column) -> str:
    if column.name == "timeout_us":
        return "if(e.timeout_us > 0, e.timeout_us, if(e.timeout_at > 0, e.timeout_at - e.submitted_at, 0))"
    return f"e.{column.mysql_name}"
