"""The order of a move. Each part may be killed anywhere: the same command goes on where it was.

    nothing ──► target: a line "filling", fence ──► source: fence, a line "moved" ──► batches, each with its cursor
        ──► compare ──► target: "done", no fence

A namespace that comes back to where it was moved from has its closed copy there removed before (`returning`).

The source stays fenced. Who comes between two of these finds at most one database that lets him write, and none that
is not complete.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from hydra.errors import ConfigError, HydraError, IllegalMove
from hydra.move.comparing import Compared, Difference, compare, refuse_broken
from hydra.move.cursor import COPY, Cursor, cursor_text, read_cursor
from hydra.move.filling import Filling, Told
from hydra.move.opening import open_side
from hydra.move.quiet import quieten
from hydra.move.returning import comes_back, former_moves, open_for_some, tell_taken_back
from hydra.move.side import TAKEN_BACK, Side, State
from hydra.move.way import Way
from hydra.stores import plain_store
from hydra.stores.moved import DONE, FILLING, MOVED, SOURCE, TARGET

BATCH_ROWS = 500
LEASE_SECONDS = 10.0


class MoveReport(NamedTuple):
    """What was moved: each namespace's tables, with counts and digests that both sides have."""

    namespaces: list[str]
    tables: list[Compared]


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
        self._way = Way(source, target)
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
            self._way.check(name)
        if fresh:
            self._way.check_whole(fresh, is_all=self._namespace is None)
            self._close(fresh)
        for name in names:
            here = self._source.state(SOURCE, name)
            if here is None:  # given back just now
                raise self._way.overtaken(name)
            self._ids[name] = here.id
        if not all(map(self._is_done, names)):
            open_for_some(self._target)
        compared: list[Compared] = []
        for name in names:
            if not self._is_done(name):
                state = self._filling(name)
                Filling(self._source, self._target, name, state, self._batch_rows, self._told).run()
                compared += self._compare(name)
        for name in names:
            self._open(name)
        return MoveReport(names, compared)

    def _names(self) -> list[str]:
        if self._namespace is not None:
            return [self._namespace]
        return self._source.namespaces()

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
                    raise self._way.overtaken(name)
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
        raise self._way.overtaken((complete or lost)[0])

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
        refuse_broken(self._source_url, name, "mend them before it is moved")

    def _close_target(self, name: str) -> State:
        if self._source.state(SOURCE, name) is not None:
            raise self._way.overtaken(name)
        self._way.check(name)  # once more: it took a while until all was quiet
        there = self._target.state(TARGET, name)
        if there is None or there.state != FILLING:
            first = Cursor()
            if comes_back(self._source, self._target, name):
                first = Cursor(COPY, former=former_moves(self._target, name))
            before, there = there, State(str(uuid.uuid4()), FILLING, self._source.place, cursor_text(first))
            self._target.create_state_table()
            with self._target.transaction():
                if self._target.state(TARGET, name) != before:
                    raise self._way.overtaken(name)
                self._target.begin_state(TARGET, name, there)
        is_back = read_cursor(there).table == COPY
        self._target.raise_fence(name, there.id, comes_back=is_back)
        now = self._target.state(TARGET, name)
        if now is None or now.id != there.id or now.state != FILLING:
            raise self._way.overtaken(name)
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

    def _compare(self, name: str) -> list[Compared]:
        found = compare(self._source, self._target, name, self._batch_rows)
        if isinstance(found, Difference):
            self._filling(name)  # else both go on by now
            raise HydraError(f"namespace `{name}` has {found}; it stays closed, `--abandon` lets the source work again")
        return found

    def _open(self, name: str) -> None:
        state = self._line(name)
        if state.state == FILLING:
            for url in (self._source_url, self._target_url):
                refuse_broken(url, name, "the target stays closed; `--abandon` lets the source work again")
            self._target.change_state(TARGET, name, state, state._replace(state=DONE))
        if self._target.state(SOURCE, name) is None:  # it went on since: what closes it there is not this move's
            self._target.lift_fence(name)
