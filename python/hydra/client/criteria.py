"""Which executions a person means: checked, and walked in bounded pages. One filter for listings, counts and acts.

    status, workflow, key, since, until         the database's indexes find them, and look at their tags
    attributes                                  likewise: the rarest of them is what leads
    reason, error                               what was found is read, page by page: failures are not indexed by text

Where only a reason or an error is asked for, only what failed or is parked is looked at.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from hydra.client.moved_reads import refuse_incomplete
from hydra.client.submissions import workflow_name
from hydra.config import to_moment
from hydra.definitions import Workflow
from hydra.errors import ConfigError, PayloadError
from hydra.execution import Snapshot, Status
from hydra.interruptions import let_out
from hydra.keys import check_known_key, is_id
from hydra.payload_keys import why_closed
from hydra.records.fingerprints import Fault, fault_of, is_of
from hydra.sought import Sought, together
from hydra.stores.filter import Filter
from hydra.stores.store import Store
from hydra.tags import check_tags
from hydra.written import as_text, written

T = TypeVar("T")

PAGE_SIZE = 500
MAX_TEXT_LENGTH = 1000
_WITH_REASON = (Status.FAILED, Status.PARKED)


class Criteria(msgspec.Struct, frozen=True):
    """All that is given must hold. `filter.limit` is the size of a page. `among`: where no status is asked for, those
    in which it may be when it is looked at; empty: all."""

    filter: Filter = Filter(limit=PAGE_SIZE)
    reason: str | None = None
    error: str | None = None
    among: tuple[Status, ...] = ()
    attributes: tuple[tuple[Sought, ...], ...] = ()  # for each the ways in which it may be declared

    def statuses(self) -> tuple[Status | None, ...]:
        """Each is a list of the database; None is all of them in one. Several are read as one: what moves from one to
        another meanwhile would be found in both, or in none."""
        asked = self.among if self.filter.status is None else (self.filter.status,)
        if self.reason is None and self.error is None:
            return asked if len(asked) == 1 else (None,)
        return tuple(status for status in _WITH_REASON if status in asked or not asked)

    def is_counted(self) -> bool:
        """Whether the database keeps the count of these, so that nobody has to walk them."""
        rest = msgspec.structs.replace(self.filter, status=None, workflow=None)
        is_plain = rest == Filter(limit=self.filter.limit) and not self.attributes
        return is_plain and self.reason is None and self.error is None


def check_criteria(
    status: str | None,
    workflow: Workflow[..., Any] | str | None,
    key: str | None,
    tags: dict[str, str] | None,
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    reason: str | None,
    error: str | None,
    now: int,
    attributes: tuple[tuple[Sought, ...], ...] = (),
) -> Criteria:
    """ConfigError for what cannot be."""
    try:
        wanted = None if status is None else Status(status)
    except ValueError as unknown:
        let_out(unknown)
        raise ConfigError(f"`{as_text(status)}` is not a status; it is one of {', '.join(Status)}") from None
    for name, text in (("reason", reason), ("error", error)):
        if text is not None and (not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT_LENGTH):
            raise ConfigError(f"`{name}` must be a text of 1 to {MAX_TEXT_LENGTH} characters, not `{written(text)}`")
    chosen = Filter(
        wanted,
        None if workflow is None else workflow_name(workflow),
        None if key is None else check_known_key(key),
        None if tags is None else check_tags(tags),
        PAGE_SIZE,
        since=None if since is None else to_moment(since, now),
        until=None if until is None else to_moment(until, now),
    )
    if chosen.since is not None and chosen.until is not None and chosen.since >= chosen.until:
        raise ConfigError("`since` is not before `until`, so nothing lies between them; exchange them")
    return Criteria(chosen, reason, error, attributes=attributes)


def check_place(name: str, id: str | None) -> str | None:
    """An id from which a page goes on."""
    if id is not None and not is_id(id):
        raise ConfigError(f"`{written(id)}` is not an execution's id; `{name}` is the last one of the page before")
    return id


def walk(store: Store, criteria: Criteria) -> Iterator[list[tuple[Snapshot, Fault | None]]]:
    """Page by page what is meant, in the filter's order; with what it failed of, where `error` asks for that."""
    for page in pages(store, filters(store, criteria), criteria.filter):
        yield fitting(store, criteria, page)


