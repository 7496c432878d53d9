"""Fills the target of a move: what came back is cleared first, executions come over, then what a namespace has.

Each batch is one transaction with the cursor behind it, so a move that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hydra.blocks import contextmanager
from hydra.move.cursor import COPY, EVERYTHING, Cursor, cursor_text, read_cursor
from hydra.move.returning import remove_copy
from hydra.move.side import Side, State, first_ids
from hydra.move.tables import EXECUTIONS, OF_EXECUTIONS, OF_NAMESPACES
from hydra.stores.moved import SOURCE, TARGET

Told = Callable[[str, str, int], None]  # a namespace, a table, how many rows of it came over now


class Filling:
    """Of one namespace, from where the target's line says."""

    def __init__(self, source: Side, target: Side, name: str, state: State, batch_rows: int, told: Told) -> None:
        self._source = source
        self._target = target
        self._name = name
        self._state = state
        self._batch_rows = batch_rows
        self._told = told
        self._former = read_cursor(state).former

    def run(self) -> None:
        cursor = read_cursor(self._state)
        if cursor.table == COPY:
            cursor = self._clear()
        if cursor.table == EXECUTIONS:
            self._bring_executions(cursor)
        self._bring_rest(cursor)
        with self._batch(Cursor(EVERYTHING, [], self._former)):
            if cursor.table != EVERYTHING:
                self._target.finish(self._name)

    def _clear(self) -> Cursor:
        remove_copy(self._target, self._name, self._state, self._batch_rows)
        cursor = Cursor(former=self._former)
        with self._batch(cursor):
            self._target.forget_state(SOURCE, self._name)
        return cursor

    def _bring_executions(self, cursor: Cursor) -> None:
        after = str(cursor.after[0]) if cursor.after else ""
        while ids := first_ids(self._source.sizes(self._name, after, self._batch_rows)):
            after = ids[-1]
            self._bring(ids)

    def _bring(self, ids: Sequence[str]) -> None:
        rows = self._source.executions(ids)
        belonging = [(table, self._source.rows_of(table, ids)) for table in OF_EXECUTIONS]
        with self._batch(Cursor(EXECUTIONS, [ids[-1]], self._former)):
            self._target.put_executions(self._name, rows)
            for table, found in belonging:
                self._target.put(table, self._name, found)
        self._told(self._name, EXECUTIONS, len(rows))

    def _bring_rest(self, cursor: Cursor) -> None:
        if cursor.table == EVERYTHING:
            return
        names = [table.name for table in OF_NAMESPACES]
        start = names.index(cursor.table) if cursor.table in names else 0
        for table in OF_NAMESPACES[start:]:
            place = cursor.after if cursor.table == table.name else []
            while rows := self._source.page(table, self._name, place, self._batch_rows):
                place = self._source.place_after(table, self._name, rows[-1])
                with self._batch(Cursor(table.name, place, self._former)):
                    self._target.put(table, self._name, rows)
                self._told(self._name, table.name, len(rows))

    @contextmanager
    def _batch(self, behind: Cursor) -> Iterator[None]:
        """The cursor is its first write: of two that fill one target the second waits here, and is refused."""
        after = self._state._replace(cursor=cursor_text(behind))
        with self._target.writing(self._state.id):
            self._target.change_state(TARGET, self._name, self._state, after)
            yield
        self._state = after
