"""What leads a list, and how far a bounded one looks. Pure: every store asks this, and `searching` where attributes are
asked for.

    list_by_workflow      one workflow, from its newest execution on
    list_by_time          a stretch of time with little in it, whose ids are sorted
    (its own)             a status, or all: from the newest on

What else is asked for is looked at row by row. That may be all there are, where few match; so a store tells how far a
number of rows reaches (`Store.place`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from hydra.execution import Snapshot, Status
from hydra.stores.filter import Filter
from hydra.stores.searching import COMMON, Count, Lead, leading
from hydra.stores.sql_files import SORTED

BY_WORKFLOW, BY_TIME = "list_by_workflow", "list_by_time"
WIDE = 100_000  # executions of a stretch of time that are sorted where nothing else is asked for
LAST_INSTANT = (1 << 63) - 1

CountWorkflow = Callable[[str, int], int]
CountBetween = Callable[[int, int, int], int]


def keyed(filter: Filter, find: Callable[[str, str], Snapshot | None]) -> list[Snapshot] | None:
    """A key in its workflow leads to one execution at most; None where no such one is asked for."""
    if filter.key is None or filter.workflow is None:
        return None
    found = find(filter.workflow, filter.key)
    return [found] if found is not None and filter.admits(found) and filter.limit else []


def lead_of(
    filter: Filter, count_values: Count, count_workflow: CountWorkflow, count_between: CountBetween
) -> Lead | str:
    """The attribute that leads, or the name of the list; "" for that of the status."""
    if filter.attributes:
        return leading(filter.attributes, count_values)
    return list_of(filter, count_workflow, count_between)


def list_of(filter: Filter, count_workflow: CountWorkflow, count_between: CountBetween) -> str:
    """The statement; "" for that of the status. Both count no further than they are told."""
    is_timed = filter.since is not None or filter.until is not None
    if not is_timed and (filter.workflow is None or filter.status is None):
        return "" if filter.workflow is None else BY_WORKFLOW
    counts = {}
    if is_timed:
        limit = WIDE if _skips(filter) and _is_only_timed(filter) else COMMON
        count = count_between(filter.since or 0, LAST_INSTANT if filter.until is None else filter.until, limit)
        if count < limit:
            counts[BY_TIME] = count
    if filter.workflow is not None and (count := count_workflow(filter.workflow, COMMON)) < COMMON:
        counts[BY_WORKFLOW] = count
    if counts:
        return min(counts, key=lambda name: counts[name])
    return BY_WORKFLOW if filter.status is None and filter.workflow is not None else ""


def walked(
    filter: Filter, lead: Lead | str, count: int, indexed: Collection[Status] = tuple(Status)
) -> tuple[Filter, Lead | str] | None:
    """So many of what the lead's own index holds, without all else that is looked at; and the list that gives them.
    None where there is nothing else, or too little to be bounded. `indexed`: statuses in whose lists nothing else
    lies."""
    if filter.key is not None and filter.workflow is not None:
        return None
    rest = Filter(limit=filter.limit, before=filter.before, after=filter.after, is_oldest_first=filter.is_oldest_first)
    own: Lead | str = "" if isinstance(lead, Lead) else lead
    if isinstance(lead, Lead):
        if lead.name in SORTED:
            return None
        if lead.name == "list_by_value":
            rest, own = msgspec.structs.replace(rest, attributes=(lead.sought,)), Lead(lead.name, lead.sought, ())
    elif lead in SORTED or (not lead and filter.status is Status.RUNNING):
        return None
    elif lead == BY_WORKFLOW:
        rest = msgspec.structs.replace(rest, workflow=filter.workflow)
    elif filter.status in indexed or msgspec.structs.replace(rest, status=filter.status) == filter:
        rest = msgspec.structs.replace(rest, status=filter.status)
    return None if rest == filter else (msgspec.structs.replace(rest, limit=count), own)


def values_of(filter: Filter, lead: Lead | str) -> dict[str, object]:
    """What a statement with parameters is given; each store adds the further attributes as it reads them."""
    values: dict[str, object] = {
        "status": filter.status,
        "workflow": filter.workflow,
        "key": filter.key,
        "tags": msgspec.json.encode(filter.tags).decode() if filter.tags else None,
        "before": filter.before,
        "after": filter.after,
        "since": filter.since,
        "until": filter.until,
        "limit": filter.limit,
    }
    if isinstance(lead, Lead):
        found = lead.sought
        values |= {"name": found.name, "low": found.low, "high": found.high, "other_count": len(lead.others)}
    return values


def _skips(filter: Filter) -> bool:
    """Whether what lies first in its order is not asked for."""
    return (filter.since if filter.is_oldest_first else filter.until) is not None


def _is_only_timed(filter: Filter) -> bool:
    return (filter.status, filter.workflow, filter.key, filter.tags) == (None, None, None, None)
