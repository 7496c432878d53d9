"""Commands that start, stop and restart executions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import click

from hydra.cli.acts import BECAUSE, REASON
from hydra.cli.app import import_app
from hydra.cli.calls import read_bound
from hydra.cli.filters import Order, Where, act_on_many, filter_options, is_by_filter, is_id, order_options, said_why
from hydra.cli.options import DURATION, KEY_REUSE, TAG, database_options, end_refused, json_option, open_engine
from hydra.cli.output import echo, print_json
from hydra.client.acting import acting
from hydra.client.arguments import parse_json
from hydra.client.bulk import Acted
from hydra.client.engine import Engine
from hydra.client.handle import Handle
from hydra.client.selection import Selection
from hydra.codec import to_jsonable
from hydra.debounce import Debounce
from hydra.errors import HydraError, IllegalMove, ResultTimeout, WorkflowCancelled, WorkflowFailed, WorkflowParked
from hydra.execution import FINAL, KeyReuse, Snapshot, Status
from hydra.workflow import registry

RESULT_TIMEOUT = 60.0


@click.command()
@click.argument("workflow")
@click.argument("arguments", metavar="JSON", default="{}")
@click.option("--key", help="Idempotency key: the same key and arguments give the first execution.")
@click.option(
    "--key-reuse",
    type=KEY_REUSE,
    default=str(KeyReuse.FIRST),
    show_default=True,
    help="For a key that was used before: the first execution (`first`), an error (`reject`), another one once the "
    "last has ended (`after_end`), or once it has had the key for so long, such as 1h.",
)
@click.option("--debounce", "wait", type=DURATION, help="One execution for a burst, so long after its last.")
@click.option("--max-wait", type=DURATION, help="With --debounce: at most so long after its first.")
@click.option("--delay", type=DURATION, help="Start it this much later, such as 5m.")
@click.option("--priority", type=int, default=0, show_default=True, help="Larger runs first.")
@click.option("--tag", "tags", type=TAG, multiple=True, metavar="NAME=VALUE", help="May be repeated.")
@database_options
@json_option
def submit(
    workflow: str,
    arguments: str,
    key: str | None,
    key_reuse: str | float,
    wait: float | None,
    max_wait: float | None,
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
    if wait is None and max_wait is not None:
        raise click.UsageError("`--max-wait` goes with `--debounce`; give both")
    debounce = None if wait is None else Debounce(wait, max_wait)
    with open_engine(db, namespace, migrate=True) as engine:
        bound = read_bound(engine, workflow, sys.stdin.read() if arguments == "-" else arguments)
        handle = engine.submit(
            bound, key=key, delay=delay, priority=priority, tags=dict(tags), key_reuse=key_reuse, debounce=debounce
        )
    if as_json:
        print_json({"id": handle.id})
    else:
        echo(handle.id)


@click.command()
@click.argument("id")
@click.option(
    "--timeout", type=DURATION, default=RESULT_TIMEOUT, show_default="60s", help="Wait this long for the end."
)
@click.option("--wait", is_flag=True, help="Wait for a parked one, too, until a person has it go on.")
@database_options
@json_option
def result(id: str, timeout: float, wait: bool, db: str | None, namespace: str | None, as_json: bool) -> None:
    """Print the result of an execution as JSON, waiting for its end.

    Exit code 1 when it failed, was cancelled, is parked or not done in time; the error goes to standard error.
    """
    with open_engine(db, namespace) as engine:
        handle = engine.get(id)
        try:
            print_json(to_jsonable(handle.result(timeout=timeout, wait_while_parked=wait)))
        except WorkflowFailed as error:
            echo(error.traceback_text or "", err=True, nl=False)
            _leave(error, as_json)
        except (WorkflowCancelled, WorkflowParked, ResultTimeout) as error:
            _leave(error, as_json)


def _leave(error: HydraError, as_json: bool) -> None:
    if as_json:
        print_json({"error": str(error)})
    echo(f"error: {error!s}", err=True)
    sys.exit(1)


@click.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@click.option("--without-undo", is_flag=True, help="End what does not run as it is: a person has undone it.")
@BECAUSE
@filter_options()
@order_options
@database_options
def cancel(
    ids: tuple[str, ...],
    without_undo: bool,
    because: str,
    where: Where,
    order: Order,
    db: str | None,
    namespace: str | None,
) -> None:
    """Cancel executions, by ids or by a filter; a running one stops at its next step, and what has undo steps is undone
    first."""
    where, why = said_why(ids, where, because)
    with open_engine(db, namespace) as engine, engine.acting(reason=why):
        if is_by_filter(ids, where, order):
            selection = where.select(engine)
            act_on_many(selection, order, "cancel", partial(selection.cancel, undo=not without_undo))
            return
        done: dict[str, str] = {}
        for handle in _handles(engine, ids):
            status = handle.cancel(undo=not without_undo)
            done[handle.id] = str(status) if status in FINAL else "cancelling"
            if not order.as_json:
                echo(f"{handle.id} {done[handle.id]}")
    if order.as_json:
        print_json({"done": done, "refused": {}})


MODULE = click.option(
    "--module",
    metavar="MODULE",
    help="The code that is to go on with them, as of `hydra start`: what it could not is refused, and why.",
)


@click.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@MODULE
@BECAUSE
@filter_options()
@order_options
@database_options
def retry(
    ids: tuple[str, ...],
    module: str | None,
    because: str,
    where: Where,
    order: Order,
    db: str | None,
    namespace: str | None,
) -> None:
    """Run failed executions again from the step that failed, by ids or by a filter; all recorded before it stays.

    What would only be parked is refused with the reason, as far as it is known: from the records, that its effects were
    undone; with --module, that the code does not match them. Exit code 1 if any is refused; the others go on.
    """
    where, why = said_why(ids, where, because)
    with acting(None, why):
        if is_by_filter(ids, where, order):
            _order_many(where, order, module, "retry", Selection.retry, db, namespace)
        else:
            _order(ids, module, Handle.retry, order.as_json, db, namespace)


@click.command()
@click.argument("ids", metavar="[ID...]", nargs=-1)
@MODULE
@BECAUSE
@filter_options()
@order_options
@database_options
def resume(
    ids: tuple[str, ...],
    module: str | None,
    because: str,
    where: Where,
    order: Order,
    db: str | None,
    namespace: str | None,
) -> None:
    """Let parked executions go on, by ids or by a filter.

    With --module, what the code would only park again is refused with the reason; without it, why each was parked is
    said again, since no more is known here. Exit code 1 if any is refused; the others go on.
    """
    where, why = said_why(ids, where, because)
    with acting(None, why):
        if is_by_filter(ids, where, order):
            _order_many(where, order, module, "resume", Selection.resume, db, namespace)
        else:
            _order(ids, module, Handle.resume, order.as_json, db, namespace)


def _order_many(
    where: Where,
    order: Order,
    module: str | None,
    verb: str,
    act: Callable[..., Acted],
    db: str | None,
    namespace: str | None,
) -> None:
    if module is not None:
        import_app(module)
    with open_engine(db, namespace) as engine:
        check = None if module is None else partial(_differences, engine)
        act_on_many(where.select(engine), order, verb, partial(act, where.select(engine), check=check))


def _order(
    ids: tuple[str, ...],
    module: str | None,
    order: Callable[[Handle[object]], None],
    as_json: bool,
    db: str | None,
    namespace: str | None,
) -> None:
    done: dict[str, str] = {}
    refused: dict[str, str] = {}
    if module is not None:
        import_app(module)
    with open_engine(db, namespace) as engine:
        handles = _handles(engine, ids)
        reasons = {}
        if module is not None:
            reasons = _differences(engine, [engine.snapshot(handle.id) for handle in handles])
        for handle in handles:
            before = handle.execution()
            try:
                if handle.id in reasons:
                    raise IllegalMove(reasons[handle.id])
                order(handle)
            except IllegalMove as error:
                echo(f"{handle.id} refused: {error}", err=True)
                refused[handle.id] = str(error)
                continue
            done[handle.id] = str(Status.PENDING)
            if not as_json:
                echo(f"{handle.id} pending")
            if before.status is Status.PARKED and module is None:
                hint = "give `--module` to know beforehand whether your code is parked again"
                echo(f"{handle.id} was parked: {before.reason} ({hint})", err=True)
    if as_json:
        print_json({"done": done, "refused": refused})
    end_refused(len(refused), len(ids))


def _differences(engine: Engine, snapshots: list[Snapshot]) -> dict[str, str]:
    """Why the imported code could not go on with each of those that it could not."""
    from hydra.checking import differences  # what runs bodies: not for every command

    found = engine.read(lambda store: differences(store, registry, snapshots))
    return {id: each.reason for id, each in found.items()}


@click.command()
@click.argument("words", metavar="[ID] NAME [JSON]", nargs=-1, required=True)
@click.option("--id", "signal_id", help="Of the signal, such as `evt_123`: repeated with it, it arrives once.")
@BECAUSE
@filter_options()
@order_options
@database_options
def signal(
    words: tuple[str, ...],
    signal_id: str | None,
    because: str,
    where: Where,
    order: Order,
    db: str | None,
    namespace: str | None,
) -> None:
    """Put the event NAME before an execution; one wait for it takes it, now or later. JSON is what it says.

    The execution is named by its ID, or by --workflow and --key. With any other filter it is put before all that match
    and go on.
    """
    has_id = where == Where(reason=where.reason) and (len(words) == 3 or is_id(words[0]))
    where, why = said_why(words[:1] if has_id else (), where, because)
    first = 0 if where.is_given() else 1
    if not first < len(words) <= first + 2:
        raise click.UsageError("give ID, NAME and perhaps JSON; or NAME and perhaps JSON with --workflow and --key")
    name, value = words[first], parse_json(words[first + 1]) if len(words) == first + 2 else None
    with open_engine(db, namespace) as engine, engine.acting(reason=why):
        if where.is_given() and (order.is_given() or not where.names_one()):
            selection = where.select(engine)
            act_on_many(selection, order, "signal", partial(selection.signal, name, value, id=signal_id))
            return
        handle = engine.find(where.workflow or "", where.key or "") if first == 0 else engine.get(words[0])
        handle.signal(name, value, id=signal_id)
        awaited = list(dict.fromkeys(each.name for each in handle.awaited()))
        if order.as_json:
            print_json({"done": {handle.id: "signalled"}, "refused": {}})
        else:
            echo(f"{handle.id} signalled")
        if name not in awaited and handle.status() not in FINAL:
            names = f"it waits for {', '.join(f'`{each}`' for each in awaited)}" if awaited else "it waits for no event"
            echo(f"warning: nobody waits for `{name}` ({names}); it is kept for a later wait", err=True)


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
        echo(f"{token.partition('.')[0]} {'completed' if reason is None else 'failed'}")


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
@REASON
@database_options
def resolve(
    id: str,
    step: str,
    value: str | None,
    rerun: bool,
    branch: str | None,
    ordinal: int | None,
    reason: str,
    db: str | None,
    namespace: str | None,
) -> None:
    """Settle a step in doubt of a parked execution, which then goes on."""
    if rerun is (value is not None):
        raise click.UsageError("give either `--value JSON` or `--rerun`")
    settled = {"rerun": True} if value is None else {"value": parse_json(value)}
    with open_engine(db, namespace) as engine:
        handle = engine.get(id)
        handle.resolve(step, branch=branch, ordinal=ordinal, reason=reason, **settled)
        echo(f"{handle.id} pending")


COMMANDS = (submit, result, cancel, retry, resume, resolve, signal, complete)
