"""Commands about limits: list them, look at the keys of one, change its numbers, go back to the code's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from hydra.cli.acts import REASON
from hydra.cli.options import DURATION, database_options, engine_of, json_option, open_engine
from hydra.cli.output import print_json, print_table
from hydra.client.limit_orders import Limit, LimitKey, shown_waiting
from hydra.limit_keys import FAIR, PENDING


@click.group("limits", invoke_without_command=True)
@database_options
@json_option
@click.pass_context
def limits(ctx: click.Context, db: str | None, namespace: str | None, as_json: bool) -> None:
    """List limits with the numbers that hold; or change those of one."""
    if ctx.invoked_subcommand is not None:
        return
    with open_engine(db, namespace) as engine:
        found = engine.limits()
    if as_json:
        print_json(found)
        return
    rows = [(one.name, one.kind, _numbers(one), _code(one)) for one in found]
    print_table(
        ("limit", "kind", "holds", "the code says"), rows, empty="no limits; `@hydra.workflow(limits=[…])` makes some"
    )


@limits.command()
@click.argument("name")
@json_option
@database_options
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool, db: str | None, namespace: str | None) -> None:
    """Show the keys of limit NAME: how many hold a place of each (of a rate: when its next token is due; of a Fair:
    its weight), and how many wait; and which are paused, or cool down. Of a key at most 10,000 that wait are counted:
    then it says `10,000 or more`, and `--json` says 10000."""
    with engine_of(ctx, db, namespace) as engine:
        found = engine.limit_keys(name)
        is_rate = any(one.name == name and one.per is not None for one in engine.limits())
    if as_json:
        print_json(found)
        return
    head: tuple[str, ...] = ("key", "held", "waiting")
    rows: list[tuple[Any, ...]] = [(one.value, one.held, shown_waiting(one.waiting)) for one in found]
    if any(one.weight is not None for one in found):
        head = ("key", "waiting", "weight", "the code says")
        rows = [(one.value, shown_waiting(one.waiting), f"{one.weight:g}", f"{one.code_weight:g}") for one in found]
    elif is_rate:
        head, rows = ("key", "waiting", "next token"), [_rate_row(one) for one in found]
    if any(one.pause is not None for one in found):
        head = (*head, "paused")
        rows = [(*row, _pause(one)) for row, one in zip(rows, found, strict=True)]
    print_table(head, rows, empty="no keys yet")


@limits.command("set")
@click.argument("name")
@click.option("--max", "count", type=int, help="How many at once; of a rate, how many in each `--per`.")
@click.option("--per", type=DURATION, help="Of a rate: in how long, such as 1s.")
@click.option("--burst", type=int, help="Of a rate: how many may begin at once after a lull.")
@click.option("--max-pending", type=int, help="How many of a key may wait at it; of workflow:NAME, how many pending.")
@click.option("--key", "value", help="Of a Fair: the value that gets other turns.")
@click.option("--weight", type=float, help="Of a Fair: how many turns `--key` gets beside others.")
@REASON
@database_options
@click.pass_context
def set_numbers(
    ctx: click.Context,
    name: str,
    count: int | None,
    per: timedelta | None,
    burst: int | None,
    max_pending: int | None,
    value: str | None,
    weight: float | None,
    reason: str,
    db: str | None,
    namespace: str | None,
) -> None:
    """Have other numbers hold for limit NAME, whatever the code says, until it is reset."""
    if (value is None) != (weight is None):
        raise click.UsageError("a weight is that of a key's value; give both `--key` and `--weight`")
    if value is not None and any(each is not None for each in (count, per, burst, max_pending)):
        raise click.UsageError("a weight is changed alone; give `--key` and `--weight` without other numbers")
    with engine_of(ctx, db, namespace) as engine, engine.acting(reason=reason):
        if value is not None:
            engine.set_weight(name, value, weight)
            return
        engine.set_limit(name, count, per=per, burst=burst, max_pending=max_pending)


@limits.command()
@click.argument("name")
@REASON
@database_options
@click.pass_context
def reset(ctx: click.Context, name: str, reason: str, db: str | None, namespace: str | None) -> None:
    """Have the code's numbers, or weights, hold for limit NAME again."""
    with engine_of(ctx, db, namespace) as engine, engine.acting(reason=reason):
        engine.reset_limit(name)


def _rate_row(key: LimitKey) -> tuple[str, int | str, str | datetime | None]:
    if key.next_at is None or key.next_at > datetime.now(UTC):
        return key.value, shown_waiting(key.waiting), key.next_at
    return key.value, shown_waiting(key.waiting), "at any moment"


def _pause(key: LimitKey) -> str:
    if key.pause is None:
        return ""
    until = "" if key.pause.until is None else f" until {key.pause.until:%Y-%m-%d %H:%M:%S} UTC"
    return f"by {key.pause.paused_by}{until}" + (f" ({key.pause.reason})" if key.pause.reason else "")


def _numbers(limit: Limit) -> str:
    return _text(limit.kind, limit.count, limit.per, limit.burst, limit.max_pending)


def _code(limit: Limit) -> str:
    return _text(limit.kind, limit.code_count, limit.code_per, limit.code_burst, limit.code_max_pending)


def _text(kind: str, count: int, per: float | None, burst: int | None, max_pending: int | None) -> str:
    pending = "" if max_pending is None else f"{max_pending} pending"
    if kind == PENDING:
        return pending or "any number pending"
    if kind == FAIR:
        held = "turns by weight"
    else:
        held = f"{count} at once" if per is None else f"{count} in {per:g} s, burst {burst}"
    return f"{held}, {pending}" if pending else held


COMMANDS: list[Any] = [limits]
