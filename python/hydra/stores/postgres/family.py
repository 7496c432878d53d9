"""Children: made with the record that asks for them; the statement that ends one tells whoever asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hydra import family
from hydra.execution import ExecutionCommit, Message, RecordKind
from hydra.stores.postgres import mailbox, submission
from hydra.stores.postgres.arrays import uuids
from hydra.stores.postgres.session import Result

Spawn = family.Spawn

Write = Callable[..., list[Result]]

_SPAWN = RecordKind.SPAWN.value


def take_apart(item: ExecutionCommit) -> tuple[ExecutionCommit, list[family.Spawn]]:
    """What is written of it, and the children it asks for."""
    if all(record.kind != _SPAWN for record in item.records):
        return item, []
    spawns: list[family.Spawn] = []
    records = []
    for record in item.records:
        if record.kind == _SPAWN:
            record, asked = family.take_apart(item.id, record)
            spawns.append(asked)
        records.append(record)
    return msgspec.structs.replace(item, records=records), spawns


def spawn(write: Write, namespace: str, spawns: Sequence[family.Spawn], now: int) -> None:
    """Make each child, or adopt what its key stands for; a spawn with a key is answered."""
    messages: list[Message] = []
    links: list[tuple[str, str, str]] = []
    answers = submission.submit(write, namespace, [each.submission for each in spawns], now)
    for each, made in zip(spawns, answers, strict=True):
        if not made.conflict:
            links.append((made.id, each.submission.id, each.parent_id))
        if each.submission.key is not None:
            messages.append(family.answer(each, made.id, conflict=made.conflict, now=now))
    ids = uuids([link[0] for link in links])
    requests = {"request_ids": uuids([link[1] for link in links]), "parent_ids": uuids([link[2] for link in links])}
    write(("add_children", {"ids": ids, **requests}), ("mark_children", {"ids": ids}))
    if messages:
        mailbox.signal(write, namespace, messages, now)
        write(("tell_parents", {"ids": ids, "now": now, "purged": family.PURGED}))