def filters(store: Store, criteria: Criteria) -> list[Filter]:
    """The lists of the database which have all that is meant, in its order; each may have others, too."""
    return [
        msgspec.structs.replace(criteria.filter, status=status, attributes=attributes)
        for status in criteria.statuses()
        for attributes in _declared(store, criteria.attributes)
    ]


def pages(store: Store, lists: list[Filter], order: Filter) -> Iterable[list[Snapshot]]:
    """Those of several lists as one, each once."""
    streams = [_pages(store, each) for each in lists]
    return streams[0] if len(streams) == 1 else _merged(streams, order)


def faults(store: Store, ids: list[str]) -> dict[str, Fault]:
    """What these failed of, or are parked for; those that did not, or are gone, are left out."""
    found = store.failures(ids)
    return {id: fault_of(each.status, each.cause, each.payload, each.step) for id, each in found.items()}


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """In lists of that size; the last may be shorter."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _pages(store: Store, filter: Filter) -> Iterator[list[Snapshot]]:
    while True:
        page = store.list(filter)
        refuse_incomplete(store)
        if not page:
            return
        yield page
        if filter.is_oldest_first:
            filter = msgspec.structs.replace(filter, after=page[-1].id)
        else:
            filter = msgspec.structs.replace(filter, before=page[-1].id)


def _declared(store: Store, asked: tuple[tuple[Sought, ...], ...]) -> list[tuple[Sought, ...]]:
    """What to look for: one of the ways of each, of those in which it is there at all."""
    found = []
    for ways in asked:
        if len(ways) > 1:
            counts = store.attribute_counts(ways, 1)
            ways = tuple(way for way, count in zip(ways, counts, strict=True) if count)
        found.append(ways)
    chosen = (together(each) for each in itertools.product(*found))
    return [each for each in chosen if each is not None]


def _merged(streams: list[Iterator[list[Snapshot]]], filter: Filter) -> Iterator[list[Snapshot]]:
    singles = [itertools.chain.from_iterable(pages) for pages in streams]
    merged = heapq.merge(*singles, key=attrgetter("id"), reverse=not filter.is_oldest_first)
    return chunks((next(same) for _, same in itertools.groupby(merged, attrgetter("id"))), filter.limit)


def fitting(store: Store, criteria: Criteria, page: list[Snapshot]) -> list[tuple[Snapshot, Fault | None]]:
    if criteria.filter.status is None and criteria.among:
        page = [each for each in page if each.status in criteria.among]
    if criteria.reason is not None:
        text = criteria.reason.casefold()
        fitting = [each for each in page if text in each.reason.casefold()]
        _refuse_closed("reason", page, fitting)
        page = fitting
    if criteria.error is None:
        return [(each, None) for each in page]
    known = faults(store, [each.id for each in page]) if page else {}
    fitting = [each for each in page if each.id in known and is_of(known[each.id], criteria.error)]
    _refuse_closed("error", page, fitting)
    return [(each, known[each.id]) for each in fitting]


def _refuse_closed(what: str, page: list[Snapshot], fitting: list[Snapshot]) -> None:
    """PayloadError where some of the others may be meant, too: what they failed of is encrypted, and nobody knows."""
    known = {each.id for each in fitting}
    closed = [each for each in page if each.encrypted_reason and each.id not in known]
    if closed:
        raise PayloadError(
            f"{len(closed)} of {len(page)} executions, such as `{closed[0].id}`, cannot be chosen by their {what}: "
            f"{why_closed([closed[0].encrypted_reason])}"
        )
