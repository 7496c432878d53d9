"""Children: made with the record that asks for them; their end is told to whoever asked, in the same transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from hydra import family
from hydra.execution import Message, Status
from hydra.stores.sqlite import mailbox, submission
from hydra.stores.sqlite.statements import execute, execute_rows, select, to_json


def spawn(connection: sqlite3.Connection, namespace: str, spawns: Sequence[family.Spawn], now: int) -> None:
    """Make each child, or adopt what its key stands for; a spawn with a key is answered."""
    messages: list[Message] = []
    links: list[tuple[str, str, str]] = []
    answers = submission.submit(connection, namespace, [each.submission for each in spawns], now)
    for each, made in zip(spawns, answers, strict=True):
        if not made.conflict:
            links.append((made.id, each.submission.id, each.parent_id))
        if each.submission.key is not None:
            messages.append(family.answer(each, made.id, conflict=made.conflict, now=now))
    execute_rows(connection, "add_children", links)
    ids = sorted({link[0] for link in links})
    execute(connection, "mark_children", ids=to_json(ids))
    if messages:
        mailbox.signal(connection, namespace, messages, now)
        tell_parents(connection, namespace, ids, now)


def tell_parents(connection: sqlite3.Connection, namespace: str, ids: Sequence[str], now: int) -> None:
    """Of those of these children that have ended."""
    rows = select(connection, "ended_children", ids=to_json(list(ids)), purged=family.PURGED)
    if rows:
        messages = [
            family.tell_end(parent_id, request_id, family.End(Status(status), cause, payload), now)
            for _, request_id, parent_id, status, cause, payload in rows
        ]
        execute(connection, "remove_children", ids=to_json(sorted({row[0] for row in rows})))
        mailbox.signal(connection, namespace, messages, now)


def with_descendants(connection: sqlite3.Connection, ids: Sequence[str]) -> list[str]:
    """These and the children they made that have not ended, and theirs."""
    found: list[str] = msgspec.json.decode(select(connection, "descendants", ids=to_json(list(ids)))[0][0])
    return found
