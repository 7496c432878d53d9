"""One act on many executions: judged first, then done in batches of one transaction each; what is refused is told.

    ids, chosen before ─► snapshots and records of a batch ─► judge (pure) ─► store verb ─► what came of each

A dry run stops after the judging. Each act's class says what it refuses, and what it does of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import msgspec

from hydra import _core, codec
from hydra.client import act_orders, child_ends, doubts, recorded_orders
from hydra.client.acting import Author, author
from hydra.client.approvals import need_for, state_of
from hydra.client.awaited import awaited_of, refuse_unfit
from hydra.client.database_access import DatabaseAccess
from hydra.definition_checks import check_name
from hydra.errors import HydraError, IllegalMove
from hydra.execution import CAUSES, FINAL, Message, Record, Snapshot, Status
from hydra.keys import signal_id
from hydra.payload_keys import why_closed
from hydra.pointers import is_pointer
from hydra.records.ends import undone_reason, was_undone
from hydra.records.placed import not_alone
from hydra.records.reruns import standing_effect
from hydra.stores import deleting
from hydra.stores.acts import ActKind
from hydra.stores.approvals import ApprovalKind
from hydra.stores.rerunning import Reran, Rerun
from hydra.stores.store import Store
from hydra.written import written

BATCH_SIZE = 100
OPEN = tuple(status for status in Status if status not in FINAL)

Refusals = dict[str, str]
Check = Callable[[list[Snapshot]], Mapping[str, str]]
Asked = Mapping[str, tuple[int, int]]  # the states of what a second person approves, when it was asked for
History = tuple[bytes, list[Record]]  # an execution's input and records; empty for an act that does not need them


class Acted(msgspec.Struct, frozen=True):
    """What an act on many came to; in a dry run, what it would. `done` says of each what became of it: its status, or
    the id that it was run again as. `refused` says why."""

    act: str
    matched_count: int
    done: dict[str, str]
    refused: dict[str, str]
    is_dry_run: bool = False


class Act(Protocol):
    """One kind of act. `among`: the statuses in which it can be done on an execution."""

    name: str
    among: tuple[Status, ...]
    needs_records: bool
    takes_up: bool  # what another one runs in place of is not taken up again: two of one key would run
    author: Author

    def refuse(self, store: Store, now: int, snapshot: Snapshot, history: History) -> str | None:
        """Why it would not be done, or would only park the execution; reads at most what concerns this one."""
        ...

    def do(self, engine: DatabaseAccess, batch: list[Snapshot]) -> tuple[dict[str, str], Refusals]:
        """What came of each, and who was refused after all."""
        ...


def run_again(engine: DatabaseAccess, id: str, reason: str, force: bool) -> str:
    """The id of the new execution, or of the one that it was run again as before; IllegalMove where it may not."""
    act = RunAgain(reason, force)
    before = engine.read(lambda store: store.acts(id))
    for line in before:
        if line.kind == ActKind.RERUN:
            return line.id
    admitted, refused = judge(engine, act, [id], None)
    if not admitted:
        raise IllegalMove(refused[id])
    (answer,) = act.begin(engine, admitted)
    if answer is None or answer.id is None:
        raise IllegalMove(act.refusal(id, answer))
    return answer.id


def judge(engine: DatabaseAccess, act: Act, ids: Sequence[str], check: Check | None) -> tuple[list[Snapshot], Refusals]:
    """Those that the act may be done on, and why the others are refused; what is gone meanwhile is refused, too."""
    now = engine.session().now()
    found = engine.read(lambda store: store.get(ids))
    refused = {id: f"execution `{id}` is not there any more" for id, each in zip(ids, found, strict=True) if not each}
    known = [snapshot for snapshot in found if snapshot is not None]
    histories: dict[str, History] = {}
    if act.needs_records:
        histories = engine.read(lambda store: store.histories([each.id for each in known]))
    taken = engine.read(lambda store: store.superseded([each.id for each in known])) if act.takes_up else set()
    for each in known:
        if each.id in taken:
            refused[each.id] = taken_over(engine.session().store, each)
            continue
        try:
            reason = act.refuse(engine.session().store, now, each, histories.get(each.id, (b"", [])))
        except HydraError as error:
            reason = str(error)
        if reason is not None:
            refused[each.id] = reason
    left = [each for each in known if each.id not in refused]
    if check is not None and left:
        refused |= check(left)
        left = [each for each in left if each.id not in refused]
    return left, refused


def is_now(snapshot: Snapshot, wanted: Status, done: str) -> str | None:
    return None if snapshot.status is wanted else _only(snapshot.id, snapshot.status, wanted, done)


def _only(id: str, status: Status, wanted: Status, done: str) -> str:
    return f"execution `{id}` is {status}; only a {wanted} one can be {done}"


def ask(engine: DatabaseAccess, act: Act, ids: Sequence[str]) -> None:
    """Where the act takes a second person; see `approvals.need`."""
    if isinstance(act, Cancel) and not act.undo:
        need_for(engine, ApprovalKind.CANCEL, ids, act.author)
    if isinstance(act, Delete):
        need_for(engine, ApprovalKind.PURGE, ids, act.author, act.ended_before)


class Retry:
    """Failed ones go on from where they failed."""

    name = "retry"
    among: tuple[Status, ...] = (Status.FAILED,)
    needs_records = True
    takes_up = True

    def __init__(self, reason: str) -> None:
        self.author = author(reason)

    def refuse(self, store: Store, now: int, snapshot: Snapshot, history: History) -> str | None:
        if reason := is_now(snapshot, Status.FAILED, "retried") or not_alone(snapshot):
            return reason
        if was_undone(history[1], snapshot.attempt + 1):
            return undone_reason(snapshot.id)
        if any(record.name == CAUSES for record in history[1]):
            child_ends.ends_of_children(store, snapshot.id, now)
        return None

    def do(self, engine: DatabaseAccess, batch: list[Snapshot]) -> tuple[dict[str, str], Refusals]:
        def retry(store: Store, now: int) -> dict[str, Status | None]:
            told: dict[str, list[Message]] = {}
            for each in batch:
                with suppress(IllegalMove):  # of a child that was retried meanwhile; it stays failed, and is refused
                    told[each.id] = child_ends.ends_of_children(store, each.id, now)

            def again() -> list[Status | None]:
                before = store.retry(list(told), now)
                failed = [id for id, each in zip(told, before, strict=True) if each is Status.FAILED]
                if messages := [message for id in failed for message in told[id]]:
                    store.signal(messages, now)
                return before

            before = recorded_orders.retry(store, list(told), now, self.author, again)
            return dict(zip(told, before, strict=True))

        late = order(engine, retry, Status.FAILED, "retried")
        return moved(engine, batch, late, lambda old, new: new.status is not Status.FAILED or new.attempt > old.attempt)


class Resume:
    """Parked ones go on."""

    name = "resume"
    among: tuple[Status, ...] = (Status.PARKED,)
    needs_records = True
    takes_up = False

    def __init__(self, reason: str) -> None:
        self.author = author(reason)

    def refuse(self, store: Store, now: int, snapshot: Snapshot, history: History) -> str | None:
        if reason := is_now(snapshot, Status.PARKED, "resumed"):
            return reason
        return undone_reason(snapshot.id) if was_undone(history[1], snapshot.attempt) else None

    def do(self, engine: DatabaseAccess, batch: list[Snapshot]) -> tuple[dict[str, str], Refusals]:
        ids = [each.id for each in batch]

        def resume(store: Store, now: int) -> dict[str, Status | None]:
            return dict(zip(ids, recorded_orders.resume(store, ids, now, self.author), strict=True))

        late = order(engine, resume, Status.PARKED, "resumed")
        return moved(engine, batch, late, lambda old, new: new.status is not Status.PARKED or new.epoch > old.epoch)


class Cancel:
    """What goes on is to end; what has undo steps is undone first."""

    name = "cancel"
    among: tuple[Status, ...] = OPEN
    needs_records = False
    takes_up = False

    def __init__(self, undo: bool, reason: str, asked: Asked | None = None) -> None:
        self.undo, self.author, self._asked = undo, author(reason), asked

    def refuse(self, store: Store, now: int, snapshot: Snapshot, history: History) -> str | None:
        if snapshot.status in FINAL:
            return f"execution `{snapshot.id}` is {snapshot.status} already"
        return moved_on(snapshot, self._asked)

    def do(self, engine: DatabaseAccess, batch: list[Snapshot]) -> tuple[dict[str, str], Refusals]:
        ids = [each.id for each in batch]

        def cancel(store: Store, now: int) -> list[Status | None]:
            return recorded_orders.cancel(store, ids, now, self.author, undo=self.undo, states=states)

        states = None if self._asked is None else [self._asked[id] for id in ids]
        after = engine.write(cancel)
        done = {id: str(each) if each in FINAL else "cancelling" for id, each in zip(ids, after, strict=True) if each}
        return done, {id: f"execution `{id}` is not there any more" for id in ids if id not in done}


class Signal:
    """An event for each."""

    name = "signal"
    among: tuple[Status, ...] = OPEN
    needs_records = False
    takes_up = False

    def __init__(self, name: str, value: Any, id: str | None, reason: str) -> None:
        check_name(name, "event")
        self.author = author(reason)
        self._name, self._value, self._payload = name, value, codec.encode(value)
        self._id = None if id is None else signal_id(id)

    def refuse(self, store: Store, now: int, snapshot: Snapshot, history: History) -> str | None:
        if snapshot.status in FINAL:
            return f"execution `{snapshot.id}` is {snapshot.status}; it takes no event `{self._name}` any more"
        waits = [each for each in awaited_of(store.waits(snapshot.id)) if each.name == self._name]
        refuse_unfit(snapshot.id, f"event `{self._name}`", self._value, waits)
        return None

    def do(self, engine: DatabaseAccess, batch: list[Snapshot]) -> tuple[dict[str, str], Refusals]:
        ids = [(each.id, self._id or _core.uuid7()) for each in batch]

        def put(store: Store, now: int) -> Sequence[object]:
            messages = [Message(own, id, self._name, self._payload, now) for id, own in ids]
            return recorded_orders.signal(store, messages, now, self.author)

        answers = dict(zip([each.id for each in batch], engine.write(put), strict=True))
        done = {id: "signalled" for id, each in answers.items() if isinstance(each, Status) and each not in FINAL}
        clash = "took another event under that id before, or has ended"
        return done, {id: f"execution `{id}` {clash}" for id in answers if id not in done}


class RunAgain:
    """A new execution of each, under its key."""

    name = "rerun"
    needs_records = True
    takes_up = True

    def __init__(self, reason: str, force: bool) -> None:
        self._force, self.author = force, author(reason)
        self._ordered_at: int | None = None  # the lines of one order have one time
        self.among: tuple[Status, ...] = tuple(FINAL) if force else (Status.FAILED, Status.CANCELLED)

    def refuse(self, store: Store, now: int, snapshot: Snapshot, history: History) -> str | None:
        if snapshot.status not in FINAL:
            return f"execution `{snapshot.id}` is {snapshot.status}; only one that has ended can be run again"
        if reason := not_alone(snapshot):
            return reason
        if self._force:
            return doubts.why_no_rerun(store, snapshot, history[1], force=True)
        if snapshot.status is Status.COMPLETED:
            return f"execution `{snapshot.id}` has completed; say `force` to do it all again"
        input, records = history
        payloads = (snapshot.encrypted_reason, input, *(record.payload for record in records))
        closed = why_closed(each for each in payloads if not is_pointer(each))  # what it says is nothing to decide by
        left = closed or standing_effect(records, snapshot.attempt)
        if left is None:
            return doubts.why_no_rerun(store, snapshot, records, force=False)
        other = "`retry` goes on from there, and " if snapshot.status is Status.FAILED else ""
        return f"to run execution `{snapshot.id}` again may do it twice: {left}; {other}`force` does it all again"

    def do(self, engine: DatabaseAccess, batch: list[Snapshot]) -> tuple[dict[str, str], Refusals]:
        begun = {each.id: answer for each, answer in zip(batch, self.begin(engine, batch), strict=True)}
        done = {id: answer.id for id, answer in begun.items() if answer is not None and answer.id is not None}
        return done, {id: self.refusal(id, answer) for id, answer in begun.items() if id not in done}

    def begin(self, engine: DatabaseAccess, batch: list[Snapshot]) -> list[Reran | None]:
        """In one transaction; the answers, in order."""
        at = self._ordered_at = self._ordered_at or engine.session().now()
        by = self.author
        orders = [Rerun(each.id, _core.uuid7(), each.attempt, at, by.by, by.reason, by.host) for each in batch]
        return engine.write(lambda store, now: store.rerun(orders, now))

    def refusal(self, id: str, answer: Reran | None) -> str:
        """Why nothing came of an order."""
        if answer is None:
            return f"execution `{id}` is not there any more"
        if answer.holder is not None:
            return f"execution `{id}` cannot run again: its key is that of execution `{answer.holder}`; run that again"
        if answer.unreadable:
            return f"execution `{id}` cannot run again: {answer.unreadable}; submit the call anew"
        return f"execution `{id}` has moved on meanwhile, and is {answer.status}; look at it again"


class Delete:
    """Gone for good, each with its tree, by one order each."""

    name = "purge"
    among: tuple[Status, ...] = tuple(FINAL)
    needs_records = False
    takes_up = False

    def __init__(self, reason: str, ended_before: int | None, asked: Asked | None = None) -> None:
        self.author, self.ended_before, self._asked = author(reason), ended_before, asked

    def refuse(self, store: Store, now: int, snapshot: Snapshot, history: History) -> str | None:
        if snapshot.finished_at is None:
            return f"execution `{snapshot.id}` is {snapshot.status}; only one that has ended can be deleted"
        if self.ended_before is not None and snapshot.finished_at >= self.ended_before:
            return f"execution `{snapshot.id}` ended too lately to be deleted"
        if reason := moved_on(snapshot, self._asked):
            return reason
        tree = store.tree(snapshot.id)
        if tree is None or deleting.may_go(tree):
            return None
        return deleting.refusal(snapshot.id, tree)

    def do(self, engine: DatabaseAccess, batch: list[Snapshot]) -> tuple[dict[str, str], Refusals]:
        done: dict[str, str] = {}
        refused: Refusals = {}
        for each in batch:
            try:
                act_orders.delete(engine, each.id, self.author)
                done[each.id] = "deleted"
            except HydraError as error:
                refused[each.id] = str(error)
        return done, refused


def moved_on(snapshot: Snapshot, asked: Asked | None) -> str | None:
    """Why what two have agreed on is not done: what they agreed on was another state of it."""
    if asked is None or asked.get(snapshot.id) == state_of(snapshot):
        return None
    return f"execution `{snapshot.id}` has moved on since it was asked for; look at it, and ask again"


def order(
    engine: DatabaseAccess, give: Callable[[Store, int], dict[str, Status | None]], wanted: Status, done: str
) -> Refusals:
    """Give it. Refused are those that somebody else had moved by then, as `give` says of each what it was before; after
    a lost reply that may have been this order itself (R17)."""
    try_count = 0

    def count(store: Store, now: int) -> dict[str, Status | None]:
        nonlocal try_count
        try_count += 1
        return give(store, now)

    before = engine.write(count)
    others = {id: status for id, status in before.items() if status is not None and status is not wanted}
    return {} if try_count > 1 else {id: _only(id, status, wanted, done) for id, status in others.items()}


def moved(
    engine: DatabaseAccess,
    batch: list[Snapshot],
    late: Refusals,
    is_moved: Callable[[Snapshot, Snapshot], bool],
) -> tuple[dict[str, str], Refusals]:
    """What an order made of each, by what it was before; `late` are those that another order was quicker with."""
    after = engine.read(lambda store: store.get([each.id for each in batch]))
    done: dict[str, str] = {}
    refused: Refusals = dict(late)
    for old, new in zip(batch, after, strict=True):
        if old.id in late:
            continue
        if new is not None and is_moved(old, new):
            done[old.id] = str(new.status)
        else:
            refused[old.id] = f"execution `{old.id}` did not move: it is {new.status if new else 'not there any more'}"
    return done, refused


def taken_over(store: Store, snapshot: Snapshot) -> str:
    """Why neither a retry nor a rerun may take it up."""
    again = next((act.id for act in store.acts(snapshot.id) if act.kind == ActKind.RERUN), None)
    if again is not None:
        return f"execution `{snapshot.id}` was run again before, as `{again}`; see to that one"
    return f"execution `{snapshot.id}` is not taken up again: its key `{snapshot.key}` went over to another"


def refuse_more(count: int, most: int | None) -> None:
    if most is not None and count > most:
        raise IllegalMove(
            f"{count} executions match, and at most {written(most)} were expected; look at them with a dry run first"
        )
