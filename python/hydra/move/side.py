"""One database as a move sees it: rows out, rows in, a fence. Statements are made from `tables`, by name and kind.

Each subclass knows how its store spells an id, a JSON text or a null, where executions lie, and how it refuses writes.
What this class calls `namespace` is always that of one move.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, NamedTuple

from hydra.errors import HydraError
from hydra.move.tables import (
    EXECUTION,
    NOT_FENCED,
    NOT_MOVED,
    OF_EXECUTIONS,
    OF_NAMESPACES,
    Column,
    Derive,
    Kind,
    Row,
    Table,
    same_execution,
)
from hydra.stores.moved import ABANDONED, DONE, FILLING, FROM_HERE, MARK, TARGET

TAKEN_BACK = "taken back"  # the role of a line of a source: the last order to take a move back
BATCH_BYTES = 8 << 20  # of inputs and records; one execution at least
REPLY_SECONDS = 300.0  # for one statement, some of which read a whole table; then the server is given up
LOCK_SECONDS = 15  # for transactions under way to end before the fence stands


class State(NamedTuple):
    """A line of hydra_move. `cursor` is how far the target is filled."""

    id: str
    state: str
    other: str
    cursor: str


class Key(NamedTuple):
    """A column that rows are paged by."""

    sql: str
    mark: str
    place: Callable[[str, dict[str, Any]], int | str]  # of a namespace and a row
    to_value: Callable[[int | str], Any]


class Side(ABC):
    """See the module's text. `place` is the URL without a password."""

    place: str
    derived: ClassVar[dict[str, dict[str, Derive]]] = {}  # columns that only this store has, made from the others
    is_mysql: ClassVar[bool] = False

    # what each store says in its own way

    @abstractmethod
    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Row]: ...

    @abstractmethod
    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """How many rows it changed."""

    @abstractmethod
    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None: ...

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]: ...

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def tables(self) -> dict[str, set[str]]:
        """Hydra's tables, and the columns of each."""

    @abstractmethod
    def execution_tables(self) -> dict[str, set[str]]:
        """Where executions lie: each column that is read or written, or left out for a reason."""

    @abstractmethod
    def sizes(self, namespace: str, after: str, limit: int) -> list[tuple[str, int]]:
        """The next executions by their ids, and how many bytes each brings."""

    @abstractmethod
    def read_executions(self, ids: Sequence[str]) -> list[Row]: ...

    @abstractmethod
    def put_executions(self, namespace: str, rows: Sequence[Row]) -> None:
        """With all that is made from them: counts, queues."""

    @abstractmethod
    def create_state_table(self) -> None: ...

    @abstractmethod
    def writing(self, id: str) -> AbstractContextManager[None]:
        """A transaction that writes through the fence of its own move."""

    @abstractmethod
    def raise_fence(self, namespace: str | None, id: str | None, *, comes_back: bool = False) -> None:
        """No program writes anything of the namespace (None: of any) from when this returns, whatever it has open;
        but `writing(id)`. Waits for transactions under way. One that `comes_back` gets a fence of its own, by its id,
        so that those of before may be dropped with no moment in between."""

    @abstractmethod
    def fences(self, prefix: str) -> list[tuple[str, str]]:
        """Triggers whose names begin so, each with its table."""

    @abstractmethod
    def drop_fences(self, prefix: str, *, but: str | None = None) -> None:
        """Those whose names begin so, but not with `but`."""

    @abstractmethod
    def delete_some(self, table: str, namespace: str, limit: int) -> int:
        """How many rows of the namespace went."""

    @abstractmethod
    def literal(self, text: str) -> str: ...

    @abstractmethod
    def fits(self, error: Exception) -> bool:
        """False for an error that a row does not fit."""

    def finish(self, namespace: str) -> None:
        """What is left to do once all rows are there."""
        del namespace

    def identity(self) -> str:
        """The same for one database, as far as its URL tells."""
        return self.place

    # spelling

    def name(self, column: Column) -> str:
        return f"`{column.mysql_name}`" if self.is_mysql else f'"{column.name}"'

    def shown(self, column: Column) -> str:
        return self.name(column)

    def mark(self, column: Column) -> str:
        del column
        return "%s"

    def to_value(self, column: Column, value: Any) -> Any:
        """As the database takes it."""
        del column
        return value

    def from_value(self, column: Column, value: Any) -> Any:
        """As it is the same on all stores."""
        return int(value) if column.kind is Kind.FLAG else value

    def from_row(self, columns: Sequence[Column], row: Sequence[Any]) -> Row:
        return tuple(self.from_value(column, value) for column, value in zip(columns, row, strict=True))

    # what there is

    def known(self) -> dict[str, set[str]]:
        """Every column that a move knows, by table."""
        found = self.execution_tables()
        for table in (*OF_EXECUTIONS, *OF_NAMESPACES):
            names = {column.mysql_name if self.is_mysql else column.name for column in table.columns}
            own = set(self.derived.get(table.name, {}))
            found[table.name] = names | own | (set() if table.owner else {"namespace"})
        return found

    def namespaces(self) -> list[str]:
        found: set[str] = set()
        for name, columns in self.tables().items():
            if "namespace" in columns and name not in ("hydra_move", "hydra_node"):
                found |= {_text(row[0]) for row in self.query(f"select distinct namespace from {name}")}
        return sorted(found)

    def fenced_tables(self) -> list[str]:
        """All that say a namespace, but for what is never written alone: counts and queues. A new table is fenced
        without being named anywhere."""
        tables = self.tables().items()
        return sorted(n for n, columns in tables if "namespace" in columns and NOT_MOVED.get(n, "") not in NOT_FENCED)

    def occupied(self, namespace: str) -> str | None:
        """A table that has something of the namespace."""
        for name in self.fenced_tables():
            if self.query(f"select 1 from {name} where namespace = %s limit 1", [self.text(namespace)]):
                return name
        return None

    def text(self, text: str) -> Any:
        return self.to_value(Column("", Kind.TEXT, "", False), text)

    def running_count(self, namespace: str) -> int:
        sql = "select count(*) from hydra_execution where namespace = %s and status = 'running'"
        return int(self.query(sql, [self.text(namespace)])[0][0])

    def living_count(self, namespace: str) -> int:
        sql = "select count(*) from hydra_node where namespace = %s and state = 'alive'"
        return int(self.query(sql, [self.text(namespace)])[0][0])

    # rows

    def executions(self, ids: Sequence[str]) -> list[Row]:
        return [same_execution(self.from_row(EXECUTION, row)) for row in self.read_executions(ids)] if ids else []

    def rows_of(self, table: Table, ids: Sequence[str]) -> list[Row]:
        """Of these executions."""
        if not ids:
            return []
        owner = table.columns[table.place(table.owner)]
        marks = ", ".join([self.mark(owner)] * len(ids))
        sql = f"select {self._list(table)} from {table.name} where {self.name(owner)} in ({marks})"
        return [self.from_row(table.columns, row) for row in self.query(sql, [self.to_value(owner, id) for id in ids])]

    def page(self, table: Table, namespace: str, after: Sequence[int | str], limit: int) -> list[Row]:
        """The next rows of a table with namespaces, by its key."""
        keys = self.keys(table)
        order = ", ".join(key.sql for key in keys)
        sql = f"select {self._list(table)} from {table.name} where namespace = %s"
        values = [self.text(namespace)]
        if table.passed_over:
            sql += f" and not ({table.passed_over})"
        if after:
            sql += f" and ({order}) > ({', '.join(key.mark for key in keys)})"
            values += [key.to_value(value) for key, value in zip(keys, after, strict=True)]
        rows = self.query(f"{sql} order by {order} limit {limit}", values)
        return [self.from_row(table.columns, row) for row in rows]

    def place_after(self, table: Table, namespace: str, row: Row) -> list[int | str]:
        """Where the page after this row begins."""
        given = dict(zip((column.name for column in table.columns), row, strict=True))
        return [key.place(namespace, given) for key in self.keys(table)]

    def keys(self, table: Table) -> list[Key]:
        return [self._key(table.columns[table.place(name)]) for name in table.order]

    def _key(self, column: Column) -> Key:
        def place(namespace: str, row: dict[str, Any]) -> int | str:
            found: int | str = row[column.name]
            return found

        def to_value(value: int | str) -> Any:
            return self.to_value(column, value)

        return Key(self.name(column), self.mark(column), place, to_value)

    def put(self, table: Table, namespace: str, rows: Sequence[Row]) -> None:
        own = self.derived.get(table.name, {})
        columns = [column for column in table.columns if not self.makes_itself(table, column)]
        places = [table.place(column.name) for column in columns]
        names = [*map(self.name, columns), *own, *([] if table.owner else ["namespace"])]
        marks = [*map(self.mark, columns), *["%s"] * (len(own) + (not table.owner))]
        values = []
        for row in rows:
            given = dict(zip((column.name for column in table.columns), row, strict=True))
            made = [derive(namespace, given) for derive in own.values()]
            written = [self.to_value(column, row[place]) for column, place in zip(columns, places, strict=True)]
            values.append([*written, *made, *([] if table.owner else [self.text(namespace)])])
        self.insert(table.name, names, marks, values)

    def makes_itself(self, table: Table, column: Column) -> bool:
        """A number that the database gives."""
        return table.name == "hydra_gate_call" and column.name == "id"

    def insert(self, table: str, names: Iterable[str], marks: Iterable[str], rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        try:
            self.run_many(f"insert into {table} ({', '.join(names)}) values ({', '.join(marks)})", rows)
        except HydraError:
            raise
        except Exception as error:
            if self.fits(error):
                raise
            said = str(error.args[-1] if error.args else error).partition("\n")[0]
            message = f"a row of `{table}` does not fit the database `{self.place}`: {said}"
            raise HydraError(f"{message}; mend it in the source, or move to another store") from error

    def _list(self, table: Table) -> str:
        return ", ".join(map(self.shown, table.columns))

    def delete_executions(self, ids: Sequence[str]) -> None:
        """With what belongs to them and has no namespace of its own."""
        owned = [(table.name, table.columns[table.place(table.owner)]) for table in OF_EXECUTIONS]
        id = EXECUTION[0]
        for name, column in [(name, self.name(column)) for name, column in owned] + self._own_ids():
            marks = ", ".join([self.mark(id)] * len(ids))
            self.run(f"delete from {name} where {column} in ({marks})", [self.to_value(id, each) for each in ids])

    def _own_ids(self) -> list[tuple[str, str]]:
        """Each table where executions lie, with the column that says which."""
        return [
            (name, "execution_id" if "execution_id" in columns else "id")
            for name, columns in self.execution_tables().items()
        ]

    def delete_rest(self, namespace: str, limit: int) -> int:
        """How many of the other rows went; 0 when nothing is left, of what is made from others neither."""
        tables = self.tables()
        for name, columns in tables.items():
            if "node_id" in columns and "namespace" not in columns:
                nodes = "select id from hydra_node where namespace = %s"
                self.run(f"delete from {name} where node_id in ({nodes})", [self.text(namespace)])
        for name, columns in sorted(tables.items()):
            if "namespace" in columns and name != "hydra_move" and (count := self.delete_some(name, namespace, limit)):
                return count
        return 0

    # fences

    def lift_fence(self, namespace: str | None) -> None:
        """All that it has, of whatever move."""
        self.drop_fences(fences_prefix(namespace))

    # the move's own line

    def state(self, role: str, namespace: str) -> State | None:
        if "hydra_move" not in self.tables():
            return None
        rows = self.query(
            "select id, state, other, place from hydra_move where role = %s and namespace = %s",
            [role, self.text(namespace)],
        )
        return State(*map(_text, rows[0])) if rows else None

    def taken_back(self) -> set[str]:
        """The numbers of the last moves from here that were taken back, one of each namespace."""
        if "hydra_move" not in self.tables():
            return set()
        return {_text(id) for (id,) in self.query("select id from hydra_move where role = %s", [TAKEN_BACK])}

    def begin_state(self, role: str, namespace: str, state: State) -> None:
        self.run("delete from hydra_move where role = %s and namespace = %s", [role, self.text(namespace)])
        self.run(
            "insert into hydra_move (role, namespace, id, state, other, place) values (%s, %s, %s, %s, %s, %s)",
            [role, self.text(namespace), state.id, state.state, self.text(state.other), self.text(state.cursor)],
        )

    def change_state(self, role: str, namespace: str, before: State, after: State) -> None:
        """Refuses where somebody else has changed it."""
        changed = self.run(
            "update hydra_move set state = %s, place = %s "
            "where role = %s and namespace = %s and id = %s and state = %s and place = %s",
            [after.state, self.text(after.cursor), role, self.text(namespace), before.id, before.state,
             self.text(before.cursor)],
        )  # fmt: skip
        if changed != 1:
            raise self.overtaken(namespace, before.id)

    def overtaken(self, namespace: str, id: str) -> HydraError:
        """What has become of the move with that number meanwhile, for who was about to go on with it."""
        now = self.state(TARGET, namespace)
        said = f"the move of namespace `{namespace}` to `{self.place}`"
        if now is None or now.id != id:
            return HydraError(f"{said} is over, and others have followed; `hydra doctor` says where it lies")
        if now.state == DONE:
            return HydraError(f"another `hydra move` has completed {said} meanwhile; nothing is left to do")
        if now.state == ABANDONED:
            return HydraError(f"{said} was taken back meanwhile (`--abandon`); begin it again if it should go there")
        return HydraError(f"another `hydra move` is filling namespace `{namespace}` of `{self.place}`; let it end")

    def take_back(self, namespace: str, id: str) -> None:
        """From now on nobody goes on with that move, which must not be complete."""
        changed = self.run(
            "update hydra_move set state = %s where role = %s and namespace = %s and id = %s and state = %s",
            [ABANDONED, TARGET, self.text(namespace), id, FILLING],
        )
        now = self.state(TARGET, namespace)
        if changed != 1 and (now is None or now.id != id or now.state != ABANDONED):
            raise self.overtaken(namespace, id)

    def forget_state(self, role: str, namespace: str) -> None:
        self.run("delete from hydra_move where role = %s and namespace = %s", [role, self.text(namespace)])


def sentence_of(namespace: str | None, *, is_source: bool) -> str:
    """What a fence says; MySQL takes 128 characters of it."""
    name = "this database" if namespace is None else f"namespace `{namespace[:30]}`"
    if is_source:
        return f"{MARK}{name} {FROM_HERE}; use that one"
    return f"{MARK}{name} is being moved here; wait until that is done"


def fence_name(table: str, event: str, namespace: str | None, own_id: str | None = None) -> str:
    return f"{fence_prefix(namespace, own_id)}{table.removeprefix('hydra_')}_{event}"


def fence_prefix(namespace: str | None, own_id: str | None = None) -> str:
    """Of one fence; `own_id` of the fence that is only the move's with that number."""
    return f"{fences_prefix(namespace)}{'' if own_id is None else f'r{own_id[:8]}'}_"


def fences_prefix(namespace: str | None) -> str:
    """Of all fences of a namespace."""
    return f"hydra_fence_{'all' if namespace is None else hashlib.sha256(namespace.encode()).hexdigest()[:10]}"


def first_ids(sized: Sequence[tuple[str, int]]) -> list[str]:
    """As many as one batch may bring, one at least."""
    ids: list[str] = []
    total = 0
    for id, size in sized:
        total += size
        if ids and total > BATCH_BYTES:
            break
        ids.append(id)
    return ids


def batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def grouped(columns: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table, column in columns:
        found.setdefault(_text(table), set()).add(_text(column))
    return found


def counted(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """Executions by workflow and status."""
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        place = row["workflow"], row["status"]
        found[place] = found.get(place, 0) + 1
    return found


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
