"""Which executions a list has, by whatever leads it, and how far a bounded one reaches. Never writes."""

from __future__ import annotations

from functools import partial

import msgspec

from hydra.execution import Snapshot, Status
from hydra.stores.filter import Filter
from hydra.stores.listing import keyed, lead_of, walked
from hydra.stores.mysql.attributes import counts, has
from hydra.stores.mysql.reading import find, snapshots
from hydra.stores.mysql.statements import NO_NODE, Word, id_literal, id_text, literal
from hydra.stores.mysql.transaction import Reading
from hydra.stores.searching import Lead


def list_snapshots(reading: Reading, filter: Filter) -> list[Snapshot]:
    if (one := keyed(filter, partial(find, reading))) is not None:
        return one
    found = (id_text(id) for (id,) in reading.rows_of(_list(reading, filter, _lead(reading, filter))))
    ids = sorted(found, reverse=not filter.is_oldest_first)
    return [snapshot for snapshot in snapshots(reading, ids[: filter.limit]) if snapshot is not None]


def place(reading: Reading, filter: Filter, count: int) -> str | None:
    if (rest := walked(filter, _lead(reading, filter), count)) is None:
        return None
    walk, lead = rest
    if isinstance(lead, Lead):
        of_value = {"name": literal(lead.sought.name), "value": literal(lead.sought.low)}
        conditions = " and ".join(_bounds("execution_id", filter)) or "true"
        rows = reading.render("list_of_value", conditions=conditions, **of_value, **_order(walk))
    else:
        rows = _list(reading, walk, "list_newest" if walk.status is None and not lead else lead)
    last = "max" if filter.is_oldest_first else "min"
    found, id = reading.select("last_of", list=rows, last=last)[0]
    return id_text(id) if found == count else None


def _lead(reading: Reading, filter: Filter) -> Lead | str:
    return lead_of(filter, partial(counts, reading), partial(_workflow_count, reading), partial(_time_count, reading))


def _workflow_count(reading: Reading, workflow: str, limit: int) -> int:
    count: int = reading.select("workflow_count", workflow=literal(workflow), limit=limit)[0][0]
    return count


def _time_count(reading: Reading, since: int, until: int, limit: int) -> int:
    count: int = reading.select("time_count", since=literal(since), until=literal(until), limit=limit)[0][0]
    return count


def _list(reading: Reading, filter: Filter, lead: Lead | str) -> str:
    """The statement; without a lead the ids of each status by themselves, each in order."""
    if isinstance(lead, Lead):
        return _list_by_attributes(reading, filter, lead)
    if lead:
        conditions = (
            _conditions(filter) if filter.status is None else [*_conditions(filter), _has_status(filter.status)]
        )
        return reading.render(lead, conditions=" and ".join(conditions), **_order(filter))
    parts = [
        reading.render(
            "list",
            status=literal(Word(status)),
            conditions=" and ".join([*_conditions(filter), _has_no_owner(status)]),
            **_order(filter),
        )
        for status in ([filter.status] if filter.status is not None else Status)
    ]
    return " union all ".join(parts)


def _list_by_attributes(reading: Reading, filter: Filter, lead: Lead) -> str:
    name, sought, others = lead
    conditions = [*_conditions(filter), *map(has, others), *_bounds("a.execution_id", filter)]
    if filter.status is not None:
        conditions.append(_has_status(filter.status, "e."))
    return reading.render(
        name,
        name=literal(sought.name),
        low=literal(sought.low),
        high=literal(sought.high),
        conditions=" and ".join(conditions),
        **_order(filter),
    )


def _order(filter: Filter) -> dict[str, object]:
    return {"way": "asc" if filter.is_oldest_first else "desc", "limit": filter.limit}


def _has_no_owner(status: Status) -> str:
    """Only what is running has an owner: for all else the index gives the order of ids."""
    return "true" if status is Status.RUNNING else f"owner = {NO_NODE}"


def _has_status(status: Status, of: str = "") -> str:
    return f"{of}status = {literal(Word(status))}"


def _bounds(id: str, filter: Filter) -> list[str]:
    before = [] if filter.before is None else [f"{id} < {id_literal(filter.before)}"]
    return before if filter.after is None else [*before, f"{id} > {id_literal(filter.after)}"]


def _conditions(filter: Filter) -> list[str]:
    conditions = _bounds("id", filter)
    if filter.since is not None:
        conditions.append(f"submitted_at >= {literal(filter.since)}")
    if filter.until is not None:
        conditions.append(f"submitted_at < {literal(filter.until)}")
    if filter.workflow is not None:
        conditions.append(f"workflow = {literal(filter.workflow)}")
    if filter.key is not None:
        conditions.append(f"idempotency_key = {literal(filter.key)}")
    for pair in (filter.tags or {}).items():
        # Tags are stored as compact JSON, where an unescaped quote only ever opens or closes a text.
        text = msgspec.json.encode(dict([pair]))[1:-1]
        conditions.append(f"(instr(tags, {literal(b'{' + text)}) = 1 or instr(tags, {literal(b',' + text)}) > 0)")
    return conditions or ["true"]
