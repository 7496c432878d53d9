"""What a batch of commits has in it, told without a loop of Python's: the record of every step comes past here, several
times, and nearly none asks for more than to be written.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter

from hydra.execution import End, ExecutionCommit

_ids, _records, _ends = attrgetter("id"), attrgetter("records"), attrgetter("end")
_cool_downs, _successors, _arrived = attrgetter("cool_downs"), attrgetter("successor"), attrgetter("arrived")
_kinds, _payloads = attrgetter("kind"), attrgetter("payload")


def ids_of(commits: Sequence[ExecutionCommit]) -> set[str]:
    return set(map(_ids, commits))


def kinds_of(commits: Sequence[ExecutionCommit]) -> set[str]:
    """The kinds of all their records."""
    return set(map(_kinds, chain.from_iterable(map(_records, commits))))


def count_rows(commits: Sequence[ExecutionCommit]) -> int:
    """Of the records, and one for each commit."""
    return sum(map(len, map(_records, commits))) + len(commits)


def count_bytes(commits: Sequence[ExecutionCommit]) -> int:
    """Of all payloads."""
    parts = chain(chain.from_iterable(map(_records, commits)), ends_of(commits))
    return sum(map(len, filter(None, map(_payloads, parts))))


def ends_of(commits: Sequence[ExecutionCommit]) -> list[End]:
    return list(filter(None, map(_ends, commits)))


def have_cool_downs(commits: Sequence[ExecutionCommit]) -> bool:
    return any(map(_cool_downs, commits))


def have_successors(commits: Sequence[ExecutionCommit]) -> bool:
    return any(map(_successors, commits))


def have_arrived(commits: Sequence[ExecutionCommit]) -> bool:
    """Whether a message was written in the place of an expiry."""
    return any(map(_arrived, commits))
