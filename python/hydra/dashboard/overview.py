"""Pages about the whole: counts and what waits, a plot of the newest executions, schedules, nodes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from starlette.responses import Response

from hydra.client.views import Execution, to_datetime
from hydra.dashboard.access import Role
from hydra.dashboard.site import Visit
from hydra.execution import Status

SHOWN_NODES = 200
PLOTTED = 500  # the newest executions
BUCKETS = 40
PLOT_HEIGHT = 120.0
PLOT_WIDTH = 1000.0


class Column(msgspec.Struct, frozen=True):
    """One bucket of the plot: how many were submitted in it, how many of these have failed or are parked."""

    x: float
    width: float
    height: float
    bad_height: float
    title: str


class Plot(msgspec.Struct, frozen=True):
    """`pickup_50` and `pickup_99`: seconds from when they were due until they began, of those that began once."""

    columns: list[Column]
    count: int
    from_at: datetime
    until_at: datetime
    pickup_50: float | None
    pickup_99: float | None


def show_overview(visit: Visit) -> Response:
    engine = visit.engine
    found = engine.stats()
    statuses = [status for status in Status if any(counts.get(status) for counts in found.counts.values())]
    now = datetime.now(UTC)
    paused = {pause.name: pause for pause in engine.pauses() if pause.kind == "workflow"}
    names = sorted({*found.counts, *(info.name for info in engine.workflows())})
    return visit.show(
        "overview.html",
        stats=found,
        names=names,
        statuses=statuses,
        totals={status: sum(counts.get(status, 0) for counts in found.counts.values()) for status in Status},
        oldest=None if found.oldest_due_at is None else max(now - to_datetime(found.oldest_due_at), timedelta(0)),
        pauses=engine.pauses(),
        paused=paused,
        circuits=engine.circuits(),
        plot=plot(engine.executions(limit=PLOTTED)),
        is_admin=visit.operator.may(Role.ADMIN),
    )


def plot(newest: Sequence[Execution]) -> Plot | None:
    """None of fewer than two instants: nothing to draw."""
    if len(newest) < 2:
        return None
    instants = [each.submitted_at for each in newest]
    from_at, until_at = min(instants), max(instants)
    whole = (until_at - from_at).total_seconds()
    if whole <= 0:
        return None
    counts, bad_counts = [0] * BUCKETS, [0] * BUCKETS
    for each in newest:
        place = min(BUCKETS - 1, int((each.submitted_at - from_at).total_seconds() / whole * BUCKETS))
        counts[place] += 1
        bad_counts[place] += each.status in (Status.FAILED, Status.PARKED)
    most = max(counts)
    width = PLOT_WIDTH / BUCKETS
    step = timedelta(seconds=whole / BUCKETS)
    columns = [
        Column(
            round(place * width, 2),
            round(width - 2, 2),
            round(count / most * PLOT_HEIGHT, 2),
            round(bad / most * PLOT_HEIGHT, 2),
            f"{from_at + place * step:%Y-%m-%d %H:%M:%S}: {count} submitted, {bad} of them failed or parked",
        )
        for place, (count, bad) in enumerate(zip(counts, bad_counts, strict=True))
    ]
    delays = sorted(
        max(0.0, (each.started_at - each.submitted_at).total_seconds())
        for each in newest
        if each.started_at is not None and each.attempt <= 1 and each.run_at <= each.started_at
    )
    return Plot(columns, len(newest), from_at, until_at, _at(delays, 0.5), _at(delays, 0.99))


def _at(values: Sequence[float], share: float) -> float | None:
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


def show_schedules(visit: Visit) -> Response:
    return visit.show("schedules.html", schedules=visit.engine.schedules(), is_admin=visit.operator.may(Role.ADMIN))


def show_nodes(visit: Visit) -> Response:
    nodes = sorted(visit.engine.nodes(), key=lambda node: (node.state != "alive", -node.beat_at))
    shown = [
        (node, to_datetime(node.registered_at), to_datetime(node.beat_at), ", ".join(node.info.labels))
        for node in nodes[:SHOWN_NODES]
    ]
    drained = {pause.name for pause in visit.engine.pauses() if pause.kind == "node"}
    return visit.show(
        "nodes.html",
        nodes=shown,
        more=len(nodes) - len(shown),
        drained=drained,
        is_admin=visit.operator.may(Role.ADMIN),
    )
