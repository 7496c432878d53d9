"""Children: made with the record that asks for them; their end is told to whoever asked, in the same transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from hydra.execution import Message, Status
from hydra.records import child_records
from hydra.stores.sqlite import mailbox, submission
from hydra.stores.sqlite.statements import RowStatement, execute, execute_rows, select, to_json

_ADD_CHILDREN = RowStatement("add_children")


def spawn(connection: sqlite3.Connection, namespace: str, spawns: Sequence[child_records.Spawn], now: int) -> None:
    """Make each child, or adopt what its key stands for; a spawn with a key is answered."""
    messages: list[Message] = []
    links: list[tuple[str, str, str]] = []
    answers = submission.submit(connection, namespace, [each.submission for each in spawns], now)
    for each, made in zip(spawns, answers, strict=True):
        if child_records.has_child(each, made):
            links.append((made.id, each.submission.id, each.parent_id))
        if each.submission.key is not None:
            messages.append(child_records.answer(each, made, now))
    execute_rows(connection, _ADD_CHILDREN, links)
    own = [(child_id, parent_id) for child_id, request_id, parent_id in links if child_id == request_id]
    if own:
        execute(connection, "add_descendants", rows=to_json(own))
    ids = sorted({link[0] for link in links})
    execute(connection, "mark_children", ids=to_json(ids))
    if messages:
        mailbox.signal(connection, namespace, messages, now)
        tell_parents(connection, namespace, ids, now)


def tell_parents(connection: sqlite3.Connection, namespace: str, ids: Sequence[str], now: int) -> None:
    """Of those of these children that have ended."""
    rows = select(connection, "ended_children", ids=to_json(list(ids)), purged=child_records.PURGED)
    if rows:
        messages = [
            child_records.tell_end(parent_id, request_id, child_records.ChildEnd(Status(status), cause, payload), now)
            for _, request_id, parent_id, status, cause, payload in rows
        ]
        execute(connection, "remove_children", ids=to_json(sorted({row[0] for row in rows})))
        mailbox.signal(connection, namespace, messages, now)


def announce_again(connection: sqlite3.Connection, namespace: str, ids: Sequence[str], now: int) -> None:
    """A parent that was failed was not told how its children ended meanwhile, or what became of them since."""
    links = child_records.unannounced(select(connection, "spawns", ids=to_json(list(ids)))) if ids else []
    if links:
        children = to_json(sorted({child_id for child_id, _, _ in links}))
        there = {row[0] for row in mailbox.select_states(connection, namespace, children)}
        mailbox.consume(
            connection, [(parent_id, request) for child_id, request, parent_id in links if child_id in there]
        )
        execute_rows(connection, _ADD_CHILDREN, links)
        execute(connection, "mark_children", ids=children)
        tell_parents(connection, namespace, sorted({link[0] for link in links}), now)


def with_descendants(connection: sqlite3.Connection, ids: Sequence[str]) -> list[str]:
    """These and the children they made that have not ended, and theirs."""
    found: list[str] = msgspec.json.decode(select(connection, "descendants", ids=to_json(list(ids)))[0][0])
    return found
