"""Commands that start, stop and restart executions."""

from __future__ import annotations

import sys

import click

from hydra.cli.arguments import parse_json, read_call
from hydra.cli.options import DURATION, TAG, database_options, json_option, open_engine
from hydra.cli.output import print_json
from hydra.client.engine import Engine
from hydra.client.handle import Handle
from hydra.codec import to_jsonable
from hydra.errors import HydraError, ResultTimeout, WorkflowCancelled, WorkflowFailed
from hydra.execution import Status
from hydra.stores.store import WorkflowInfo
from hydra.workflow import named

RESULT_TIMEOUT = 60.0


@click.command()
@click.argument("workflow")
@click.argument("arguments", metavar="JSON", default="{}")
@click.option("--key", help="Idempotency key: the same key and arguments give the first execution.")
@click.option("--delay", type=DURATION, help="Start it this much later, such as 5m.")
@click.option("--priority", type=int, default=0, show_default=True, help="Larger runs first.")
@click.option("--tag", "tags", type=TAG, multiple=True, metavar="NAME=VALUE", help="May be repeated.")
@database_options
@json_option
def submit(
    workflow: str,
    arguments: str,
    key: str | None,
    delay: float | None,
    priority: int,
    tags: tuple[tuple[str, str], ...],
    db: str | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """Submit an execution of WORKFLOW and print its id.

    JSON is an object (keyword arguments) or an array (positional arguments); `-` reads it from standard input.
    Decimals and dates come as strings.
    """
    with open_engine(db, namespace, migrate=True) as engine:
        info = known_workflow(engine, workflow)
        args, kwargs = read_call(sys.stdin.read() if arguments == "-" else arguments, info)
        bound = named(workflow).bind(*args, **kwargs)
        handle = engine.submit(bound, key=key, delay=delay, priority=priority, tags=dict(tags))
    if as_json:
        print_json({"id": handle.id})
    else:
        click.echo(handle.id)


def known_workflow(engine: Engine, name: str) -> WorkflowInfo | None:
    """What a supervisor recorded of the workflow; None, with a warning, when none has served it yet."""
    known = {info.name: info for info in engine.workflows()}
    if name not in known:
        others = f"known are {', '.join(f'`{other}`' for other in sorted(known))}" if known else "none is known yet"
        click.echo(
            f"warning: no supervisor has served workflow `{name}` here; it waits until one does ({others})", err=True
        )
    return known.get(name)


@click.command()
@click.argument("id")
@click.option(
    "--timeout", type=DURATION, default=RESULT_TIMEOUT, show_default="60s", help="Wait this long for the end."
)
@database_options
@json_option
def result(id: str, timeout: float, db: str | None, namespace: str | None, as_json: bool) -> None:
    """Print the result of an execution as JSON, waiting for its end.

    Exit code 1 when it failed, was cancelled or is not done in time; the error goes to standard error.
    """
    with open_engine(db, namespace) as engine:
        handle = engine.get(id)
        try:
            print_json(to_jsonable(handle.result(timeout=timeout)))
        except WorkflowFailed as error:
            click.echo(error.traceback_text or "", err=True, nl=False)
            _leave(error, as_json)
        except WorkflowCancelled as error:
            _leave(error, as_json)
        except ResultTimeout as error:
            found = handle.execution()
            is_parked = found.status is Status.PARKED
            _leave(HydraError(f"execution `{id}` is parked: {found.reason}") if is_parked else error, as_json)


def _leave(error: HydraError, as_json: bool) -> None:
    if as_json:
        print_json({"error": str(error)})
    click.echo(f"error: {error}", err=True)
    sys.exit(1)


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--without-undo", is_flag=True, help="End what does not run as it is: a person has undone it.")
@database_options
def cancel(ids: tuple[str, ...], without_undo: bool, db: str | None, namespace: str | None) -> None:
    """Cancel executions; a running one stops at its next step, and what has undo steps is undone first."""
    with open_engine(db, namespace) as engine:
        for handle in _handles(engine, ids):
            status = handle.cancel(undo=not without_undo)
            click.echo(f"{handle.id} {'cancelling' if status not in ('cancelled', 'completed', 'failed') else status}")


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@database_options
def retry(ids: tuple[str, ...], db: str | None, namespace: str | None) -> None:
    """Run failed executions again from the step that failed; everything recorded before it stays."""
    with open_engine(db, namespace) as engine:
        for handle in _handles(engine, ids):
            handle.retry()
            click.echo(f"{handle.id} pending")


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@database_options
def resume(ids: tuple[str, ...], db: str | None, namespace: str | None) -> None:
    """Let parked executions go on."""
    with open_engine(db, namespace) as engine:
        for handle in _handles(engine, ids):
            handle.resume()
            click.echo(f"{handle.id} pending")


@click.command()
@click.argument("words", metavar="[ID] NAME [JSON]", nargs=-1, required=True)
@click.option("--workflow", help="With --key: the execution of this workflow, in place of ID.")
@click.option("--key")
@database_options
def signal(
    words: tuple[str, ...], workflow: str | None, key: str | None, db: str | None, namespace: str | None
) -> None:
    """Put the event NAME before an execution; one wait for it takes it, now or later. JSON is what it says."""
    if (workflow is None) != (key is None):
        raise click.UsageError("`--workflow` and `--key` belong together")
    by_key = workflow is not None and key is not None
    first = 0 if by_key else 1
    if not first < len(words) <= first + 2:
        raise click.UsageError("give ID, NAME and perhaps JSON; or NAME and perhaps JSON with --workflow and --key")
    value = parse_json(words[first + 1]) if len(words) == first + 2 else None
    with open_engine(db, namespace) as engine:
        handle = engine.find(workflow or "", key or "") if by_key else engine.get(words[0])
        handle.signal(words[first], value)
        click.echo(f"{handle.id} signalled")


@click.command()
@click.argument("token")
@click.argument("value", metavar="[JSON]", required=False)
@click.option("--fail", "reason", help="Complete it with a failure, for this reason.")
@database_options
def complete(token: str, value: str | None, reason: str | None, db: str | None, namespace: str | None) -> None:
    """Complete a callback token with JSON; whoever waits for it goes on. Once: another value is refused."""
    if value is not None and reason is not None:
        raise click.UsageError("give JSON or `--fail`, not both")
    said = None if value is None else parse_json(value)
    with open_engine(db, namespace) as engine:
        if reason is None:
            engine.complete(token, said)
        else:
            engine.fail(token, reason)
        click.echo(f"{token.partition('.')[0]} {'completed' if reason is None else 'failed'}")


def _handles(engine: Engine, ids: tuple[str, ...]) -> list[Handle[object]]:
    """All of them are known before anything is done to one."""
    return [engine.get(id) for id in ids]


@click.command()
@click.argument("id")
@click.argument("step")
@click.option("--value", metavar="JSON", help="Its effect happened: what the step would have returned.")
@click.option("--rerun", is_flag=True, help="Its effect did not happen: run the step again.")
@click.option("--branch", help="Which one, where several steps of that name are in doubt.")
@click.option("--ordinal", type=int, help="Which one, where several steps of that name are in doubt (from 0).")
@database_options
def resolve(
    id: str,
    step: str,
    value: str | None,
    rerun: bool,
    branch: str | None,
    ordinal: int | None,
    db: str | None,
    namespace: str | None,
) -> None:
    """Settle a step in doubt of a parked execution, which then goes on."""
    if rerun is (value is not None):
        raise click.UsageError("give either `--value JSON` or `--rerun`")
    settled = {"rerun": True} if value is None else {"value": parse_json(value)}
    with open_engine(db, namespace) as engine:
        handle = engine.get(id)
        handle.resolve(step, branch=branch, ordinal=ordinal, **settled)
        click.echo(f"{handle.id} pending")


COMMANDS = (submit, result, cancel, retry, resume, resolve, signal, complete)
