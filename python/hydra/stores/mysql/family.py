"""Children: made with the record that asks for them; their end is told to whoever asked, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence

from hydra import family
from hydra.execution import Message, Status
from hydra.stores.mysql import mailbox, submission
from hydra.stores.mysql.statements import id_list, id_literal, id_text, literal
from hydra.stores.mysql.transaction import Transaction


def spawn(transaction: Transaction, spawns: Sequence[family.Spawn], now: int) -> None:
    """Make each child, or adopt what its key stands for; a spawn with a key is answered."""
    messages: list[Message] = []
    links: list[tuple[str, str, str]] = []
    answers = submission.submit(transaction, [each.submission for each in spawns], now)
    for each, made in zip(spawns, answers, strict=True):
        if not made.conflict:
            links.append((made.id, each.submission.id, each.parent_id))
        if each.submission.key is not None:
            messages.append(family.answer(each, made.id, conflict=made.conflict, now=now))
    rows = [f"({', '.join(map(id_literal, link))})" for link in sorted(links)]
    transaction.queue_rows("add_children", rows)
    ids = [link[0] for link in links]
    if ids:
        transaction.queue("mark_children", ids=id_list(ids))
    transaction.flush()
    if messages:
        mailbox.signal(transaction, messages, now)
        tell_parents(transaction, ids, now)


def tell_parents(transaction: Transaction, ids: Sequence[str], now: int) -> None:
    """Of those of these children that have ended."""
    rows = transaction.select("ended_children", ids=id_list(ids), purged=literal(family.PURGED)) if ids else ()
    if rows:
        messages = [
            family.tell_end(id_text(parent), id_text(request), family.End(Status(status), cause.decode(), payload), now)
            for _, request, parent, status, cause, payload in rows
        ]
        transaction.queue("remove_children", ids=id_list(id_text(row[0]) for row in rows))
        mailbox.signal(transaction, messages, now)


def with_descendants(transaction: Transaction, ids: Sequence[str]) -> list[str]:
    """These and the children they made that have not ended, and theirs."""
    found = list(dict.fromkeys(ids))
    generation: Sequence[str] = found
    while generation:
        rows = transaction.select("children_of", ids=id_list(generation))
        generation = [id for id in dict.fromkeys(id_text(key) for (key,) in rows) if id not in found]
        found += generation
    return found
