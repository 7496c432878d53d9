"""The order of a move. Each part may be killed anywhere: the same command goes on where it was.

    nothing ──► target: a line "filling", fence ──► source: fence, a line "moved" ──► batches, each with its cursor
        ──► compare ──► target: "done", no fence

A namespace that comes back to where it was moved from has its closed copy there removed before (`returning`).

The source stays fenced. Who comes between two of these finds at most one database that lets him write, and none that
is not complete.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from hydra.errors import ConfigError, HydraError, IllegalMove, SchemaError
from hydra.move.cursor import COPY, EVERYTHING, Cursor, cursor_text, read_cursor
from hydra.move.quiet import quieten
from hydra.move.returning import comes_back, former_moves, is_closed_whole, open_for_some, remove_copy, tell_taken_back
from hydra.move.side import TAKEN_BACK, Side, State, first_ids
from hydra.move.sqlite_side import SqliteSide
from hydra.move.tables import (
    EXECUTIONS,
    OF_EXECUTIONS,
    OF_NAMESPACES,
    Digest,
    Table,
    forgotten,
)
from hydra.stores import plain_store
from hydra.stores.moved import ABANDONED, DONE, FILLING, MOVED, SOURCE, TARGET
from hydra.stores.sqlite import SqliteStore
from hydra.stores.store import Store

BATCH_ROWS = 500
LEASE_SECONDS = 10.0


class Compared(NamedTuple):
    """One table of a namespace on both sides."""

    namespace: str
    table: str
    rows: int
    digest: str


class MoveReport(NamedTuple):
    """What was moved: each namespace's tables, with counts and digests that both sides have."""

    namespaces: list[str]
    tables: list[Compared]


Told = Callable[[str, str, int], None]  # a namespace, a table, how many rows of it came over now


def move(
    source_url: str,
    target_url: str,
    namespace: str | None = None,
    *,
    lease_seconds: float = LEASE_SECONDS,
    batch_rows: int = BATCH_ROWS,
    told: Told = lambda namespace, table, count: None,
) -> MoveReport:
    """Move a namespace, or all of a database (None). Repeating it goes on with a move that was stopped.

    Raises:
        IllegalMove: a node is at work on the source; the target has something of the namespace; the namespace goes, or
            went, elsewhere.
        SchemaError: tables that this hydra does not know.
    """
    source = open_side(source_url, may_migrate=False)
    try:
        taken_back = source.taken_back()  # before anything that takes a while
        target = open_side(target_url, may_migrate=True)
        try:
            one = Move(source_url, target_url, source, target, namespace, lease_seconds, batch_rows, told, taken_back)
            return one.run()
        finally:
            target.close()
    finally:
        source.close()


def namespaces_of(url: str) -> dict[str, str | None]:
    """Those of a database, each with where it was moved to; None where it lies here."""
    side = open_side(url, may_migrate=False)
    try:
        states = {name: side.state(SOURCE, name) for name in side.namespaces()}
    finally:
        side.close()
    return {name: state.other if state and state.state == MOVED else None for name, state in states.items()}


def open_side(url: str, *, may_migrate: bool) -> Side:
    """A database of this version, with no table that a move would forget."""
    store = plain_store(url)
    store.open(migrate=may_migrate)
    store.close()
    side = _side(store, url)
    unknown = forgotten(side.tables(), side.known())
    if unknown:
        side.close()
        told = ", ".join(f"`{name}`" for name in unknown)
        raise SchemaError(
            f"the database `{side.place}` has {told}, which this hydra cannot move; install the newer one"
        )
    return side


def _side(store: Store, url: str) -> Side:
    if isinstance(store, SqliteStore):
        return SqliteSide(store)
    from hydra.stores.postgres import PostgresStore  # a driver is slow to import, and every command would

    if isinstance(store, PostgresStore):
        from hydra.move.postgres_side import PostgresSide

        return PostgresSide(store, url)
    from hydra.move.mysql_side import MysqlSide  # its driver is an extra
    from hydra.stores.mysql import MysqlStore

    assert isinstance(store, MysqlStore)
    return MysqlSide(store, url)


