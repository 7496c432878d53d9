"""Orders to executions, each in one transaction with the lines that say who gave it (`hydra_act`).

A line is written for each execution that the order moved, or asked to end; none for what it did not touch. An order
that is repeated after a lost reply finds what it did, and its lines (R17).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hydra.attributes import KeyChanges
from hydra.client.acting import Author
from hydra.errors import IllegalMove
from hydra.execution import FINAL, Message, Record, Snapshot, Status
from hydra.records.callbacks import CALLBACK_PREFIX
from hydra.stores.acts import Act, ActKind
from hydra.stores.clash import Clash
from hydra.stores.store import Store


def retry(
    store: Store, ids: Sequence[str], now: int, author: Author, order: Callable[[], Sequence[Status | None]]
) -> list[Status | None]:
    """`order` gives the statuses before. What stays failed (its key is another's) has no line."""

    def work() -> list[Status | None]:
        before = list(order())
        failed = [id for id, status in zip(ids, before, strict=True) if status is Status.FAILED]
        moved = [each for each in store.get(failed) if each is not None and each.status is not Status.FAILED]
        store.add_acts(
            [author.act(each.id, ActKind.RETRY, now, f"was failed; attempt {each.attempt} begins") for each in moved]
        )
        return before

    return store.together(work)


def resume(store: Store, ids: Sequence[str], now: int, author: Author) -> list[Status | None]:
    """The statuses before."""

    def work() -> list[Status | None]:
        before = store.resume(ids, now)
        parked = [id for id, status in zip(ids, before, strict=True) if status is Status.PARKED]
        store.add_acts([author.act(id, ActKind.RESUME, now, "was parked") for id in dict.fromkeys(parked)])
        return before

    return store.together(work)


def cancel(
    store: Store,
    ids: Sequence[str],
    now: int,
    author: Author,
    *,
    undo: bool,
    states: Sequence[tuple[int, int]] | None = None,
) -> list[Status | None]:
    """The statuses after. With `states` (`approvals.state_of`): IllegalMove where one is in another by now."""

    def work() -> list[Status | None]:
        before = store.get(ids)
        after = store.request_cancel(ids, now, undo=undo)
        if states is not None:  # the rows are locked, so that none moves on from here
            refuse_moved(before, store.get(ids), states)
        store.add_acts(
            [
                author.act(old.id, ActKind.CANCEL, now, f"was {old.status}{_without(undo)}")
                for old, new in zip(before, after, strict=True)
                if old is not None and old.status not in FINAL and new not in (Status.COMPLETED, Status.FAILED)
            ]
        )
        return after

    return store.together(work)


def refuse_moved(
    before: Sequence[Snapshot | None], now: Sequence[Snapshot | None], states: Sequence[tuple[int, int]]
) -> None:
    for old, new, (epoch, count) in zip(before, now, states, strict=True):
        if old is not None and new is not None and (old.epoch, new.record_count) != (epoch, count):
            raise IllegalMove(f"execution `{old.id}` has moved on since it was asked for; look at it, and ask again")


def cancel_in(
    store: Store, connection: object, id: str, now: int, author: Author, *, undo: bool
) -> list[Status | None]:
    """In a caller's own transaction, to whose commit the line belongs, too."""
    after = store.request_cancel_in(connection, [id], now, undo=undo)
    if after[0] is not None and after[0] not in (Status.COMPLETED, Status.FAILED):
        store.add_acts_in(connection, [author.act(id, ActKind.CANCEL, now, f"by its own transaction{_without(undo)}")])
    return after


def signal(store: Store, messages: Sequence[Message], now: int, author: Author | None) -> list[Status | Clash | None]:
    """The statuses before. A program's signal leaves no line: the message is its record, and it may send thousands in a
    second. Nor does one that was there already."""
    if author is None or not author.is_said:
        return store.signal(messages, now)

    def work() -> list[Status | Clash | None]:
        before = store.signal(messages, now)
        new = [each for each, status in zip(messages, before, strict=True) if _is_taken(status)]
        store.add_acts([_line(author, each, now) for each in new if _is_new(store, each)])
        return before

    return store.together(work)


def signal_in(
    store: Store, connection: object, message: Message, now: int, author: Author | None
) -> list[Status | Clash | None]:
    """In a caller's own transaction, to whose commit the line belongs, too."""
    before = store.signal_in(connection, [message], now)
    if author is not None and _is_taken(before[0]):
        store.add_acts_in(connection, [_line(author, message, now)])
    return before


def _is_taken(status: Status | Clash | None) -> bool:
    return isinstance(status, Status) and status not in FINAL


def _is_new(store: Store, message: Message) -> bool:
    """Whether what is there under its id, in this transaction, was put just now: one put before has its own time."""
    put = store.messages(message.execution_id, message.name)
    return any(each.id == message.id and each.sent_at == message.sent_at for each in put)


def _line(author: Author, message: Message, now: int) -> Act:
    if message.name.startswith(CALLBACK_PREFIX):
        return author.act(message.execution_id, ActKind.COMPLETE, now, "its callback")
    return author.act(message.execution_id, ActKind.SIGNAL, now, f"event `{message.name}`")


def resolve(store: Store, id: str, record: Record, now: int, author: Author) -> list[Status | None]:
    """The status before."""

    def work() -> list[Status | None]:
        before = store.resolve([(id, record)], now)
        if before[0] is Status.PARKED:
            what = "it runs again" if record.payload is None else "it took effect"
            store.add_acts([author.act(id, ActKind.RESOLVE, now, f"was parked; step `{record.name}`: {what}")])
        return before

    return store.together(work)


def set_attributes(store: Store, id: str, changes: KeyChanges, now: int, author: Author) -> Status | None:
    """The status; None if it is unknown. The line has names, and no values."""

    def work() -> Status | None:
        status = store.set_attributes(id, changes, now)
        if status is not None:
            store.add_acts([author.act(id, ActKind.ATTRIBUTES, now, f"{', '.join(f'`{name}`' for name in changes)}")])
        return status

    return store.together(work)


def _without(undo: bool) -> str:
    return "" if undo else "; without undo"
