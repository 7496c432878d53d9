"""A list for somebody who waits, on the page and in a terminal: what a filter finds, by few looks at the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hydra.client.engine import Engine
from hydra.client.looking import Looked
from hydra.client.selection import look_through
from hydra.client.views import Execution, execution_view

MAX_WORKFLOWS = 200  # in which a key is looked up one by one


class Found(NamedTuple):
    """A page of a list, and behind which id the next one begins; `is_cut`: it was left before it was full."""

    executions: list[Execution]
    place: str | None
    is_cut: bool


def find_executions(
    engine: Engine, arguments: Mapping[str, Any], limit: int, place: str | None, *, oldest_first: bool
) -> Found:
    """What `Engine.executions` finds, and no more than somebody waits for; the arguments are those of `Engine.select`.
    A key alone is looked up in each workflow: only with that is it indexed."""
    before, after = (None, place) if oldest_first else (place, None)

    def find(workflow: str | None) -> Looked:
        chosen = engine.select(**{**arguments, "workflow": workflow})
        return look_through(chosen, limit, before=before, after=after, oldest_first=oldest_first)

    key, workflow = arguments.get("key"), arguments.get("workflow")
    names = list(engine.stats().counts) if key and not workflow else []
    if not names or len(names) > MAX_WORKFLOWS:
        looked = find(workflow)
        return Found([execution_view(each) for each in looked.found], looked.place, looked.is_cut)
    found = [execution_view(each) for name in names for each in find(name).found]
    found.sort(key=lambda each: each.id, reverse=not oldest_first)
    return Found(found[:limit], found[limit - 1].id if len(found) > limit else None, False)
