"""Which executions a list has, by whatever leads it, and how far a bounded one reaches. Never writes."""

from __future__ import annotations

from functools import partial

from hydra.execution import Snapshot, Status
from hydra.stores.filter import Filter
from hydra.stores.listing import keyed, lead_of, values_of, walked
from hydra.stores.searching import Lead
from hydra.stores.sql_files import LAST_OF, UPWARDS
from hydra.stores.sqlite.attributes import counts
from hydra.stores.sqlite.reading import find, snapshots
from hydra.stores.sqlite.statements import to_json
from hydra.stores.sqlite.transaction import Reading

_NOTABLE = (Status.SLEEPING, Status.WAITING, Status.FAILED, Status.CANCELLED, Status.PARKED)


def list_snapshots(reading: Reading, filter: Filter) -> list[Snapshot]:
    if (one := keyed(filter, partial(find, reading))) is not None:
        return one
    lead = _lead(reading, filter)
    rows = reading.select_shown(_statement(filter, lead), **_values(filter, lead))
    found = snapshots(reading, [row[0] for row in rows])
    return [snapshot for snapshot in found if snapshot is not None]


def place(reading: Reading, filter: Filter, count: int) -> str | None:
    if (rest := walked(filter, _lead(reading, filter), count, _NOTABLE)) is None:
        return None
    found, last = reading.select_shown(LAST_OF + _statement(*rest), **_values(*rest))[0]
    return last if found == count else None


def _lead(reading: Reading, filter: Filter) -> Lead | str:
    return lead_of(filter, partial(counts, reading), partial(_workflow_count, reading), partial(_time_count, reading))


def _workflow_count(reading: Reading, workflow: str, limit: int) -> int:
    count: int = reading.select("workflow_count", workflow=workflow, limit=limit)[0][0]
    return count


def _time_count(reading: Reading, since: int, until: int, limit: int) -> int:
    count: int = reading.select("time_count", since=since, until=until, limit=limit)[0][0]
    return count


def _statement(filter: Filter, lead: Lead | str) -> str:
    name = lead.name if isinstance(lead, Lead) else lead
    if not name and filter.status is Status.RUNNING:
        name = "list_running"
    elif not name:
        name = "list_notable" if filter.status in _NOTABLE else "list_newest"
    return name + (UPWARDS if filter.is_oldest_first else "")


def _values(filter: Filter, lead: Lead | str) -> dict[str, object]:
    values = values_of(filter, lead) | {"tag_count": len(filter.tags or ())}
    if isinstance(lead, Lead):
        others = [(each.name, each.low.hex().upper(), each.high.hex().upper()) for each in lead.others]
        values["others"] = to_json(others) if others else None
    return values
