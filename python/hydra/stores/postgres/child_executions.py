"""Children: made with the record that asks for them; the statement that ends one tells whoever asked."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.execution import ExecutionCommit, Message, RecordKind
from hydra.records import child_records
from hydra.stores.postgres import mailbox, submission
from hydra.stores.postgres.arrays import uuids
from hydra.stores.postgres.transaction import Transaction

Spawn = child_records.Spawn
CommitParts = tuple[ExecutionCommit, list[Spawn]]


_SPAWN = RecordKind.SPAWN.value


def take_apart(item: ExecutionCommit) -> tuple[ExecutionCommit, list[child_records.Spawn]]:
    """What is written of it, and the children it asks for."""
    if all(record.kind != _SPAWN for record in item.records):
        return item, []
    spawns: list[child_records.Spawn] = []
    records = []
    for record in item.records:
        if record.kind == _SPAWN:
            record, asked = child_records.take_apart(item.id, record)
            spawns.append(asked)
        records.append(record)
    return msgspec.structs.replace(item, records=records), spawns


def spawn(transaction: Transaction, spawns: Sequence[child_records.Spawn], now: int) -> None:
    """Make each child, or adopt what its key stands for; a spawn with a key is answered."""
    messages: list[Message] = []
    links: list[tuple[str, str, str]] = []
    answers = submission.add(transaction, [each.submission for each in spawns], now)
    for each, made in zip(spawns, answers, strict=True):
        if child_records.has_child(each, made):
            links.append((made.id, each.submission.id, each.parent_id))
        if each.submission.key is not None:
            messages.append(child_records.answer(each, made, now))
    ids = uuids([link[0] for link in links])
    requests = {"request_ids": uuids([link[1] for link in links]), "parent_ids": uuids([link[2] for link in links])}
    links_values = {"ids": ids, **requests}
    children = ("add_children", {**links_values, "is_late": 0})
    transaction.run(children, ("add_descendants", links_values), ("mark_children", {"ids": ids}))
    if messages:
        mailbox.put(transaction, messages, now)
        transaction.execute("tell_parents", ids=ids, now=now, purged=child_records.PURGED)


def announce_again(transaction: Transaction, ids: Sequence[str], now: int) -> None:
    """A parent that was failed was not told how its children ended meanwhile, or what became of them since. A statement
    that is just ending one, and began before the link was there, does not see it: the next heartbeat does."""
    links = child_records.unannounced(transaction.select("spawns", ids=uuids(ids))) if ids else []
    if links:
        links.sort()
        values = {
            "ids": uuids([link[0] for link in links]),
            "request_ids": uuids([link[1] for link in links]),
            "parent_ids": uuids([link[2] for link in links]),
        }
        children = {"ids": values["ids"]}
        transaction.run(
            ("forget_ends", values), ("add_children", {**values, "is_late": 1}), ("mark_children", children)
        )
        transaction.execute("tell_parents", **children, now=now, purged=child_records.PURGED)
