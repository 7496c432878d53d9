"""By which of the attributes that are asked for executions are found, and how. Pure: every store asks this, and reads.

    list_by_value         one value, from its newest execution on
    list_by_range         a range with little in it, which is sorted
    list_by_wide_range    a range with much in it: whatever has attributes, from the newest on

The others are looked at with what was found. The one that leads is the rarest, counted no further than COMMON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hydra.sought import Sought

COMMON = 10_000  # executions; those of a range are sorted for each page

Count = Callable[[Sequence[Sought], int], list[int]]


class Lead(NamedTuple):
    """The list that is read, by what, and what else must match."""

    name: str
    sought: Sought
    others: tuple[Sought, ...]


def leading(sought: Sequence[Sought], count: Count) -> Lead:
    """`count` says how many have each, no further than it is told."""
    place = 0
    counts = [0]
    if len(sought) > 1 or not sought[0].is_exact:
        counts = count(sought, COMMON)
        place = min(range(len(sought)), key=lambda each: (counts[each], not sought[each].is_exact))
    lead = sought[place]
    others = (*sought[:place], *sought[place + 1 :])
    if lead.is_exact:
        return Lead("list_by_value", lead, others)
    return Lead("list_by_range" if counts[place] < COMMON else "list_by_wide_range", lead, others)
