"""What forms order: acts on one execution, on all that a filter matches, and on what runs them.

An act by a filter is looked at first: a dry run names the count, and the form that comes back carries it. Where more
match by then, nothing is done.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.responses import Response

from hydra.client.arguments import parse_json
from hydra.client.bulk import Acted
from hydra.client.handle import Handle
from hydra.client.selection import Selection
from hydra.client.views import steps_in_doubt
from hydra.dashboard.access import Role
from hydra.dashboard.filters import Wanted
from hydra.dashboard.listing import BULK_ORDERS, kept_count
from hydra.dashboard.problems import Problem
from hydra.dashboard.rendering import query, segment
from hydra.dashboard.site import Visit, first
from hydra.errors import HydraError, IllegalMove
from hydra.records.fingerprints import without_ids

Fields = Mapping[str, list[str]]

MAX_AT_ONCE = 10_000  # executions of an act from the page; the command line takes more
MAX_REASONS = 20


def give_order(visit: Visit, form: Fields) -> Response:
    """An act on one execution."""
    handle = visit.engine.get(visit.request.path_params["id"])
    verb = first(form, "order")
    back = f"/executions/{segment(handle.id)}"
    try:
        sentence = _give(visit, handle, verb, form)
    except HydraError as error:
        return visit.go(back, str(error), "bad")
    if verb in ("rerun", "fork"):
        back = f"/executions/{segment(sentence)}"
        sentence = f"this is the new execution, {'run again from' if verb == 'rerun' else 'forked from'} `{handle.id}`"
    return visit.go(back, sentence)


def _give(visit: Visit, handle: Handle[Any], verb: str, form: Fields) -> str:
    """What came of it; of what begins a new execution, its id."""
    if verb == "cancel":
        undo = not first(form, "without_undo")
        if not undo:
            visit.need(Role.ADMIN)
        return f"it was asked to end, and is {handle.cancel(undo=undo)}"
    if verb == "retry":
        handle.retry()
        return "it runs again from where it failed"
    if verb == "resume":
        handle.resume()
        return "it goes on"
    if verb == "signal":
        name = first(form, "name")
        handle.signal(name, _value(form), id=first(form, "signal_id") or None)
        return f"event `{name}` was put before it"
    if verb == "resolve":
        seq = first(form, "step")
        doubt = next((each for each in steps_in_doubt(handle.records()) if str(each.seq) == seq), None)
        if doubt is None:
            raise IllegalMove("that step is not in doubt any more; look at the execution again")
        settled: dict[str, Any] = {"rerun": True} if first(form, "rerun") else {"value": _value(form)}
        if "rerun" in settled:
            visit.need(Role.ADMIN)  # what is said not to have happened happens again
        handle.resolve(doubt.name, branch=doubt.branch, ordinal=doubt.ordinal, **settled)
        return f"step `{doubt.name}` is settled, and it goes on"
    if verb == "rerun":
        if is_forced := bool(first(form, "force")):
            visit.need(Role.ADMIN)
        return visit.engine.rerun(handle.id, force=is_forced).id
    if verb == "fork":
        number = first(form, "number") or "1"
        if not number.isascii() or not number.isdigit() or not 1 <= int(number[:9]) <= 1_000_000:
            raise Problem(422, f"the number of a step's call is a whole number from 1 on, not `{number:.40}`")
        if is_forced := bool(first(form, "force")):
            visit.need(Role.ADMIN)
        key = first(form, "key") or None  # the page gives one, so that a form which is sent twice forks once
        return visit.engine.fork(handle.id, first(form, "step"), number=int(number), key=key, force=is_forced).id
    raise Problem(422, f"`{verb:.40}` is no order of an execution")


def confirm(visit: Visit) -> Response:
    """What an act by a filter would do, and the form that orders it."""
    fields = visit.query()
    verb = first(fields, "act")
    visit.need(Role.OPERATE)
    if verb not in BULK_ORDERS:
        raise Problem(422, f"`{verb:.40}` is no act on many; it is one of {', '.join(BULK_ORDERS)}")
    wanted = Wanted.read(fields).fixed(datetime.now(UTC))
    if not wanted.fields():
        raise Problem(422, "an act on many takes a filter; choose a status, a workflow or something else first")
    given = {name: first(fields, name) for name in ("name", "value", "why", "force", "signal_id")}
    given["signal_id"] = given["signal_id"] or f"page-{secrets.token_hex(8)}"  # sent twice, it arrives once
    if verb == "signal" and not given["name"]:
        return _show_many(visit, 200, verb, wanted, given, None, None)
    try:
        refuse_too_many(visit, wanted)
        acted = act_of(visit, verb, wanted, fields)(dry_run=True, at_most=MAX_AT_ONCE)
    except HydraError as error:
        return _show_many(visit, 409, verb, wanted, given, None, str(error))
    return _show_many(visit, 200, verb, wanted, given, acted, None)


def refuse_too_many(visit: Visit, wanted: Wanted) -> None:
    """At once, where the database keeps the count."""
    if wanted.is_counted() and (count := kept_count(visit.engine, wanted)) > MAX_AT_ONCE:
        raise IllegalMove(
            f"{count:,} executions match, and the page takes {MAX_AT_ONCE:,} at once; narrow the filter, such as by "
            "`since`, or use the command line"
        )


def give_many(visit: Visit, form: Fields) -> Response:
    """The act itself, on no more than were shown."""
    verb, expected = first(form, "act"), first(form, "expected")
    if verb not in BULK_ORDERS or not expected.isascii() or not expected.isdigit():
        raise Problem(422, "the form does not say how many executions were shown; begin at the list again")
    wanted = Wanted.read(form)
    if not wanted.fields():
        raise Problem(422, "an act on many takes a filter; choose a status, a workflow or something else first")
    given = {name: first(form, name) for name in ("name", "value", "why", "force", "signal_id")}
    try:
        acted = act_of(visit, verb, wanted, form)(at_most=min(int(expected[:9]), MAX_AT_ONCE))
    except HydraError as error:
        status = 409 if isinstance(error, IllegalMove) else 422
        return _show_many(visit, status, verb, wanted, given, None, str(error))
    return _show_many(visit, 200, verb, wanted, given, acted, None)


def _show_many(
    visit: Visit,
    status: int,
    verb: str,
    wanted: Wanted,
    given: dict[str, str],
    acted: Acted | None,
    problem: str | None,
) -> Response:
    refused = [] if acted is None else Counter(without_ids(why) for why in acted.refused.values()).most_common()
    return visit.show(
        "act.html",
        status,
        verb=verb,
        fields=wanted.fields(),
        given=given,
        acted=acted,
        refused=refused[:MAX_REASONS],
        problem=problem,
        is_admin=visit.operator.may(Role.ADMIN),
        list_query=query(wanted.fields()),
    )


def act_of(visit: Visit, verb: str, wanted: Wanted, fields: Fields) -> Any:
    """The selection's method, with what belongs to the act."""
    chosen: Selection = visit.engine.select(**wanted.arguments())
    if verb == "signal":
        return partial(chosen.signal, first(fields, "name"), _value(fields), id=first(fields, "signal_id") or None)
    if verb == "rerun":
        if is_forced := bool(first(fields, "force")):
            visit.need(Role.ADMIN)
        return partial(chosen.rerun, force=is_forced)
    acts: dict[str, Any] = {"retry": chosen.retry, "resume": chosen.resume, "cancel": chosen.cancel}
    return acts[verb]


