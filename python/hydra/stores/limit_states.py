"""Limits as the database has them: their numbers, and who holds and waits at each key."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class LimitState(msgspec.Struct, frozen=True):
    """A limit: its code's numbers, and what an operator has set in their place."""

    kind: str
    name: str
    count: int
    per_us: int
    burst: int
    set_count: int | None = None
    set_per_us: int | None = None
    set_burst: int | None = None


class LimitUse(msgspec.Struct, frozen=True):
    """One key of a limit; `waiting_count` is counted no further than asked for."""

    key: str
    held_count: int
    waiting_count: int
    look_at: int | None = None


class Weight(msgspec.Struct, frozen=True):
    """Of one value of a Fair, in thousandths: by the code, and an operator's in its place."""

    key: str
    weight: int | None
    set_weight: int | None


class KeyUse(msgspec.Struct, frozen=True):
    """One key of a limit: who holds a place, first those that do not run; and when it is looked at next, which for a
    rate is when its next token is due."""

    holders: Sequence[str]
    look_at: int | None = None
