"""Rows whose columns have values of another type, as SQLite keeps whatever was written by hand. Pure."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from functools import cache
from types import UnionType
from typing import Any

import msgspec

from hydra.errors import HydraError
from hydra.execution import Claim, Record, Snapshot


def mended(snapshot: Snapshot) -> Snapshot:
    """What can be shown of it: in place of what does not fit stands nothing, or 0, and its reason says so."""
    wrong = misfits(snapshot)
    if not wrong:
        return snapshot
    nothing: dict[str, Any] = {name: None if _may_be_none(Snapshot, name) else 0 for name in wrong}
    reason = f"its row in the database is damaged: `{'`, `'.join(wrong)}` cannot be read"
    return msgspec.structs.replace(snapshot, **nothing | {"reason": reason})


def check_readable(id: str, input: object, records: Sequence[Record], claims: Sequence[Claim]) -> None:
    """HydraError, in one sentence, where something of what an execution has left does not fit its type."""
    if input is not None and not isinstance(input, bytes):
        raise HydraError(f"the input of execution `{id}` is damaged in the database; {WHAT_TO_DO}")
    for record in records:
        if wrong := misfits(record):
            raise HydraError(f"record {record.seq} of execution `{id}` is damaged: {_named(wrong)}; {WHAT_TO_DO}")
    for claim in claims:
        if wrong := misfits(claim):
            raise HydraError(f"claim {claim.epoch} of execution `{id}` is damaged: {_named(wrong)}; {WHAT_TO_DO}")


WHAT_TO_DO = "`hydra list` and `hydra why` show the rest; restore the row from a backup, or delete the execution"


def misfits(row: msgspec.Struct) -> list[str]:
    """The names of the fields whose values are of another type than they say."""
    return [name for name, kinds in _kinds(type(row)) if not isinstance(getattr(row, name), kinds)]


@cache
def _kinds(cls: type[msgspec.Struct]) -> list[tuple[str, tuple[type, ...]]]:
    return [(field.name, _classes(field.type)) for field in msgspec.structs.fields(cls)]


def _classes(annotation: Any) -> tuple[type, ...]:
    if isinstance(annotation, UnionType) or typing.get_origin(annotation) is typing.Union:
        return tuple(cls for each in typing.get_args(annotation) for cls in _classes(each))
    return (typing.get_origin(annotation) or annotation,)


def _may_be_none(cls: type[msgspec.Struct], name: str) -> bool:
    return type(None) in dict(_kinds(cls))[name]


def _named(names: Sequence[str]) -> str:
    return f"its `{'`, `'.join(names)}` cannot be read"
