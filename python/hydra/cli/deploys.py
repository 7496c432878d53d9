"""Commands for a change of code: check it against what is open, run what it got wrong again."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from hydra.cli.app import import_app
from hydra.cli.calls import read_bound
from hydra.cli.options import database_options, json_option, open_engine
from hydra.cli.output import echo, print_json, print_table, progress_bar
from hydra.client.engine import Engine
from hydra.errors import IllegalMove
from hydra.execution import FINAL, Record, Snapshot
from hydra.workflow import registry

if TYPE_CHECKING:
    from hydra.checking import Divergence


@click.command()
@click.argument("module")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many to show; all count.")
@database_options
@json_option
def check(module: str, limit: int, db: str | None, namespace: str | None, as_json: bool) -> None:
    """Say which open executions the code of MODULE could not go on with; exit 1 if there are any.

    Replays the records of each without effects: no step runs, nothing is written, no lease is taken. Run it with the
    new code before a deploy.
    """
    from hydra.checking import ReplayCheck  # what runs bodies: not for every command

    import_app(module)
    shown: list[Divergence] = []
    count = 0
    with open_engine(db, namespace) as engine:
        counts = engine.stats().counts.values()
        total = sum(number for each in counts for status, number in each.items() if status not in FINAL)
        replays = engine.read(lambda store: ReplayCheck(store, registry))
        with progress_bar("replaying", total) as bar:

            def move_bar(done: int) -> None:
                if bar is not None:
                    bar.update(bar.task_ids[0], completed=done)

            for found in replays.run(move_bar):
                count += 1
                if count <= limit:
                    shown.append(found)
    checked = replays.checked_count
    if as_json:
        print_json({"checked": checked, "diverge": count, "unknown": replays.unknown, "executions": shown})
    else:
        rows = [(each.execution_id, each.workflow, each.record, each.code, each.place) for each in shown]
        columns = ("id", "workflow", "the record has", "the code has", "at")
        print_table(columns, rows, empty=f"{checked} open executions checked, and none differs from this code")
        if count > limit:
            echo(f"{count - limit} more; see `--limit`", err=True)
    for workflow, number in replays.unknown.items():
        echo(f"warning: {number} are of workflow `{workflow}`, which `{module}` does not have", err=True)
    if count:
        echo(f"{count} of {checked} open executions differ from this code", err=True)
        sys.exit(1)


@click.command()
@click.argument("id")
@click.option("--from-step", required=True, metavar="NAME", help="The first step to run again.")
@click.option("--number", type=click.IntRange(1), default=1, show_default=True, help="Which call of that step.")
@click.option("--input", "input_json", metavar="JSON", help="Other arguments, as of `hydra submit`; `-` reads them.")
@click.option("--key", help="Idempotency key of the new execution.")
@click.option("--force", is_flag=True, help="Also where a step runs again that may have taken effect.")
@click.option("--module", metavar="MODULE", help="The code that is to run it: where that would park it, it is refused.")
@database_options
@json_option
def fork(
    id: str,
    from_step: str,
    number: int,
    input_json: str | None,
    key: str | None,
    force: bool,
    module: str | None,
    db: str | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """Begin a new execution with what execution ID had recorded before a step, and print its id.

    What is recorded is kept, and happened once, for ID; from the step on everything is done again. With --module, what
    that code would only park is refused with the reason, such as an input that changes a recorded step's arguments.
    Refused is, too, what would run a step again of which nobody knows whether it took effect: resolve that first.
    """
    if module is not None:
        import_app(module)
    with open_engine(db, namespace) as engine:
        input = None
        if input_json is not None:
            workflow = engine.get(id).workflow
            text = sys.stdin.read() if input_json == "-" else input_json
            input = read_bound(engine, workflow, text)
        refuse = None if module is None else partial(refuse_fork, engine)
        handle = engine.fork(id, from_step, number=number, input=input, key=key, force=force, refuse=refuse)
    if as_json:
        print_json({"id": handle.id})
    else:
        echo(handle.id)


def refuse_fork(engine: Engine, source: Snapshot, input: bytes, records: list[Record]) -> None:
    from hydra.checking import difference_of_fork  # what runs bodies: not for every command

    found = engine.read(lambda store: difference_of_fork(store, registry, source, input, records))
    if found is not None:
        raise IllegalMove(f"the fork of execution `{source.id}` would only be parked: {found.reason}")


COMMANDS = (check, fork)