class Move:
    """One run of the command."""

    def __init__(
        self,
        source_url: str,
        target_url: str,
        source: Side,
        target: Side,
        namespace: str | None,
        lease_seconds: float,
        batch_rows: int,
        told: Told,
        taken_back: set[str],
    ) -> None:
        self._source_url = source_url
        self._target_url = target_url
        self._source = source
        self._target = target
        self._namespace = namespace
        self._lease_seconds = lease_seconds
        self._batch_rows = batch_rows
        self._told = told
        self._ids: dict[str, str] = {}  # of the moves under way, by namespace
        self._taken_back = taken_back  # when this run began: an order that comes later is of this one, too

    def run(self) -> MoveReport:
        try:
            return self._run()
        except HydraError:
            with suppress(HydraError):
                self._open_complete()
            raise

    def _open_complete(self) -> None:
        """This run may have been overtaken just before it raised a fence: what is complete is not closed by it."""
        for name in self._names():
            here, there = self._source.state(SOURCE, name), self._target.state(TARGET, name)
            is_complete = here is not None and there is not None and there.id == here.id and there.state == DONE
            if is_complete and self._target.state(SOURCE, name) is None:
                self._target.lift_fence(name)

    def _run(self) -> MoveReport:
        if self._source.identity() == self._target.identity():
            raise ConfigError(f"`{self._source.place}` and `{self._target.place}` are one database; name another")
        names = self._names()
        fresh = [name for name in names if self._source.state(SOURCE, name) is None]
        for name in names:
            self._check_way(name)
        if fresh:
            self._check_whole(fresh)
            self._close(fresh)
        for name in names:
            here = self._source.state(SOURCE, name)
            if here is None:  # given back just now
                raise self._overtaken(name)
            self._ids[name] = here.id
        if not all(map(self._is_done, names)):
            open_for_some(self._target)
        compared: list[Compared] = []
        for name in names:
            if not self._is_done(name):
                self._fill(name)
                compared += self._compare(name)
        for name in names:
            self._open(name)
        return MoveReport(names, compared)

    def _names(self) -> list[str]:
        if self._namespace is not None:
            return [self._namespace]
        return self._source.namespaces()

    def _check_way(self, name: str) -> None:
        """Whether it may go there; of one that is on its way already, whether it goes where it went before."""
        here, there = self._source.state(SOURCE, name), self._target.state(TARGET, name)
        if here is not None:
            if there is None or there.id != here.id:
                message = f"namespace `{name}` of `{self._source.place}` goes to `{here.other}`, not here"
                raise IllegalMove(f"{message}; name that database, or take the move back with `--abandon`")
            return
        try:
            self._check_begin(name, there)
        except (ConfigError, IllegalMove):
            if self._source.state(SOURCE, name) is not None:
                raise self._overtaken(name) from None
            raise

    def _check_begin(self, name: str, there: State | None) -> None:
        """`there` is what the target has of moves to there."""
        unfinished = self._source.state(TARGET, name)
        if unfinished is not None and unfinished.state != DONE:
            message = f"namespace `{name}` of `{self._source.place}` is being moved there from `{unfinished.other}`"
            raise IllegalMove(f"{message}; end that move first")
        if self._source.occupied(name) is None:
            raise ConfigError(f"the database `{self._source.place}` has nothing in namespace `{name}`; name another")
        if (there is None or there.state != FILLING) and comes_back(self._source, self._target, name):
            return
        if there is not None and there.state == ABANDONED:
            message = f"a move of namespace `{name}` to `{self._target.place}` from `{there.other}` was taken back"
            raise IllegalMove(f"{message}, and what it left there stays closed; name an empty database")
        if there is not None and (there.state != FILLING or there.other != self._source.place):
            message = f"namespace `{name}` of `{self._target.place}` was moved there from `{there.other}`"
            raise IllegalMove(f"{message}; name an empty database")
        if there is None and (table := self._target.occupied(name)) is not None:
            message = f"the database `{self._target.place}` has something of namespace `{name}` (in `{table}`)"
            left = self._target.state(SOURCE, name)
            if left is not None:
                message += f", closed since it was moved to `{left.other}`; only from there it can come back"
            raise IllegalMove(f"{message}; name an empty one")

    def _check_whole(self, fresh: Sequence[str]) -> None:
        """A database that was closed as one opens again only where all that went comes back."""
        if not is_closed_whole(self._target):
            return
        if self._namespace is None and any(comes_back(self._source, self._target, name) for name in fresh):
            return
        message = f"`{self._target.place}` was moved as a whole, and takes nothing more, of whatever namespace"
        raise IllegalMove(f"{message}; move all of it back, without a namespace, or name an empty database")

    def _close(self, fresh: Sequence[str]) -> None:
        """Fences on both sides, the target's first. The source's lines come last, all at once: where they are, nobody
        has written since everything was quiet."""
        self._lift_remains(fresh)
        for name in fresh:
            self._quieten(name)
        states = {name: self._close_target(name) for name in fresh}
        self._source.create_state_table()
        self._source.raise_fence(self._namespace, None)
        late = [name for name in self._names() if name not in fresh and self._source.state(SOURCE, name) is None]
        busy = [n for n in fresh if self._source.running_count(n) or self._source.living_count(n)]
        if late or busy:
            self._source.lift_fence(self._namespace)
            what = "came into being" if late else "was given a node"
            message = f"namespace `{(late or busy)[0]}` of `{self._source.place}` {what} meanwhile"
            raise IllegalMove(f"{message}; stop every node and program, then move again")
        self._ids = {name: state.id for name, state in states.items()}
        self._refuse_overtaken(states)
        with self._source.transaction():
            for name, state in states.items():
                self._source.begin_state(SOURCE, name, State(state.id, MOVED, self._target.place, ""))
        self._refuse_overtaken(states)
        self._source.raise_fence(self._namespace, None)  # again: who was overtaken may have lifted it

    def _lift_remains(self, fresh: Sequence[str]) -> None:
        """Of a run that was killed before it had written its lines; but not of one that has overtaken this."""
        with self._source.transaction():
            for name in fresh:
                if self._source.state(SOURCE, name) is not None:
                    raise self._overtaken(name)
            self._source.lift_fence(self._namespace)

    def _refuse_overtaken(self, states: Mapping[str, State]) -> None:
        """Where another run has ended or taken back the move meanwhile, this one lets the source be as that left it."""
        lost = [name for name, state in states.items() if not self._goes_on(name, state.id)]
        if not lost:
            return
        now = {name: self._target.state(TARGET, name) for name in states}
        ours = {name: there for name, there in now.items() if there is not None and there.id == states[name].id}
        complete = [name for name, there in ours.items() if there.state == DONE]
        for name, there in () if complete else ours.items():
            tell_taken_back(self._source, self._target, name, there.id)
            self._target.take_back(name, there.id)
            here = self._source.state(SOURCE, name)
            if here is not None and here.id == there.id:
                self._source.forget_state(SOURCE, name)
        if all(self._source.state(SOURCE, name) is None for name in states):
            self._source.lift_fence(self._namespace)
        raise self._overtaken((complete or lost)[0])

    def _overtaken(self, name: str) -> HydraError:
        here, there = self._source.state(SOURCE, name), self._target.state(TARGET, name)
        came = "" if there is None or there.state == DONE else there.id
        return self._target.overtaken(name, came if here is None else here.id)

    def _goes_on(self, name: str, id: str) -> bool:
        there = self._target.state(TARGET, name)
        if there is None or there.id != id or there.state != FILLING:
            return False
        said = self._source.state(TAKEN_BACK, name)
        return said is None or said.id in self._taken_back

    def _quieten(self, name: str) -> None:
        store = plain_store(self._source_url, name)
        try:
            quieten(store, self._lease_seconds)
        finally:
            store.close()
        _refuse_broken(self._source_url, name, "mend them before it is moved")

    def _close_target(self, name: str) -> State:
        if self._source.state(SOURCE, name) is not None:
            raise self._overtaken(name)
        self._check_way(name)  # once more: it took a while until all was quiet
        there = self._target.state(TARGET, name)
        if there is None or there.state != FILLING:
            first = Cursor()
            if comes_back(self._source, self._target, name):
                first = Cursor(COPY, former=former_moves(self._target, name))
            before, there = there, State(str(uuid.uuid4()), FILLING, self._source.place, cursor_text(first))
            self._target.create_state_table()
            with self._target.transaction():
                if self._target.state(TARGET, name) != before:
                    raise self._overtaken(name)
                self._target.begin_state(TARGET, name, there)
        is_back = read_cursor(there).table == COPY
        self._target.raise_fence(name, there.id, comes_back=is_back)
        now = self._target.state(TARGET, name)
        if now is None or now.id != there.id or now.state != FILLING:
            raise self._overtaken(name)
        if is_back:
            return there
        if (table := self._target.occupied(name)) is not None:
            self._target.lift_fence(name)
            self._target.forget_state(TARGET, name)
            message = f"the database `{self._target.place}` was given something of namespace `{name}` (in `{table}`)"
            raise IllegalMove(f"{message} just now; name an empty one")
        return there

    def _line(self, name: str) -> State:
        """The target's, of this move: it is being filled, or complete."""
        state = self._target.state(TARGET, name)
        if state is None or state.id != self._ids[name] or state.state not in (FILLING, DONE):
            raise self._target.overtaken(name, self._ids[name])
        return state

    def _filling(self, name: str) -> State:
        state = self._line(name)
        if state.state != FILLING:
            raise self._target.overtaken(name, state.id)
        return state

    def _is_done(self, name: str) -> bool:
        return self._line(name).state == DONE

    def _fill(self, name: str) -> None:
        state = self._filling(name)
        cursor = read_cursor(state)
        former = cursor.former
        if cursor.table == COPY:
            remove_copy(self._target, name, state, self._batch_rows)
            cursor = Cursor(former=former)
            next_state = state._replace(cursor=cursor_text(cursor))
            with self._target.writing(state.id):
                self._advance(name, state, next_state)
                self._target.forget_state(SOURCE, name)
            state = next_state
        if cursor.table == EXECUTIONS:
            after = str(cursor.after[0]) if cursor.after else ""
            while ids := first_ids(self._source.sizes(name, after, self._batch_rows)):
                after = ids[-1]
                cursor = Cursor(EXECUTIONS, [after], former)
                state = self._bring_executions(name, state, cursor, ids)
        names = [table.name for table in OF_NAMESPACES]
        start = names.index(cursor.table) if cursor.table in names else 0 if cursor.table == EXECUTIONS else len(names)
        for table in OF_NAMESPACES[start:]:
            place = cursor.after if cursor.table == table.name else []
            while rows := self._source.page(table, name, place, self._batch_rows):
                place = self._source.place_after(table, name, rows[-1])
                next_state = state._replace(cursor=cursor_text(Cursor(table.name, place, former)))
                with self._target.writing(state.id):
                    self._advance(name, state, next_state)
                    self._target.put(table, name, rows)
                state = next_state
                self._told(name, table.name, len(rows))
        next_state = state._replace(cursor=cursor_text(Cursor(EVERYTHING, [], former)))
        with self._target.writing(state.id):
            self._advance(name, state, next_state)
            if cursor.table != EVERYTHING:
                self._target.finish(name)

    def _bring_executions(self, name: str, state: State, cursor: Cursor, ids: Sequence[str]) -> State:
        rows = self._source.executions(ids)
        belonging = [(table, self._source.rows_of(table, ids)) for table in OF_EXECUTIONS]
        next_state = state._replace(cursor=cursor_text(cursor))
        with self._target.writing(state.id):
            self._advance(name, state, next_state)
            self._target.put_executions(name, rows)
            for table, found in belonging:
                self._target.put(table, name, found)
        self._told(name, EXECUTIONS, len(rows))
        return next_state

    def _advance(self, name: str, before: State, after: State) -> None:
        """The first of each transaction: of two that fill one target the second waits here, and is refused."""
        self._target.change_state(TARGET, name, before, after)

    def _compare(self, name: str) -> list[Compared]:
        """Counts and digests of what lies on either side, all of it read again."""
        ours, theirs = _digests(self._source, name, self._batch_rows), _digests(self._target, name, self._batch_rows)
        for table, digest in ours.items():
            if (digest.count, digest.text()) != (theirs[table].count, theirs[table].text()):
                self._filling(name)  # else both go on by now
                raise HydraError(
                    f"namespace `{name}` has {digest.count} rows of {table} with digest {digest.text()} in the source, "
                    f"{theirs[table].count} with {theirs[table].text()} in the target; it stays closed, `--abandon` "
                    "lets the source work again"
                )
        return [Compared(name, table, digest.count, digest.text()) for table, digest in ours.items()]

    def _open(self, name: str) -> None:
        state = self._line(name)
        if state.state == FILLING:
            for url in (self._source_url, self._target_url):
                _refuse_broken(url, name, "the target stays closed; `--abandon` lets the source work again")
            self._advance(name, state, state._replace(state=DONE))
        if self._target.state(SOURCE, name) is None:  # it went on since: what closes it there is not this move's
            self._target.lift_fence(name)


