"""Random executions, and what one commit says of them: what the transition tests put before each store."""

from __future__ import annotations

from typing import NamedTuple

from hydra.execution import Ending
from hypothesis import strategies as st

from tests.stores.store_values import NOW, SECOND

AT = NOW + 20 * SECOND  # when it is committed
LATER = NOW + 100 * SECOND  # when what was not flagged is late
ENDINGS = [each.value for each in Ending if each is not Ending.LOST]
WAKE_ATS = (0, AT - SECOND, AT + 10 * SECOND, AT + 200 * SECOND)  # 0: by a message only; a sleep has one
CAUSED = ("failed", "parked", "crashed", "released", "cancelled")


class EndCase(NamedTuple):
    kind: str
    cause: str
    cause_seq: int
    wake_at: int
    unseen: int  # how many of the wakes before it the suspension has not seen
    is_undone: bool
    has_payload: bool


class ItemCase(NamedTuple):
    epoch_off: int
    seq_off: int
    records: tuple[str, ...]
    deaths: int | None
    alone_deaths: int | None
    end: EndCase | None
    successor: str | None  # "alive", "dead"
    began_cancelled: bool


class Case(NamedTuple):
    parent: str | None  # "running", "waiting"
    attempts: int
    recorded: int
    has_child: bool
    deaths: int | None
    signals: int
    attention: str | None
    is_limited: bool
    items: tuple[ItemCase, ...]


@st.composite
def ends(draw: st.DrawFn) -> EndCase:
    kind = draw(st.sampled_from(ENDINGS))
    cause = draw(st.sampled_from(("", "timeout" if kind == "failed" else "why"))) if kind in CAUSED else ""
    can_wake = kind in ("sleeping", "waiting", "retry")
    return EndCase(
        kind,
        cause,
        draw(st.sampled_from((0, 1))) if kind in ("failed", "retry") else 0,
        draw(st.sampled_from(WAKE_ATS[kind == "sleeping" :])) if can_wake else 0,
        draw(st.sampled_from((0, 0, 1))),
        draw(st.booleans()) if kind == "failed" else False,
        draw(st.booleans()),
    )


@st.composite
def items(draw: st.DrawFn) -> ItemCase:
    end = draw(st.none() | ends() | ends() | ends())
    is_parked = end is not None and end.kind == "parked"
    return ItemCase(
        draw(st.sampled_from((0,) * 12 + (-1, 1))),
        draw(st.sampled_from((0,) * 12 + (-1, 1))),
        tuple(draw(st.lists(st.sampled_from(("step", "step", "expiry", "spawn")), max_size=2))),
        draw(st.sampled_from((None, None, 0, 2))),
        draw(st.sampled_from((None, None, 0, 1))),
        end,
        draw(st.sampled_from((None, "alive", "dead"))) if is_parked else None,
        draw(st.booleans()) if is_parked else False,
    )


def until_held_back(items: list[ItemCase]) -> tuple[ItemCase, ...]:
    """Nothing follows a finish that is refused: it is not the end of its claim, and a node sends no other."""
    for place, item in enumerate(items, 1):
        if (item.epoch_off or item.seq_off) and item.end is not None and item.end.kind in ("completed", "failed"):
            return tuple(items[:place])
    return tuple(items)


CASES = st.builds(
    Case,
    parent=st.sampled_from((None, None, "running", "waiting")),
    attempts=st.sampled_from((1, 1, 2)),
    recorded=st.integers(0, 2),
    has_child=st.booleans(),
    deaths=st.sampled_from((None, 1)),
    signals=st.integers(0, 2),
    attention=st.sampled_from((None, None, "cancel", "timeout")),
    is_limited=st.booleans(),
    items=st.lists(items(), min_size=1, max_size=3).map(until_held_back),
)
