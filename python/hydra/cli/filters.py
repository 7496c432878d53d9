"""The options by which commands choose executions, one set for listings and acts; and how an act on many is ordered.

--dry-run            says how many, and what would be refused; touches nothing
--expect N, --yes    does it, on at most N, or on all that match; on a terminal it asks
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import click
import msgspec

from hydra.cli.options import TAG, WHEN, F, end_refused
from hydra.cli.output import echo, print_json, progress_bar
from hydra.client.bulk import Acted
from hydra.client.engine import Engine
from hydra.client.selection import Selection
from hydra.execution import Status
from hydra.records.fingerprints import without_ids


class Where(msgspec.Struct, frozen=True):
    """What the options say."""

    status: str | None = None
    workflow: str | None = None
    key: str | None = None
    tags: dict[str, str] | None = None
    since: datetime | timedelta | None = None
    until: datetime | timedelta | None = None
    reason: str | None = None
    error: str | None = None
    attributes: tuple[str, ...] | None = None

    def is_given(self) -> bool:
        return self != Where()

    def names_one(self) -> bool:
        """By workflow and key, as ever, and by nothing else."""
        return self == Where(workflow=self.workflow, key=self.key) and None not in (self.workflow, self.key)

    def select(self, engine: Engine) -> Selection:
        return engine.select(**msgspec.structs.asdict(self))


class Order(msgspec.Struct, frozen=True):
    """How an act on many is ordered."""

    is_dry_run: bool
    expected_count: int | None
    is_sure: bool
    as_json: bool

    def is_given(self) -> bool:
        return self.is_dry_run or self.expected_count is not None or self.is_sure


Do = Callable[..., Acted]


def filter_options(*, reason: str = "--reason") -> Callable[[F], F]:
    """All options of `Where`, which the command gets as `where`. `reason` is spelled otherwise where the command's own
    `--reason` says why it acts."""

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def filtered(
            status: str | None,
            workflow: str | None,
            key: str | None,
            tags: tuple[tuple[str, str], ...],
            attributes: tuple[str, ...],
            since: Any,
            until: Any,
            with_reason: str | None,
            with_error: str | None,
            **rest: Any,
        ) -> Any:
            said = (status, workflow, key, dict(tags) or None, since, until, with_reason, with_error)
            where = Where(*said, attributes or None)
            return command(where=where, **rest)

        spellings = ("--with-reason",) if reason == "--with-reason" else (reason, "--with-reason")
        options = (
            click.option("--status", type=click.Choice([status.value for status in Status])),
            click.option("--workflow", metavar="NAME"),
            click.option("--key"),
            click.option(
                "--tag", "tags", type=TAG, multiple=True, metavar="NAME=VALUE", help="May be repeated; all must match."
            ),
            click.option(
                "--attribute",
                "attributes",
                metavar="NAME=VALUE",
                multiple=True,
                help="Or NAME>=VALUE, NAME<VALUE …, in quotes. May be repeated; all must match.",
            ),
            click.option("--since", type=WHEN, help="Submitted then or later: 2h (ago), or 2026-11-29T14:00 (UTC)."),
            click.option("--until", type=WHEN, help="Submitted before then; as of --since."),
            click.option(*spellings, "with_reason", metavar="TEXT", help="A part of why it failed or is parked."),
            click.option("--error", "with_error", metavar="ERROR", help="Of `hydra errors`, or an exception's class."),
        )
        found: Any = filtered
        for option in reversed(options):
            found = option(found)
        return found  # type: ignore[no-any-return]

    return decorate


def order_options(command: F) -> F:
    """How an act by a filter is ordered; the command gets it as `order`."""

    @functools.wraps(command)
    def ordered(dry_run: bool, expect: int | None, yes: bool, as_json: bool, **rest: Any) -> Any:
        return command(order=Order(dry_run, expect, yes, as_json), **rest)

    options = (
        click.option("--dry-run", is_flag=True, help="By a filter: only say how many, and what would be refused."),
        click.option("--expect", type=click.IntRange(0), metavar="N", help="By a filter: refuse it if more match."),
        click.option("--yes", is_flag=True, help="By a filter: do it, however many match."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    )
    found: Any = ordered
    for option in reversed(options):
        found = option(found)
    return found  # type: ignore[no-any-return]


def is_by_filter(ids: tuple[str, ...], where: Where, order: Order) -> bool:
    """Whether many are chosen by what they have in common, and not by their ids."""
    if ids and where.is_given():
        raise click.UsageError("give ids or a filter, such as `--status failed`, not both")
    if ids and order.is_given():
        raise click.UsageError("`--dry-run`, `--expect` and `--yes` are for a filter; ids say how many there are")
    if not ids and not where.is_given():
        raise click.UsageError("say which: ids, or a filter such as `--workflow bill --since 2h`")
    return not ids


def said_why(ids: tuple[str, ...], where: Where, because: str) -> tuple[Where, str]:
    """The filter, and why it is done. Beside ids, where it can choose nothing, `--reason` says that, too."""
    if not ids or where.reason is None:
        return where, because
    if because:
        raise click.UsageError("`--reason` beside ids says why, as `--because` does; give one of them")
    return msgspec.structs.replace(where, reason=None), where.reason


def is_id(word: str) -> bool:
    """Whether it can be an execution's id."""
    try:
        UUID(word)
    except ValueError:
        return False
    return True


def act_on_many(selection: Selection, order: Order, verb: str, act: Do) -> None:
    """`act` takes `dry_run`, `at_most` and `progress`. Exit code 1 if any is refused; the others are done."""
    expected = order.expected_count
    if not order.is_given():
        if not sys.stdin.isatty():
            raise click.UsageError(
                f"to {verb} by a filter, say `--dry-run` first, and then `--expect N`, or `--yes` for all that match"
            )
        expected = act(dry_run=True, at_most=None, progress=None).matched_count
        click.confirm(f"{verb} {expected} executions?", abort=True, err=True)
    with progress_bar(verb, None) as bar:
        acted = act(
            dry_run=order.is_dry_run,
            at_most=expected,
            progress=lambda done: bar.update(bar.task_ids[0], completed=done) if bar else None,
        )
    report(acted, order.as_json)
    if not acted.is_dry_run:
        end_refused(len(acted.refused), acted.matched_count)


def report(acted: Acted, as_json: bool) -> None:
    """The count first, then what is refused, in groups of one reason each with an example."""
    if as_json:
        print_json(acted)
        return
    if not acted.matched_count:
        echo("no executions match", err=True)
        return
    said = "would be done" if acted.is_dry_run else "done"
    dry = " (nothing was touched)" if acted.is_dry_run else ""
    echo(f"{acted.act}: {acted.matched_count:,} match, {len(acted.done):,} {said}, {len(acted.refused):,} refused{dry}")
    reasons = Counter(without_ids(reason) for reason in acted.refused.values())
    for reason, count in reasons.most_common():
        example = next(each for each in acted.refused.values() if without_ids(each) == reason)
        echo(f"refused {count:,}: {example}", err=True)
