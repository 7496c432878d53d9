"""Commands about what takes a second person: which acts do, what waits for one, approve or refuse it."""

from __future__ import annotations

import sys

import click

from hydra.cli.acts import BECAUSE
from hydra.cli.options import DURATION, database_options, json_option, open_engine
from hydra.cli.output import echo, print_json, print_table
from hydra.cli.watching import watchable
from hydra.errors import IllegalMove
from hydra.stores.approvals import ApprovalKind

ACTS = [str(kind) for kind in ApprovalKind if kind is not ApprovalKind.RULE]


@click.command("approvals")
@watchable
@database_options
@json_option
def list_approvals(db: str | None, namespace: str | None, as_json: bool) -> None:
    """List what was asked for and takes a second person, newest first."""
    with open_engine(db, namespace) as engine:
        found = engine.approvals()
    if as_json:
        print_json(found)
        return
    rows = [
        (each.id, f"to {each.sentence}", each.value, each.state, each.asked_by, each.reason or None, each.expires_at)
        for each in found
    ]
    columns = ("id", "what", "value", "state", "asked by", "why", "expires (UTC)")
    print_table(columns, rows, empty="nothing waits for a second person; `hydra require-approval` says what takes one")


@click.command()
@click.argument("id")
@BECAUSE
@database_options
@json_option
def approve(id: str, because: str, db: str | None, namespace: str | None, as_json: bool) -> None:
    """Do what somebody else has asked for: resolve, cancel without undo, or delete.

    It is recorded with both names. Exit code 1 if any execution is refused; the others are done.
    """
    with open_engine(db, namespace) as engine:
        acted = engine.approve(id, reason=because)
    if as_json:
        print_json(acted)
    else:
        echo(f"{id} approved")
        for execution, what in acted.done.items():
            echo(f"{execution} {what}")
    for why in acted.refused.values():
        echo(f"refused: {why}", err=True)
    if acted.refused:
        sys.exit(1)


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@BECAUSE
@database_options
def refuse(ids: tuple[str, ...], because: str, db: str | None, namespace: str | None) -> None:
    """Have what was asked for not be done. Whoever asked for it may take it back so."""
    failed = 0
    with open_engine(db, namespace) as engine:
        for id in ids:
            try:
                engine.refuse(id, reason=because)
                echo(f"{id} refused")
            except IllegalMove as error:
                failed += 1
                echo(f"error: {error}", err=True)
    if failed:
        sys.exit(1)


@click.command("require-approval")
@click.argument("acts", metavar="[ACT...]", nargs=-1, type=click.Choice(ACTS))
@click.option("--none", "is_none", is_flag=True, help="No act takes a second person any more.")
@click.option("--within", type=DURATION, default="1h", show_default=True, help="What was asked for expires after it.")
@BECAUSE
@database_options
@json_option
def require_approval(
    acts: tuple[str, ...],
    is_none: bool,
    within: float,
    because: str,
    db: str | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """Have ACTs take a second person in this namespace: resolve, cancel (without undo), purge. Without any, say which
    do.

    It holds for everybody and every way: commands, page, API and programs. Where a rule holds, another one takes a
    second person, too.
    """
    if acts and is_none:
        raise click.UsageError("give acts or `--none`, not both")
    with open_engine(db, namespace) as engine:
        if acts or is_none:
            engine.require_approval(acts, within=within, reason=because)
        rule = engine.approval_rule()
    if as_json:
        print_json(rule)
    elif rule.acts:
        echo(f"{', '.join(rule.acts)}: take a second person within {rule.within_us / 1e6:g} s")
    else:
        echo("no act takes a second person")


COMMANDS = (list_approvals, approve, refuse, require_approval)
