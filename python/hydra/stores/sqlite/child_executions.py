"""Children: made with the record that asks for them; their end is told to whoever asked, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.execution import Message, Status
from hydra.records import child_records
from hydra.stores.sqlite import mailbox, submission
from hydra.stores.sqlite.statements import RowStatement, to_json
from hydra.stores.sqlite.transaction import Reading, Transaction

_ADD_CHILDREN = RowStatement("add_children")


def spawn(transaction: Transaction, spawns: Sequence[child_records.Spawn], now: int) -> None:
    """Make each child, or adopt what its key stands for; a spawn with a key is answered."""
    messages: list[Message] = []
    links: list[tuple[str, str, str]] = []
    answers = submission.submit(transaction, [each.submission for each in spawns], now)
    for each, made in zip(spawns, answers, strict=True):
        if child_records.has_child(each, made):
            links.append((made.id, each.submission.id, each.parent_id))
        if each.submission.key is not None:
            messages.append(child_records.answer(each, made, now))
    transaction.execute_rows(_ADD_CHILDREN, links)
    own = [(child_id, parent_id) for child_id, request_id, parent_id in links if child_id == request_id]
    if own:
        transaction.execute("add_descendants", rows=to_json(own))
    ids = sorted({link[0] for link in links})
    transaction.execute("mark_children", ids=to_json(ids))
    if messages:
        mailbox.signal(transaction, messages, now)
        tell_parents(transaction, ids, now)


def tell_parents(transaction: Transaction, ids: Sequence[str], now: int) -> None:
    """Of those of these children that have ended."""
    rows = transaction.select("ended_children", ids=to_json(list(ids)), purged=child_records.PURGED)
    if rows:
        messages = [
            child_records.tell_end(parent_id, request_id, child_records.ChildEnd(Status(status), cause, payload), now)
            for _, request_id, parent_id, status, cause, payload in rows
        ]
        transaction.execute("remove_children", ids=to_json(sorted({row[0] for row in rows})))
        mailbox.signal(transaction, messages, now)


def announce_again(transaction: Transaction, ids: Sequence[str], now: int) -> None:
    """A parent that was failed was not told how its children ended meanwhile, or what became of them since."""
    links = child_records.unannounced(transaction.select("spawns", ids=to_json(list(ids)))) if ids else []
    if links:
        children = to_json(sorted({child_id for child_id, _, _ in links}))
        there = {row[0] for row in mailbox.select_states(transaction, children)}
        mailbox.consume(
            transaction, [(parent_id, request) for child_id, request, parent_id in links if child_id in there]
        )
        transaction.execute_rows(_ADD_CHILDREN, links)
        transaction.execute("mark_children", ids=children)
        tell_parents(transaction, sorted({link[0] for link in links}), now)


def with_descendants(reading: Reading, ids: Sequence[str]) -> list[str]:
    """These and the children they made that have not ended, and theirs."""
    found: list[str] = msgspec.json.decode(reading.select("descendants", ids=to_json(list(ids)))[0][0])
    return found
