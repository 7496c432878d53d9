"""Pages that list: executions by a filter, what failed by its fault, who ordered what."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hydra.client.act_groups import read_groups
from hydra.client.engine import Engine
from hydra.client.finding import find_executions
from hydra.client.looking import MAX_LOOKED_AT
from hydra.config import parse_when
from hydra.dashboard.access import Role
from hydra.dashboard.filters import Wanted, cursor_of, read_cursor
from hydra.dashboard.site import Visit, first
from hydra.errors import ConfigError
from hydra.execution import Status
from hydra.stores.acts import ActKind

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
NEWEST_ERRORS = 500  # failures that are looked at for a page; `hydra errors` looks at all
SHOWN_ACTS = 100  # orders; what one did to many is one of them
MAX_READ_ACTS = 6_400  # lines that are read for them
BULK_ORDERS = ("retry", "rerun", "resume", "cancel", "signal")


def list_executions(visit: Visit) -> Response:
    fields = visit.query()
    wanted = Wanted.read(fields)
    is_oldest_first = first(fields, "order") == "oldest"
    values: dict[str, Any] = {"found": [], "next": None, "count": None, "is_cut": False, "problem": None}
    try:
        size = page_size(first(fields, "limit"))
        place = read_cursor(visit.engine.namespace, first(fields, "cursor"))
        found = find_executions(visit.engine, wanted.arguments(), size, place, oldest_first=is_oldest_first)
        values |= {"found": found.executions, "is_cut": found.is_cut}
        if found.place is not None:
            values["next"] = cursor_of(visit.engine.namespace, found.place)
        if wanted.is_counted():
            values["count"] = kept_count(visit.engine, wanted)
    except ConfigError as error:
        values["problem"] = str(error)
    order = {"order": "oldest"} if is_oldest_first else {}
    return visit.show(
        "executions.html",
        400 if values["problem"] else 200,
        wanted=wanted,
        is_oldest_first=is_oldest_first,
        is_first_page=not first(fields, "cursor"),
        statuses=list(Status),
        fields=wanted.fields() | order,
        most=MAX_LOOKED_AT,
        bulk=BULK_ORDERS if visit.operator.may(Role.OPERATE) else (),
        **values,
    )


def page_size(text: str, default: int = PAGE_SIZE, most: int = MAX_PAGE_SIZE) -> int:
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= most:
        raise ConfigError(f"`limit` must be a whole number from 1 to {most}, not `{text:.40}`")
    return int(text)


def kept_count(engine: Engine, wanted: Wanted) -> int:
    """As the database keeps it, so that nothing is counted one by one."""
    counts = engine.stats().counts
    return sum(
        count
        for workflow, by_status in counts.items()
        for status, count in by_status.items()
        if wanted.workflow in ("", workflow) and wanted.status in ("", status)
    )


def list_errors(visit: Visit) -> Response:
    wanted = Wanted.read(visit.query())
    problem, groups = None, []
    try:
        groups = visit.engine.select(**wanted.arguments()).errors(newest=NEWEST_ERRORS)
    except ConfigError as error:
        problem = str(error)
    return visit.show(
        "errors.html",
        400 if problem else 200,
        wanted=wanted,
        groups=groups,
        newest=NEWEST_ERRORS,
        fields=wanted.fields(),
        problem=problem,
    )


def list_acts(visit: Visit) -> Response:
    fields = visit.query()
    wanted = {name: first(fields, name) for name in ("since", "until", "by", "kind")}
    problem, groups = None, []
    try:
        since, until = (parse_when(wanted[name]) if wanted[name] else None for name in ("since", "until"))
        by, kind = wanted["by"] or None, wanted["kind"] or None
        groups = read_groups(
            lambda count: visit.engine.acts(since=since, until=until, by=by, kind=kind, limit=count),
            SHOWN_ACTS,
            MAX_READ_ACTS,
        )
    except ConfigError as error:
        problem = str(error)
    return visit.show(
        "acts.html",
        400 if problem else 200,
        groups=groups,
        is_cut=len(groups) == SHOWN_ACTS,
        waiting=[each for each in visit.engine.approvals() if each.state == "open"],
        may_decide=visit.operator.may(Role.ADMIN),
        wanted=wanted,
        kinds=list(ActKind),
        problem=problem,
    )
