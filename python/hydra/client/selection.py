"""Executions chosen by what they have in common: counted, grouped, looked at, and acted on together.

An act chooses its executions once, before it touches the first of them, and never goes beyond those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from hydra.client.bulk import (
    BATCH_SIZE,
    Act,
    Acted,
    Cancel,
    Check,
    Delete,
    Resume,
    Retry,
    RunAgain,
    Signal,
    ask,
    judge,
    refuse_more,
)
from hydra.client.criteria import Criteria, check_place, chunks, faults, walk
from hydra.client.database_access import DatabaseAccess
from hydra.client.looking import Looked, look, look_at_newest
from hydra.client.moved_reads import refuse_incomplete
from hydra.client.views import to_datetime
from hydra.clock import seconds_of
from hydra.config import count_of
from hydra.errors import ConfigError, IllegalMove
from hydra.execution import Snapshot
from hydra.payload_keys import why_closed
from hydra.records.fingerprints import Fault, without_ids
from hydra.written import written

MAX_ACT_COUNT = 100_000  # executions of one act, whose ids are held in memory
GROUPINGS = ("status", "workflow", "reason")


class ErrorGroup(msgspec.Struct, frozen=True):
    """Failures that are one fault. `error` is its fingerprint, by which they are chosen; `place` is where the newest
    was raised."""

    error: str
    kind: str
    step: str
    message: str
    place: str
    count: int
    workflows: dict[str, int]
    first_at: datetime
    last_at: datetime
    example_id: str


class Selection:
    """What `Engine.select` chose. Nothing is read before a method asks; each asks anew.

        stuck = engine.select(status="failed", workflow=bill, since=timedelta(hours=2))
        print(stuck.count(), stuck.count_by("reason"))
        for group in stuck.errors():
            print(group.count, group.kind, group.message, group.example_id)

    Every act takes `dry_run=True`, which only says what it would do, and `at_most`: more executions than that are
    refused before anything is done. One act takes 100,000 executions at most. Where no status was chosen it is about
    those that the act is meant for: failed ones for `retry`, those that go on for `cancel`. What is refused stands in
    its answer, and the others are done.
    """

    def __init__(self, engine: DatabaseAccess, criteria: Criteria) -> None:
        self._engine = engine
        self._criteria = criteria

    def count(self) -> int:
        """How many match."""
        if self._criteria.is_counted():
            return sum(self._kept_counts().values())
        return sum(len(page) for page in self._pages())

    def count_by(self, what: str) -> dict[str, int]:
        """How many match, by `"status"`, `"workflow"` or `"reason"`, the most first. Reasons are without ids and
        numbers, so that what happened to many is one; "" is of those that have none.

        Raises:
            ConfigError: for another word.
        """
        if what not in GROUPINGS:
            raise ConfigError(f"`{written(what)}` is nothing to group by; choose one of {', '.join(GROUPINGS)}")
        counts: Counter[str] = Counter()
        if what != "reason" and self._criteria.is_counted():
            for (workflow, status), count in self._kept_counts().items():
                counts[workflow if what == "workflow" else status] += count
        else:
            for page in self._pages():
                counts.update(_group_of(snapshot, what) for snapshot, _ in page)
        return dict(counts.most_common())

    def errors(self, *, newest: int | None = None) -> list[ErrorGroup]:
        """What failed or is parked, by fault, the most frequent first: class, step, message without ids, function.

        Args:
            newest: look at no more than so many of those that failed or are parked and were submitted last; None: all.
        """
        criteria = self._criteria
        if criteria.reason is None:
            criteria = msgspec.structs.replace(criteria, reason="")  # only what failed or is parked
        groups: dict[str, _Group] = {}
        store = self._engine.session().store
        read: Iterator[list[Snapshot]] = (
            ([snapshot for snapshot, _ in page] for page in walk(store, criteria))
            if newest is None
            else look_at_newest(store, criteria, count_of(newest, "`newest`"))
        )
        for snapshots in read:
            known = faults(store, [each.id for each in snapshots])
            for snapshot in snapshots:
                if (fault := known.get(snapshot.id)) is not None:
                    groups.setdefault(fault.fingerprint, _Group(fault, snapshot)).add(snapshot)
        found = [group.view() for group in groups.values()]
        return sorted(found, key=lambda group: (-group.count, group.error))

    def retry(
        self,
        *,
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
        check: Check | None = None,
        reason: str = "",
    ) -> Acted:
        """Let the failed ones run again from where they failed. What would only be parked is refused, as far as the
        records tell.

        Args:
            dry_run: only say what it would do.
            at_most: how many were expected; more are refused before anything is done.
            progress: called with how many were looked at, after each hundred.
            check: given a hundred at a time, gives the reasons of those that are to be refused, by id.
            reason: why, for those who ask later; each one's `acts()` have it.

        Raises:
            IllegalMove: there are more than `at_most`, or more than one act takes.
        """
        return self._act(Retry(reason), dry_run, at_most, progress, check)

    def resume(
        self,
        *,
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
        check: Check | None = None,
        reason: str = "",
    ) -> Acted:
        """Let the parked ones go on. The arguments are those of `retry`.

        Raises:
            IllegalMove: there are more than `at_most`, or more than one act takes.
        """
        return self._act(Resume(reason), dry_run, at_most, progress, check)

    def cancel(
        self,
        *,
        undo: bool = True,
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
        reason: str = "",
    ) -> Acted:
        """Ask for the end of those that go on; `undo` as of `Handle.cancel`. The rest as of `retry`.

        Raises:
            IllegalMove: there are more than `at_most`, or more than one act takes.
        """
        return self._act(Cancel(undo, reason), dry_run, at_most, progress, None)

    def signal(
        self,
        name: str,
        value: Any = None,
        *,
        id: str | None = None,
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
        reason: str = "",
    ) -> Acted:
        """Put an event before each that goes on, as of `Handle.signal`: with an `id` it may be repeated, and arrives
        once at each. The rest as of `retry`.

        Raises:
            IllegalMove: there are more than `at_most`, or more than one act takes.
            ConfigError: the name or the id cannot be.
        """
        return self._act(Signal(name, value, id, reason), dry_run, at_most, progress, None)

    def rerun(
        self,
        *,
        reason: str = "",
        force: bool = False,
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Acted:
        """Begin a new execution of each that has ended, from its input and under its key; see `Engine.rerun`. `done`
        has the new ids. The rest as of `retry`.

        Raises:
            IllegalMove: there are more than `at_most`, or more than one act takes.
        """
        return self._act(RunAgain(reason, force), dry_run, at_most, progress, None)

    def delete(
        self,
        *,
        older_than: timedelta | float | None = None,
        reason: str = "",
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Acted:
        """Delete those that have ended, each with its tree, as of `Handle.delete`; with `older_than` only what ended
        longer ago. The rest as of `retry`.

        Raises:
            IllegalMove: there are more than `at_most`, or more than one act takes.
        """
        before = None
        if older_than is not None:
            before = self._engine.session().now() - round(seconds_of(older_than, "`older_than`") * 1e6)
        return self._act(Delete(reason, before), dry_run, at_most, progress, None)

    def _chosen(self, act: Act) -> list[str]:
        """Those that match when they are looked at, and the act is meant for: each once, newest first."""
        criteria = msgspec.structs.replace(self._criteria, among=act.among)
        found: dict[str, None] = {}
        is_by_fault = criteria.reason is not None or criteria.error is not None
        for page in self._engine.read(lambda store: walk(store, criteria)):
            closed = next((snapshot for snapshot, _ in page if snapshot.encrypted_reason), None)
            if is_by_fault and closed is not None:  # it looks like others, and may be of another fault
                reason = why_closed([closed.encrypted_reason])
                raise IllegalMove(f"nobody knows here what execution `{closed.id}` failed of: {reason}")
            found |= dict.fromkeys(snapshot.id for snapshot, _ in page)
            if len(found) > MAX_ACT_COUNT:
                raise IllegalMove(
                    f"more than {MAX_ACT_COUNT:,} executions match; narrow the choice, such as by `since`"
                )
        return list(found)

    def _act(
        self,
        act: Act,
        dry_run: bool,
        at_most: int | None,
        progress: Callable[[int], object] | None,
        check: Check | None,
    ) -> Acted:
        ids = self._chosen(act)
        refuse_more(len(ids), at_most)
        if ids and not dry_run:
            ask(self._engine, act, ids)
        done: dict[str, str] = {}
        refused: dict[str, str] = {}
        looked_at = 0
        for batch in chunks(ids, BATCH_SIZE):
            admitted, not_admitted = judge(self._engine, act, batch, check)
            refused |= not_admitted
            if dry_run:
                done |= {each.id: str(each.status) for each in admitted}
            elif admitted:
                made, not_made = act.do(self._engine, admitted)
                done |= made
                refused |= not_made
            looked_at += len(batch)
            if progress is not None:
                progress(looked_at)
        return Acted(act.name, len(ids), done, refused, dry_run)

    def _pages(self) -> Iterator[list[tuple[Snapshot, Fault | None]]]:
        return self._engine.read(lambda store: walk(store, self._criteria))

    def _kept_counts(self) -> Mapping[tuple[str, str], int]:
        """As the database keeps them, of the workflow and status that are asked for."""
        status, workflow = self._criteria.filter.status, self._criteria.filter.workflow
        session = self._engine.session()
        kept = session.store.stats(session.now()).counts
        refuse_incomplete(session.store)
        return {
            (name, each): count
            for name, counts in kept.items()
            for each, count in counts.items()
            if workflow in (None, name) and status in (None, each) and count
        }


def look_through(
    selection: Selection, count: int, *, before: str | None, after: str | None, oldest_first: bool
) -> Looked:
    """At most so many of them, for somebody who waits: see `looking`. A ConfigError for a place that cannot be."""
    places = {"before": check_place("before", before), "after": check_place("after", after)}
    order = msgspec.structs.replace(selection._criteria.filter, is_oldest_first=oldest_first, **places)
    criteria = msgspec.structs.replace(selection._criteria, filter=order)
    return selection._engine.read(lambda store: look(store, criteria, count))


class _Group:
    """One fault, while its failures are counted, newest first."""

    def __init__(self, fault: Fault, newest: Snapshot) -> None:
        self._fault, self._example_id = fault, newest.id
        self._workflows: Counter[str] = Counter()
        self._first_at = self._last_at = _ended_at(newest)

    def add(self, snapshot: Snapshot) -> None:
        self._workflows[snapshot.workflow] += 1
        self._first_at = min(self._first_at, _ended_at(snapshot))
        self._last_at = max(self._last_at, _ended_at(snapshot))

    def view(self) -> ErrorGroup:
        fault = self._fault
        return ErrorGroup(
            error=fault.fingerprint,
            kind=fault.kind,
            step=fault.step,
            message=fault.message,
            place=fault.place,
            count=self._workflows.total(),
            workflows=dict(self._workflows.most_common()),
            first_at=to_datetime(self._first_at),
            last_at=to_datetime(self._last_at),
            example_id=self._example_id,
        )


def _ended_at(snapshot: Snapshot) -> int:
    """Of what is parked, when it last became due: what parked it came then."""
    return snapshot.run_at if snapshot.finished_at is None else snapshot.finished_at


def _group_of(snapshot: Snapshot, what: str) -> str:
    if what == "status":
        return str(snapshot.status)
    if what == "workflow":
        return snapshot.workflow
    return snapshot.reason if snapshot.encrypted_reason else without_ids(snapshot.reason)
