"""Commands that look: one execution's state and timeline, why it does not go on, counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from hydra.attributes import as_text
from hydra.cli.options import DURATION, database_options, json_option, open_engine, tell_moved
from hydra.cli.output import cell, echo, json_line, print_json, print_table, show
from hydra.cli.watching import watchable
from hydra.client.arguments import shorten
from hydra.client.awaited import Awaited, set_aside_of
from hydra.client.damage import check_readable
from hydra.client.shown import MAX_INPUT_LENGTH, error_of, generation_of, input_of
from hydra.client.timeline import timeline
from hydra.client.views import attempt_view, bulk_views, to_datetime
from hydra.execution import FINAL, Status
from hydra.stores.pauses import PauseKind


@click.command("show")
@watchable
@click.argument("id")
@database_options
@json_option
def show_execution(id: str, db: str | None, namespace: str | None, as_json: bool) -> None:
    """Show one execution: its state and input, a timeline of its claims, steps, tries, waits, crashes and orders,
    and the traceback of what it failed of.

    With --json also its `export`, which `hydra.testing.replay` takes.
    """
    with open_engine(db, namespace) as engine:
        handle = engine.get(id)
        execution = handle.execution()
        records = handle.records()
        input = engine.read(lambda store: store.input(id))
        claims = engine.read(lambda store: store.claims(id))
        check_readable(id, input, records, claims)
        input = engine.fetched(input) or b""
        steps, attempts = handle.steps(), [attempt_view(claim) for claim in claims]
        awaited = [] if execution.status in FINAL else handle.awaited()
        exported = handle.export() if as_json else None
        failures = engine.read(lambda store: store.failures([id]))
        acts = handle.acts()
        if execution.status not in FINAL:
            tell_moved(engine)
    entries = timeline(execution, records, attempts, steps, acts)
    generation, called = generation_of(input), input_of(input)
    error = error_of(failures.get(id))
    if as_json:
        print_json(
            {
                "execution": execution,
                "input": called,
                "error": error,
                "acts": acts,
                "generation": generation,
                "awaited": awaited,
                "set_aside": set_aside_of(records),
                "steps": steps,
                "maps": bulk_views(records),
                "attempts": attempts,
                "timeline": entries,
                "export": exported,
            }
        )
        return
    facts = {
        "workflow": execution.workflow,
        "key": execution.key,
        "status": execution.status,
        "reason": execution.reason or None,
        "tags": execution.tags or None,
        "attributes": _told(execution.attributes) or None,
        "node": execution.node,
        "limits": ", ".join(execution.limits) or None,
        "wakes at": execution.wake_at,
        "times out at": execution.timeout_at,
        "waits for": ", ".join(dict.fromkeys(_waits_for(each) for each in awaited)) or _waits_at(execution.waits_for),
        "generation": generation if generation and generation > 1 else None,
        "input": shorten(json_line(called), MAX_INPUT_LENGTH),
        "run again as": ", ".join(act.other_id or "" for act in acts if act.kind == "rerun") or None,
        "key passed to": ", ".join(act.other_id or "" for act in acts if act.kind == "key_passed") or None,
        "runs again": ", ".join(act.other_id or "" for act in acts if act.kind == "rerun_of") or None,
    }
    echo(f"{execution.id}")
    for name, value in facts.items():
        if value is not None:
            echo(f"  {name:12} {cell(show(value))}")
    echo()
    rows = [(entry.at, entry.what, entry.took, entry.detail) for entry in entries]
    print_table(("time", "what", "took", "detail"), rows, empty="nothing happened yet")
    if error is not None and error.traceback:
        echo()
        echo(error.traceback.rstrip("\n"))


def _told(attributes: dict[str, Any]) -> str:
    return ", ".join(f"{name}={as_text(value)}" for name, value in sorted(attributes.items()))


def _waits_for(awaited: Awaited) -> str:
    return f"{awaited.name} ({awaited.type})" if awaited.type else awaited.name


@click.command("why")
@watchable
@click.argument("id")
@database_options
@json_option
def explain(id: str, db: str | None, namespace: str | None, as_json: bool) -> None:
    """Say in one sentence why an execution does not go on, or what it does, and what to do next."""
    with open_engine(db, namespace) as engine:
        found = engine.why(id)
        tell_moved(engine)
    if as_json:
        print_json(found)
    else:
        echo(f"{found.status}: {found.sentence}")


def _waits_at(limit: str | None) -> str | None:
    return None if limit is None else f"its place at the limit {limit}"


@click.command()
@watchable
@click.option("--over", type=DURATION, help="Look twice, so far apart: how fast executions end, and until when.")
@database_options
@json_option
def stats(over: float | None, db: str | None, namespace: str | None, as_json: bool) -> None:
    """Count executions by workflow and status; name due work that no node serves, and what is paused.

    With --json also `demands`, what autoscalers go by: backlog, its age, utilisation, and with --over the time until
    the backlog is gone, in all, by workflow and by label.
    """
    with open_engine(db, namespace) as engine:
        demanded = engine.demands(over) if as_json or over is not None else None
        found = engine.stats()
        circuits = engine.circuits()
        tell_moved(engine)
    if as_json:
        shown = msgspec.structs.asdict(found)
        del shown["loads"]  # `demands` says it better
        print_json({**shown, "demands": demanded, "circuits": circuits})
        return
    statuses = [status for status in Status if any(status in counts for counts in found.counts.values())]
    rows = [(workflow, *(counts.get(status, 0) for status in statuses)) for workflow, counts in found.counts.items()]
    print_table(("workflow", *statuses), rows, empty="no executions")
    echo(f"nodes alive: {found.nodes_alive}")
    if found.oldest_due_at is not None:
        echo(f"oldest due work: {show(max(datetime.now(UTC) - to_datetime(found.oldest_due_at), datetime.resolution))}")
    if demanded is not None:
        demand = demanded.total
        until = "never at this rate" if demand.drain_seconds is None else f"in {demand.drain_seconds:,.0f} s"
        rate = demand.ended_per_second or 0.0
        echo(f"backlog: {demand.backlog:,}, {rate:,.1f} end a second, gone {until}")
    for pause in found.pauses:
        what = pause.kind.value if pause.kind is PauseKind.NAMESPACE else f"{pause.kind.value} `{pause.name}`"
        word = "drains" if pause.kind is PauseKind.NODE else "is paused"
        why = f": {pause.reason}" if pause.reason else ""
        echo(f"{what} {word}, by {pause.paused_by} at {show(to_datetime(pause.paused_at))}{why}")
    for circuit in circuits:
        what = "breaker" if circuit.kind == "breaker" else "circuit"
        word = f"is open, says {circuit.said_by}: " if what == "breaker" else f"of {circuit.said_by} is "
        echo(f"{what} `{circuit.name}` {word}{circuit.reason}")
    for workflow, count in found.unclaimed.items():
        echo(f"warning: {count} due of workflow `{workflow}`, which no living node serves", err=True)
    for label, count in found.unserved_labels.items():
        echo(f"warning: {count} due need label `{label}`, which no living node has", err=True)


COMMANDS = (show_execution, explain, stats)