def give_command(visit: Visit, form: Fields) -> Response:
    """What an administrator orders of workflows, schedules, limits and nodes."""
    verb, name, key = first(form, "order"), first(form, "name"), first(form, "key") or None
    engine = visit.engine
    commands: dict[str, tuple[str, Any, str]] = {
        "approve": ("/acts", lambda: _approve(visit, name), "it was approved, and done"),
        "refuse": ("/acts", lambda: engine.refuse(name), "it was refused"),
        "pause_workflow": ("/", lambda: engine.pause_workflow(name), f"workflow `{name}` is paused"),
        "resume_workflow": ("/", lambda: engine.resume_workflow(name), f"workflow `{name}` goes on"),
        "pause_namespace": ("/", lambda: engine.pause_namespace(), "the namespace is paused"),
        "resume_namespace": ("/", lambda: engine.resume_namespace(), "the namespace goes on"),
        "pause_schedule": ("/schedules", lambda: engine.pause_schedule(name), f"schedule `{name}` is paused"),
        "resume_schedule": ("/schedules", lambda: engine.resume_schedule(name), f"schedule `{name}` goes on"),
        "trigger_schedule": ("/schedules", lambda: engine.trigger_schedule(name), f"schedule `{name}` was triggered"),
        "pause_limit": ("/limits", lambda: engine.pause_limit(name, key), f"limit `{name}` is paused"),
        "resume_limit": ("/limits", lambda: engine.resume_limit(name, key), f"limit `{name}` goes on"),
        "drain_node": ("/nodes", lambda: engine.drain_node(name), f"node `{name}` drains"),
    }
    if verb not in commands:
        raise Problem(422, f"`{verb:.40}` is no order of this page")
    back, command, sentence = commands[verb]
    if back == "/limits":
        back = f"/limits?{query({'name': name})}"
    try:
        command()
    except HydraError as error:
        return visit.go(back, str(error), "bad")
    return visit.go(back, sentence)


def _approve(visit: Visit, id: str) -> None:
    refused = visit.engine.approve(id).refused
    if refused:
        raise IllegalMove(f"it was approved, and {len(refused)} were refused: {next(iter(refused.values()))}")


def _value(fields: Fields) -> Any:
    text = first(fields, "value")
    return parse_json(text) if text else None