def _digests(side: Side, name: str, batch_rows: int) -> dict[str, Digest]:
    found = {EXECUTIONS: Digest(), **{table.name: Digest() for table in (*OF_EXECUTIONS, *OF_NAMESPACES)}}
    after = ""
    while ids := first_ids(side.sizes(name, after, batch_rows)):
        after = ids[-1]
        for row in side.executions(ids):
            found[EXECUTIONS].add(row)
        for table in OF_EXECUTIONS:
            for row in side.rows_of(table, ids):
                found[table.name].add(row)
    for table in OF_NAMESPACES:
        place: list[int | str] = []
        while rows := side.page(table, name, place, batch_rows):
            place = side.place_after(table, name, rows[-1])
            for row in rows:
                found[table.name].add(_comparable(side, table, row))
    return found


def _comparable(side: Side, table: Table, row: tuple[object, ...]) -> tuple[object, ...]:
    """Without numbers that each database gives itself."""
    pairs = zip(table.columns, row, strict=True)
    return tuple(value for column, value in pairs if not side.makes_itself(table, column))


def _refuse_broken(url: str, name: str, remedy: str) -> None:
    store = plain_store(url, name)
    try:
        found = store.audit()
    finally:
        store.close()
    if found:
        told = f"`hydra audit` finds {len(found)} broken promises in namespace `{name}` of `{store.url}`"
        raise IllegalMove(f"{told}, such as {found[0].promise}: {found[0].detail}; {remedy}")
