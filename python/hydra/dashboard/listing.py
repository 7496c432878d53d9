"""Pages that list: executions by a filter, what failed by its fault, who ordered what."""

from __future__ import annotations

from typing import Any, NamedTuple

from starlette.responses import Response

from hydra.client.act_groups import read_groups
from hydra.client.engine import Engine
from hydra.client.looking import MAX_LOOKED_AT, Looked
from hydra.client.selection import look_through
from hydra.client.views import Execution, execution_view
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
MAX_WORKFLOWS = 200  # in which a key is looked up one by one
SHOWN_ACTS = 100  # orders; what one did to many is one of them
MAX_READ_ACTS = 6_400  # lines that are read for them
BULK_ORDERS = ("retry", "rerun", "resume", "cancel", "signal")


class Found(NamedTuple):
    """A page of a list, and behind which id the next one begins; `is_cut`: it was left before it was full."""

    executions: list[Execution]
    place: str | None
    is_cut: bool


def list_executions(visit: Visit) -> Response:
    fields = visit.query()
    wanted = Wanted.read(fields)
    is_oldest_first = first(fields, "order") == "oldest"
    values: dict[str, Any] = {"found": [], "next": None, "count": None, "is_cut": False, "problem": None}
    try:
        size = page_size(first(fields, "limit"))
        place = read_cursor(visit.engine.namespace, first(fields, "cursor"))
        found = find_executions(visit.engine, wanted, size, place, is_oldest_first)
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


def find_executions(engine: Engine, wanted: Wanted, limit: int, place: str | None, is_oldest_first: bool) -> Found:
    """What `Engine.executions` finds, and no more than somebody waits for. A key alone is looked up in each workflow:
    only with that is it indexed."""
    before, after = (None, place) if is_oldest_first else (place, None)
    arguments = wanted.arguments()

    def find(workflow: str | None) -> Looked:
        chosen = engine.select(**(arguments | {"workflow": workflow}))
        return look_through(chosen, limit, before=before, after=after, oldest_first=is_oldest_first)

    names = list(engine.stats().counts) if wanted.key and not wanted.workflow else []
    if not names or len(names) > MAX_WORKFLOWS:
        looked = find(wanted.workflow or None)
        return Found([execution_view(each) for each in looked.found], looked.place, looked.is_cut)
    found = [execution_view(each) for name in names for each in find(name).found]
    found.sort(key=lambda each: each.id, reverse=not is_oldest_first)
    return Found(found[:limit], found[limit - 1].id if len(found) > limit else None, False)


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
