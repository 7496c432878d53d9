"""Keys of limits that let nobody go on for a while. What a commit's cool-downs mean for the keys of its executions;
what a row means. Pure: reads no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hydra.execution import CommitAnswer, ExecutionCommit
from hydra.stores.admission import NEVER
from hydra.stores.batches import have_cool_downs


class KeyPause(msgspec.Struct, frozen=True):
    """One key of a limit lets nobody go on until an instant; None: until a person resumes it.

    Said by a person, or by a step that was told to come back later: a cool-down."""

    key: str
    until: int | None
    paused_at: int
    paused_by: str
    reason: str


Items = Sequence[ExecutionCommit]


def cooling(commits: Items, answers: Sequence[CommitAnswer]) -> list[ExecutionCommit]:
    """Those of a commit that were written, and pause keys."""
    if not have_cool_downs(commits):
        return []
    return [item for item, answer in zip(commits, answers, strict=True) if answer and item.cool_downs]


def pauses_of(items: Iterable[ExecutionCommit], keys: Mapping[str, Sequence[str]], now: int) -> list[KeyPause]:
    """Each key once, for as long as somebody said; in the order of the keys. `keys` are those of each execution: what
    was submitted before its limit was in the code has none of it."""
    found: dict[str, KeyPause] = {}
    for item in items:
        for cool_down in item.cool_downs:
            for key in keys.get(item.id, ()):
                known = found.get(key)
                is_longer = known is None or known.until is None or known.until < cool_down.until
                if key.startswith(f"{cool_down.limit}:") and cool_down.until > now and is_longer:
                    found[key] = KeyPause(key, cool_down.until, now, f"execution `{item.id}`", cool_down.reason)
    return [found[key] for key in sorted(found)]


def to_key_pause(row: Sequence[Any]) -> KeyPause:
    key, until, paused_at, paused_by, reason = row
    return KeyPause(key, None if until == NEVER else until, paused_at, paused_by, reason)


def until_of(pause: KeyPause) -> int:
    """As it is stored."""
    return NEVER if pause.until is None else pause.until
