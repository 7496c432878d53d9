"""A SQLite file as a move sees it. One writer at a time, so a fence stands as soon as its transaction is over."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.blocks import contextmanager
from hydra.errors import SchemaError
from hydra.move.side import (
    Side,
    counted,
    fence_name,
    grouped,
    sentence_of,
)
from hydra.move.tables import EXECUTION, Row, as_dict
from hydra.stores.sqlite import SqliteStore
from hydra.stores.sqlite.failures import explained

BUSY_SECONDS = 20.0

_OWN = ("timeout_us", "limit_keys", "key", "digest", "input", "tags", "submitted_at")  # of hydra_submission
_LISTED = [column.name for column in EXECUTION]


class SqliteSide(Side):
    def __init__(self, store: SqliteStore) -> None:
        self.place = store.url
        self._path = store.path
        if not os.path.exists(self._path):  # looking makes no file
            raise SchemaError(f"there is no database `{self._path}`; run `hydra migrate` to make it")
        with explained(self._path):
            self._connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
            self._connection.execute("pragma synchronous = full")

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with explained(self._path):
            return self._connection.execute(sql.replace("%s", "?"), values).fetchall()

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        with explained(self._path):
            return self._connection.execute(sql.replace("%s", "?"), values).rowcount

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        with explained(self._path):
            self._connection.executemany(sql.replace("%s", "?"), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.run("begin immediate")
        try:
            yield
            self.run("commit")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    def close(self) -> None:
        self._connection.close()

    def identity(self) -> str:
        return self._path

    def fits(self, error: Exception) -> bool:
        return not isinstance(error, sqlite3.IntegrityError | OverflowError)

    def literal(self, text: str) -> str:
        doubled = text.replace("'", "''")
        return f"'{doubled}'"

    def tables(self) -> dict[str, set[str]]:
        return grouped(
            self.query(
                "select t.name, c.name from sqlite_master as t join pragma_table_info(t.name) as c "
                "where t.type = 'table' and t.name like 'hydra\\_%' escape '\\'"
            )
        )

    def execution_tables(self) -> dict[str, set[str]]:
        return {
            "hydra_execution": {name for name in _LISTED if name not in _OWN} | {"namespace", "owner"},
            "hydra_submission": {*_OWN, "execution_id"},
        }

    def sizes(self, namespace: str, after: str, limit: int) -> list[tuple[str, int]]:
        sql = """
            select e.id, length(s.input)
                + coalesce((select sum(length(r.payload)) from hydra_record as r where r.execution_id = e.id), 0)
            from hydra_execution as e
            join hydra_submission as s on s.execution_id = e.id
            where e.namespace = %s and e.id > %s
            order by e.id
            limit %s
        """
        return [(id, size) for id, size in self.query(sql, [namespace, after, limit])]

    def read_executions(self, ids: Sequence[str]) -> list[Row]:
        shown = [_read(name) for name in _LISTED]
        marks = ", ".join(["%s"] * len(ids))
        sql = f"""
            select {", ".join(shown)}
            from hydra_execution as e
            join hydra_submission as s on s.execution_id = e.id
            where e.id in ({marks})
        """
        return self.query(sql, ids)

    def put_executions(self, namespace: str, rows: Sequence[Row]) -> None:
        found = [as_dict(row) for row in rows]
        hot = [name for name in _LISTED if name not in _OWN and name != "gate"]
        self.insert(
            "hydra_execution",
            [*hot, "namespace"],
            ["%s"] * (len(hot) + 1),
            [[*(each[name] for name in hot), namespace] for each in found],
        )
        # By itself: a trigger would have what is inserted with a gate wait anew.
        gates = [(each["gate"], each["id"]) for each in found if each["gate"] is not None]
        self.run_many("update hydra_execution set gate = %s where id = %s", gates)
        self.insert(
            "hydra_submission",
            ["execution_id", *_OWN],
            ["%s"] * (len(_OWN) + 1),
            [[each["id"], *(each[name] for name in _OWN)] for each in found],
        )
        self.run_many(
            "insert into hydra_count (namespace, workflow, status, count) values (%s, %s, %s, %s) "
            "on conflict do update set count = count + excluded.count",
            [[namespace, *place, count] for place, count in counted(found).items()],
        )

    def create_state_table(self) -> None:
        self.run(
            "create table if not exists hydra_move (role text not null, namespace text not null, id text not null, "
            "state text not null, other text not null, place text not null, primary key (role, namespace))"
        )

    @contextmanager
    def writing(self, id: str) -> Iterator[None]:
        """By a line that nobody else ever sees: it is gone when the transaction ends."""
        with self.transaction():
            self.run("insert into hydra_move values ('writing', %s, '', '', '', '')", [id])
            yield
            self.run("delete from hydra_move where role = 'writing' and namespace = %s", [id])

    def raise_fence(self, namespace: str | None, id: str | None, *, comes_back: bool = False) -> None:
        said = self.literal(sentence_of(namespace, is_source=id is None))
        with self.transaction():
            for table in self.fenced_tables():
                for event, row in (("insert", "new"), ("update", "new"), ("delete", "old")):
                    conditions = [] if namespace is None else [f"{row}.namespace = {self.literal(namespace)}"]
                    if id is not None:
                        writing = f"select 1 from hydra_move where role = 'writing' and namespace = {self.literal(id)}"
                        conditions.append(f"not exists ({writing})")
                    when = f"when {' and '.join(conditions)}" if conditions else ""
                    name = fence_name(table, event, namespace, id if comes_back else None)
                    self.run(
                        f"create trigger if not exists {name} before {event} on {table} "
                        f"{when} begin select raise(abort, {said}); end"
                    )

    def fences(self, prefix: str) -> list[tuple[str, str]]:
        found = self.query("select name, tbl_name from sqlite_master where type = 'trigger'")
        return [(name, table) for name, table in found if name.startswith(prefix)]

    def drop_fences(self, prefix: str, *, but: str | None = None) -> None:
        for name, _ in self.fences(prefix):
            if but is None or not name.startswith(but):
                self.run(f"drop trigger if exists {name}")

    def delete_some(self, table: str, namespace: str, limit: int) -> int:
        found = self.query("select name from pragma_table_info(%s) where pk > 0", [table])
        key = ", ".join(f'"{name}"' for (name,) in found) or "rowid"
        some = f"select {key} from {table} where namespace = %s limit %s"
        return self.run(f"delete from {table} where ({key}) in ({some})", [namespace, limit])


def _read(name: str) -> str:
    if name == "timeout_us":
        return "coalesce(s.timeout_us, e.timeout_at - s.submitted_at)"
    return f"s.{name}" if name in _OWN else f"e.{name}"
