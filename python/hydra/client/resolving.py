"""What a person says of a step in doubt: it took effect, with this value; or it did not, and is to run again."""

from __future__ import annotations

from typing import Any

import msgspec

from hydra import codec
from hydra.client import recorded_orders
from hydra.client.acting import Author
from hydra.client.approvals import What, need
from hydra.client.database_access import DatabaseAccess
from hydra.client.views import steps_in_doubt
from hydra.errors import ConfigError, IllegalMove, NotFound
from hydra.execution import Record, RecordKind, Status
from hydra.stores.approvals import ApprovalKind
from hydra.stores.store import Store

NOTHING: Any = object()  # no value was given; None is one


def resolve(
    engine: DatabaseAccess,
    id: str,
    step: str,
    value: Any,
    rerun: bool,
    branch: str | None,
    ordinal: int | None,
    author: Author,
) -> None:
    if rerun is (value is not NOTHING):
        raise ConfigError("give either the `value` the step would have returned, or `rerun=True`")
    records = _records(engine, id)
    doubt = _in_doubt(engine, id, records, step, branch, ordinal)
    if rerun and doubt.kind == RecordKind.RESOLUTION:
        raise IllegalMove(f"step `{step}` was said to have taken effect; correct its value, it cannot run again")
    payload = None if rerun else codec.encode(value)
    asked = What((id,), step=doubt.name, seq=doubt.seq, at=doubt.started_at, rerun=rerun)
    need(engine, ApprovalKind.RESOLVE, asked, author, payload or b"")
    _settle(engine, id, records, doubt, payload, author)


def settle_asked(engine: DatabaseAccess, what: What, payload: bytes, author: Author) -> None:
    """What a second person has approved, of that very doubt; nothing where it was done before."""
    (id,) = what.ids
    if any(act.id == author.id for act in engine.read(lambda store: store.acts(id))):
        return
    records = _records(engine, id)
    doubts = steps_in_doubt(records) if engine.snapshot(id).status is Status.PARKED else []
    doubt = next((each for each in doubts if (each.seq, each.started_at) == (what.seq, what.at)), None)
    if doubt is None or doubt.name != what.step:
        raise IllegalMove(f"step `{what.step}` of execution `{id}` is not in doubt any more as when it was asked for")
    _settle(engine, id, records, doubt, None if what.rerun else payload, author)


def _settle(
    engine: DatabaseAccess, id: str, records: list[Record], doubt: Record, payload: bytes | None, author: Author
) -> None:
    kind = str(RecordKind.RESOLUTION)

    def settle(store: Store, now: int) -> list[Status | None]:
        seq = len(records) + 1
        settled = msgspec.structs.replace(
            doubt, seq=seq, kind=kind, payload=payload, started_at=now, finished_at=now, due_at=0
        )
        return recorded_orders.resolve(store, id, settled, now, author)

    (before,) = engine.write(settle)
    if before is None:
        raise engine.not_found(id)
    if before is Status.PARKED:
        return
    again = _records(engine, id)
    if len(again) > len(records) and (again[len(records)].kind, again[len(records)].payload) == (kind, payload):
        return  # it was written, and its answer lost
    raise IllegalMove(f"execution `{id}` has moved on meanwhile; look at it again before you resolve `{doubt.name}`")


def _in_doubt(
    engine: DatabaseAccess, id: str, records: list[Record], step: str, branch: str | None, ordinal: int | None
) -> Record:
    status = engine.snapshot(id).status
    if status is not Status.PARKED:
        raise IllegalMove(f"execution `{id}` is {status}; only a step of a parked one can be resolved")
    found = [
        record
        for record in steps_in_doubt(records)
        if record.name == step and branch in (None, record.branch) and ordinal in (None, record.ordinal)
    ]
    if not found:
        raise NotFound(f"no step `{step}` of execution `{id}` is in doubt")
    if len(found) > 1:
        places = ", ".join(f"branch `{record.branch}` ordinal {record.ordinal}" for record in found)
        raise ConfigError(f"{len(found)} steps `{step}` are in doubt ({places}); say which")
    return found[0]


def _records(engine: DatabaseAccess, id: str) -> list[Record]:
    return engine.read(lambda store: store.records(id))
