"""Children: made with the record that asks for them; their end is told to whoever asked, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.execution import Message, Status
from hydra.records import child_records
from hydra.stores.mysql import mailbox, submission
from hydra.stores.mysql.locking import lock_executions
from hydra.stores.mysql.statements import id_list, id_literal, id_text, literal
from hydra.stores.mysql.transaction import Transaction


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
    rows = [f"({', '.join(map(id_literal, link))})" for link in sorted(links)]
    transaction.queue_rows("add_children", rows)
    own = [(child_id, parent_id) for child_id, request_id, parent_id in links if child_id == request_id]
    if own:
        _add_descendants(transaction, own)
    ids = [link[0] for link in links]
    if ids:
        transaction.queue("mark_children", ids=id_list(ids))
    transaction.flush()
    if messages:
        mailbox.signal(transaction, messages, now)
        tell_parents(transaction, ids, now)


def _add_descendants(transaction: Transaction, own: Sequence[tuple[str, str]]) -> None:
    """A child is part of its parent's tree."""
    known = transaction.select("roots_of", ids=id_list(parent_id for _, parent_id in own))
    roots = {id_text(id): id_text(root) for id, root in known}
    rows = [f"({id_literal(child)}, {id_literal(roots.get(parent, parent))})" for child, parent in sorted(own)]
    transaction.queue_rows("add_descendants", rows)


def tell_parents(transaction: Transaction, ids: Sequence[str], now: int) -> None:
    """Of those of these children that have ended."""
    rows = transaction.select("ended_children", ids=id_list(ids), purged=literal(child_records.PURGED)) if ids else ()
    if rows:
        messages = [
            child_records.tell_end(
                id_text(parent), id_text(request), child_records.ChildEnd(Status(status), cause.decode(), payload), now
            )
            for _, request, parent, status, cause, payload in rows
        ]
        transaction.queue("remove_children", ids=id_list(id_text(row[0]) for row in rows))
        mailbox.signal(transaction, messages, now)


def announce_again(transaction: Transaction, ids: Sequence[str], now: int) -> None:
    """A parent that was failed was not told how its children ended meanwhile, or what became of them since."""
    rows = transaction.select("spawns", ids=id_list(ids))
    links = child_records.unannounced(
        (id_text(id), _text(kind), _text(name), payload) for id, kind, name, payload in rows
    )
    if links:
        children = sorted({child_id for child_id, _, _ in links})
        there = {each.id for each in lock_executions(transaction, children)}
        mailbox.consume(
            transaction, [(parent_id, request) for child_id, request, parent_id in links if child_id in there]
        )
        transaction.queue_rows("add_children", [f"({', '.join(map(id_literal, link))})" for link in sorted(links)])
        transaction.queue("mark_children", ids=id_list(children))
        transaction.flush()
        tell_parents(transaction, children, now)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def with_descendants(transaction: Transaction, ids: Sequence[str]) -> list[str]:
    """These and the children they made that have not ended, and theirs."""
    found = list(dict.fromkeys(ids))
    generation: Sequence[str] = found
    while generation:
        rows = transaction.select("children_of", ids=id_list(generation))
        generation = [id for id in dict.fromkeys(id_text(key) for (key,) in rows) if id not in found]
        found += generation
    return found
