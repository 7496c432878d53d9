"""Whose turn it is among the values of a key: start-time fair queueing. Pure: plain numbers, no rows, no clock.

    a value's queue ──(a few are let go, each with the instant of its turn)──► ready, or a limit's, by that instant

Every turn starts where the value's turn before it finished, or at the virtual time where the value was idle; it
finishes a cost later, which is divided by the value's weight. So a value with a million before it and one with ten get
turns by their weights, whatever came first. The virtual time is the start of the last turn that was used. It has no
speed of its own: the cost grows while it is behind the clock, so that turns stay comparable with what has none.

All instants are nanoseconds. The last bits of a finish count the value's turns: each eighth is the eldest's, whatever
its priority.
"""

from __future__ import annotations

from hydra.limit_keys import WEIGHT_UNIT
from hydra.limits import WINDOW

MAX_WINDOW = 256  # of a value that are let go and have not begun, while as many begin between two looks
AGED_TURN = 8  # a power of 2
COST_NS = 8_000  # of a turn at a weight of 1, at least: divided by the largest weight it is more than AGED_TURN
IDLE_NS = 1_000_000_000  # a virtual time that is further behind may be of an idle key


class VirtualTime:
    """Of one limit: where values that were idle begin."""

    def __init__(self, at_ns: int, now: int) -> None:
        self._now_ns = now * 1000
        self.at_ns = at_ns or self._now_ns

    def used(self, start_ns: int) -> None:
        """A turn that was let go has begun."""
        self.at_ns = max(self.at_ns, start_ns)

    def is_behind(self) -> bool:
        return self._now_ns - self.at_ns > IDLE_NS

    def skip_idle_time(self) -> None:
        """Nothing that was let go waits: nobody's order changes."""
        self.at_ns = max(self.at_ns, self._now_ns)

    def cost_ns(self) -> int:
        """The same for all at about the same time; all of a window stays before the clock."""
        return max(COST_NS, (self._now_ns - self.at_ns) // MAX_WINDOW)


class Turns:
    """The next turns of one value."""

    def __init__(self, finish_ns: int, weight: int, time: VirtualTime) -> None:
        self.finish_ns = finish_ns
        self._weight = weight
        self._time = time

    def is_eldests(self) -> bool:
        """Whether the next turn is for who waits longest."""
        return self.finish_ns % AGED_TURN == AGED_TURN - 1

    def take(self) -> int:
        """When the next turn starts."""
        start = _whole(max(self._time.at_ns, self.finish_ns))
        finish = _whole(start + self._time.cost_ns() * WEIGHT_UNIT // self._weight)
        self.finish_ns = finish + (self.finish_ns + 1) % AGED_TURN
        return start


def window(begun_count: int) -> int:
    """How many of a value may be let go and not begun, when so many began since the look before."""
    return min(MAX_WINDOW, max(WINDOW, 2 * begun_count))


def elder_count(room: int) -> int:
    """How many of the eldest are worth reading."""
    return room // AGED_TURN + 1


def _whole(at_ns: int) -> int:
    return at_ns - at_ns % AGED_TURN
