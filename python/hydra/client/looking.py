"""A list for somebody who waits: bounded in what it looks at, and where it stopped, to go on from there.

What a database's index leads to is found however many others there are. What is only looked at, one execution after
another (tags, a reason, what few of many have in common), is looked for among so many, and not to the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

import msgspec

from hydra.client.criteria import PAGE_SIZE, Criteria, filters, fitting, pages
from hydra.execution import Snapshot
from hydra.stores.filter import Filter
from hydra.stores.store import Store

MAX_LOOKED_AT = 5_000  # executions, by the database
MAX_READ = 500  # of those, whose reason or error is read
READ_AT_ONCE = 250


class Looked(NamedTuple):
    """What was found, and the id behind which there may be more; None: there is no more. `is_cut`: fewer were found
    than were asked for, since it stopped before the end."""

    found: list[Snapshot]
    place: str | None
    is_cut: bool


def look(store: Store, criteria: Criteria, count: int) -> Looked:
    """At most so many of what is meant."""
    is_read = criteria.reason is not None or criteria.error is not None
    criteria = _in_pages(criteria, READ_AT_ONCE if is_read else count + 1)
    lists, end = bounded(store, criteria)
    found: list[Snapshot] = []
    read = 0
    for page in pages(store, lists, criteria.filter):
        found += [snapshot for snapshot, _ in fitting(store, criteria, page)]
        if len(found) > count:
            return Looked(found[:count], found[count - 1].id, False)
        read += len(page)
        if is_read and read >= MAX_READ:
            return Looked(found, page[-1].id, True)
    return Looked(found, end, end is not None)


def look_at_newest(store: Store, criteria: Criteria, count: int) -> Iterator[list[Snapshot]]:
    """Page by page what is meant, of so many that were submitted last and may be."""
    criteria = _in_pages(criteria, min(PAGE_SIZE, count))
    lists, _ = bounded(store, criteria)
    for page in pages(store, lists, criteria.filter):
        yield [snapshot for snapshot, _ in fitting(store, criteria, page[:count])]
        if (count := count - len(page)) <= 0:
            break


def bounded(store: Store, criteria: Criteria) -> tuple[list[Filter], str | None]:
    """The lists of the database up to where the first of them has looked at so many, and that place."""
    lists = filters(store, criteria)
    places = [place for each in lists if (place := store.place(each, MAX_LOOKED_AT)) is not None]
    if not places:
        return lists, None
    end = min(places) if criteria.filter.is_oldest_first else max(places)
    return [_up_to(each, end) for each in lists], end


def _in_pages(criteria: Criteria, size: int) -> Criteria:
    return msgspec.structs.replace(criteria, filter=msgspec.structs.replace(criteria.filter, limit=size))


def _up_to(filter: Filter, end: str) -> Filter:
    """That one included."""
    number = UUID(end).int
    if filter.is_oldest_first:
        beyond = str(UUID(int=number + 1)) if number + 1 < 1 << 128 else None
        return msgspec.structs.replace(filter, before=beyond)
    return msgspec.structs.replace(filter, after=str(UUID(int=number - 1)) if number else None)
