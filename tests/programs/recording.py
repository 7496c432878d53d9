"""What one run of a program did: what its bodies saw, what its steps did outside, and what must not be.

body ── call ─► note, label ── step ─► a try under a key ─► its effect
                  └── what is seen before a call that took effect is decided: every later replay must see it, too
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

TRUNCATED = 24  # characters of what was seen last, as an argument of the next call


class Closed(list[str]):
    """Notes to which nothing is added any more."""

    def append(self, note: str) -> None:
        """It comes too late."""


class Trace:
    """One life of one body, from its first statement to where it returned, was set aside or died."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.calls: dict[str, int] = {}  # by label: how many notes came before
        self.decided_count = 0  # notes that something outside rests on
        self.undone_count = 0  # notes before the first undo step, of which a later life need not come to the last
        self.sites: Counter[str] = Counter()
        self.given_up: set[str] = set()  # calls that were cancelled while they went on
        self.seen: list[str] = []

    def call(self, site: str) -> str:
        label = f"{site}.{self.sites[site]}"
        self.sites[site] += 1
        self.calls[label] = len(self.notes)
        self.notes.append(f"call {label}")
        return label

    def got(self, site: str, value: Any) -> None:
        said = f"{site}={plain(value)}"
        self.notes.append(said)
        self.seen.append(said)

    def end(self) -> None:
        """The body has returned, or raised: what tasks that it left say when they are closed is not its."""
        self.notes = Closed(self.notes)

    def last(self) -> str:
        return f"{len(self.seen)}:{self.seen[-1][:TRUNCATED]}" if self.seen else "0:"


class Recording:
    """`who` is an execution: "" for the program's own, and its children's labels below it."""

    def __init__(self) -> None:
        self.traces: dict[str, list[Trace]] = defaultdict(list)
        self.arguments: dict[str, tuple[Any, ...]] = {}  # by key
        self.keys: dict[tuple[str, str], str] = {}  # by who and label
        self.begun: Counter[tuple[str, str]] = Counter()
        self.effects: Counter[tuple[str, str]] = Counter()
        self.undone: dict[str, list[str]] = defaultdict(list)
        self.problems: list[str] = []
        self.is_repeated = True  # a step may run again that ended before its node was lost
        self._over: set[tuple[str, str]] = set()  # steps whose last try has ended

    def begin_body(self, who: str) -> Trace:
        trace = Trace()
        self.traces[who].append(trace)
        return trace

    def begin_try(self, who: str, label: str, key: str, arguments: tuple[Any, ...]) -> None:
        self.begun[who, label] += 1
        if not self.is_repeated and (who, label) in self._over:
            self.problems.append(f"call {label} of {who!r} runs again, though its step had ended")
        known = self.arguments.setdefault(key, (who, label, *arguments))
        if known != (who, label, *arguments):
            self.problems.append(f"two effects under one key: {known} and {(who, label, *arguments)}")
        known_key = self.keys.setdefault((who, label), key)
        if known_key != key:
            self.problems.append(f"call {label} of {who!r} has two keys")
        trace = self.traces[who][-1]
        if label.startswith("undo "):
            trace.undone_count = len(trace.notes)
        else:
            trace.decided_count = max(trace.decided_count, trace.calls[label.removeprefix("ask ")] + 1)

    def end_try(self, who: str, label: str, *, is_last: bool) -> None:
        self.effects[who, label] += 1
        if is_last:
            self._over.add((who, label))

    def went_on(self, who: str, label: str) -> None:
        """A try of an async step is over. One that nobody waits for any more was told to stop at once."""
        if label in self.traces[who][-1].given_up:
            self.problems.append(f"call {label} of {who!r} went on although its task was cancelled")

    def undo(self, who: str, label: str) -> None:
        if label not in self.undone[who]:
            self.undone[who].append(label)

    def inconsistencies(self) -> list[str]:
        """Where a later life of a body did not see what an earlier one had decided on."""
        found = list(self.problems)
        for who, traces in self.traces.items():
            for index, trace in enumerate(traces):
                decided = trace.notes[: max(trace.decided_count, trace.undone_count)]
                for number, later in enumerate(traces[index + 1 :], index + 2):
                    shared = min(len(decided), len(later.notes))
                    if number == len(traces):
                        # The last one went to the end. Once its end is sealed a body is replayed as far as its records
                        # go, and a timer may come behind them.
                        shared = max(shared, trace.decided_count)
                    if later.notes[:shared] != decided[:shared]:
                        place = next(
                            (at for at in range(shared) if later.notes[at : at + 1] != decided[at : at + 1]), shared
                        )
                        found.append(
                            f"life {number} of {who!r} saw {later.notes[place : place + 3]} at note {place}, "
                            f"and life {index + 1} had decided on {decided[place : place + 3]}"
                        )
                        break
        return found

    def final(self) -> dict[str, tuple[list[str], list[str]]]:
        """What each execution saw in its last life, and what it took back."""
        return {who: (traces[-1].notes, self.undone.get(who, [])) for who, traces in sorted(self.traces.items())}


def plain(value: Any) -> str:
    """The same for a value and for what comes back of it from a record."""
    if isinstance(value, BaseExceptionGroup):
        return f"{type(value).__name__}[{', '.join(plain(each) for each in value.exceptions)}]"
    if isinstance(value, TimeoutError):
        return "TimeoutError"
    if isinstance(value, BaseException):
        return f"{type(value).__name__}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(plain(each) for each in value)}]"
    return str(value)
