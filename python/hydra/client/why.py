"""Why an execution does not go on, or what it does, in one sentence that says what to do next. Reads no database.

`explain` asks a store; the rest is a function of what it said (`facts`). Whatever can keep an execution waiting has one
function here, which gives its sentence or None: the first of its status that says something is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hydra.client.approvals import open_for, words
from hydra.client.awaited import CALLBACK, awaited_of
from hydra.client.damage import mended
from hydra.client.facts import Facts, awaited_breaker, read_facts
from hydra.client.views import error_line, to_datetime
from hydra.execution import EVENT_PREFIX, OFFLOADED, Ending, RecordKind, Snapshot, Status
from hydra.limit_keys import FAIR, RATE, shown_key, split_key
from hydra.records.child_records import CHILD_PREFIX, child_of, decode_id
from hydra.records.placed import asked_step, step_of_workflow
from hydra.stores.pauses import PauseKind
from hydra.stores.store import Store

MAX_NAMED = 3  # waits or children in one sentence


class Why(msgspec.Struct, frozen=True):
    """`reason` is a word for programs, such as "paused"; `sentence` says the same to people, and what to do next."""

    id: str
    status: Status
    reason: str
    sentence: str


def explain(store: Store, snapshot: Snapshot) -> Why:
    """Why this execution does not go on, or what it does, as the database has it."""
    found = why(read_facts(store, mended(snapshot)))
    asked = open_for(store.approvals(), snapshot.id, store.now())
    if asked is None:
        return found
    order = f"a second person does so by `hydra approve {asked.id}`, until {_time(asked.expires_at)}"
    said = f"`{asked.asked_by}` has asked to {words(asked)}; {order}; meanwhile it stays as it is"
    return msgspec.structs.replace(found, sentence=f"{found.sentence}; {said}")


def why(facts: Facts) -> Why:
    found = facts.snapshot
    for reason, explain in REASONS[found.status]:
        sentence = explain(facts)
        if sentence is not None:
            return Why(found.id, found.status, reason, sentence)
    raise AssertionError(f"no reason is known for status `{found.status}`")


# pending


def backing_off(facts: Facts) -> str | None:
    last = facts.claims[-1] if facts.claims else None
    if not _is_later(facts) or last is None or last.ending != Ending.RETRY:
        return None
    order = f"`hydra show {facts.snapshot.id}` has the error"
    return f"its body failed, and attempt {facts.snapshot.attempt} begins at {_time(facts.snapshot.wake_at)}; {order}"


def delayed(facts: Facts) -> str | None:
    if not _is_later(facts):
        return None
    return f"it is not due before {_time(facts.snapshot.wake_at)}; wait, or cancel it and submit another"


def paused(facts: Facts) -> str | None:
    for pause in facts.pauses:
        why = f" ({pause.reason})" if pause.reason else ""
        said = f"paused by {pause.paused_by} since {_time(pause.paused_at)}{why}"
        if pause.kind is PauseKind.NAMESPACE:
            return f"the whole namespace is {said}; `hydra resume-workflow --all` lets it go on"
        if pause.kind is PauseKind.WORKFLOW and pause.name == facts.snapshot.workflow:
            return f"workflow `{pause.name}` is {said}; `hydra resume-workflow {pause.name}` lets it go on"
    return None


def no_nodes(facts: Facts) -> str | None:
    return None if facts.nodes else f"no node is alive; start one with `hydra start MODULE`{_due(facts)}"


def unknown_workflow(facts: Facts) -> str | None:
    if facts.servers or facts.labels is not None:
        return None
    name = facts.snapshot.workflow
    return f"no node has ever had workflow `{name}`; start one with its code, or cancel this if the name is wrong"


def lacking_labels(facts: Facts) -> str | None:
    if facts.servers or not facts.labels:
        return None
    if any(set(facts.labels) <= set(node.info.labels) for node in facts.nodes):
        return None
    needed = ",".join(facts.labels)
    told = ", ".join(f"`{label}`" for label in facts.labels)
    return (
        f"{_what(facts)} needs {_labels(facts.labels)} {told}, and no living node has "
        + ("it" if len(facts.labels) == 1 else "them all")
        + f"; start one with `--labels {needed}`"
    )


def _what(facts: Facts) -> str:
    """What it runs: a workflow, or a step in an execution of its own."""
    step = step_of_workflow(facts.snapshot.workflow)
    return f"workflow `{facts.snapshot.workflow}`" if step is None else f"step `{step}`"


def unserved(facts: Facts) -> str | None:
    if facts.servers:
        return None
    count = len(facts.nodes)
    nodes = "the living node does not run" if count == 1 else f"none of the {count} living nodes runs"
    return f"{nodes} {_what(facts)}; start one with its code, or look at `--only`"


def full(facts: Facts) -> str | None:
    places = sum(node.info.places for node in facts.servers)
    taken = sum(node.running_count for node in facts.servers)
    if not places or any(not node.info.places for node in facts.servers) or taken < places:
        return None
    who = "the node that runs" if len(facts.servers) == 1 else f"all {len(facts.servers)} nodes that run"
    return f"{who} its workflow {_has(facts)} all {places} places taken{_due(facts)}; wait, or start more workers"


def due(facts: Facts) -> str | None:
    return f"nothing holds it up{_due(facts)}: a node starts it at any moment; if not, read the log of its nodes"


# running, asleep, waiting


def dead_node(facts: Facts) -> str | None:
    owner = facts.snapshot.owner
    if any(node.info.id == owner for node in facts.nodes):
        return None
    return f"its node `{owner}` is gone; another one gives it back and it starts again, as soon as one is alive"


def running(facts: Facts) -> str | None:
    owner = next(node for node in facts.nodes if node.info.id == facts.snapshot.owner)
    since = next((line.claimed_at for line in reversed(facts.claims) if line.ended_at is None), None)
    where = f"node `{owner.info.id}` ({owner.info.host}, pid {owner.info.pid})"
    stops = ", and was asked to stop" if facts.snapshot.cancel_requested else ""
    return f"it runs on {where}{_since(since)}{stops}; `hydra show {facts.snapshot.id}` has its steps"


def breaker_open(facts: Facts) -> str | None:
    name = awaited_breaker(facts.claims)
    if name is None:
        return None
    pause = facts.key_pause
    why = "" if pause is None else f", which {pause.paused_by} opened at {_time(pause.paused_at)}: {pause.reason}"
    return f"a step of it waits for the breaker `{name}`{why}; it asks again at {_time(facts.snapshot.wake_at)}"


def value_away(facts: Facts) -> str | None:
    """Its last claim could not fetch a value that is offloaded."""
    last = facts.claims[-1] if facts.claims else None
    if last is None or last.ending != Ending.SLEEPING or not last.detail.startswith(f"{OFFLOADED} "):
        return None
    why = last.detail.removeprefix(f"{OFFLOADED} ")
    return f"a value of it cannot be fetched: {why}; it is tried again at {_time(facts.snapshot.wake_at)}"


def retrying_step(facts: Facts) -> str | None:
    last = next((record for record in reversed(facts.records) if record.kind == RecordKind.TRY), None)
    if last is None or last.due_at <= facts.now or not _is_later(facts):
        return None
    error = f" ({error_line(last)})" if error_line(last) else ""
    return f"step `{last.name}` failed{error} and is tried again at {_time(last.due_at)}; nothing to do until then"


def asleep(facts: Facts) -> str | None:
    if _is_later(facts):
        return f"it sleeps until {_time(facts.snapshot.wake_at)}; nothing to do until then"
    return f"it slept until {_time(facts.snapshot.wake_at)}, and any living node makes it due" + _if_none_lives(facts)


def awaiting_message(facts: Facts) -> str | None:
    waits = awaited_of(facts.waits)
    if not waits:
        return None
    names = [wait.name if wait.name == CALLBACK else f"event `{wait.name}`" for wait in waits]
    named = _and(list(dict.fromkeys(names)))
    until = min((wait.until for wait in waits if wait.until is not None), default=None)
    limit = f", until {until:%Y-%m-%d %H:%M:%S} UTC" if until is not None else ""
    first = min(wait.since for wait in waits)
    if waits[0].name == CALLBACK:
        order = "whoever has its token completes it by `engine.complete`"
    else:
        order = f"`hydra signal {facts.snapshot.id} {waits[0].name} JSON` sends it"
    return f"it waits for {named} since {first:%Y-%m-%d %H:%M:%S} UTC{limit}; {order}"


def awaiting_child(facts: Facts) -> str | None:
    over = {record.name.removeprefix(EVENT_PREFIX) for record in facts.records if record.kind in OUTCOMES}
    spawns = [record for record in facts.records if record.kind == RecordKind.SPAWN and record.payload is not None]
    requests = [(decode_id(record.payload or b""), record) for record in spawns]
    asked = [(child_of(facts.records, id), record) for id, record in requests if CHILD_PREFIX + id not in over]
    open_ones = [(child, record.started_at) for child, record in asked if child is not None]
    if not open_ones:
        return None
    step = asked_step(next(record for child, record in asked if child is not None))
    if step is not None and len(open_ones) == 1:
        id, at = open_ones[0]
        return f"it waits for step `{step}`, which runs as execution `{id}`{_since(at)}; ask `hydra why {id}`"
    named = _and([f"`{id}`" for id, _ in open_ones])
    word = "child" if len(open_ones) == 1 else f"{len(open_ones)} children:"
    return f"it waits for {word} {named}{_since(open_ones[0][1])}; ask `hydra why {open_ones[0][0]}`"


def waiting(facts: Facts) -> str | None:
    until = f" until {_time(facts.snapshot.wake_at)}" if facts.snapshot.wake_at is not None else ""
    return f"it waits for something that its records do not name{until}; `hydra show {facts.snapshot.id}` has them"


# stopped and ended


def parked(facts: Facts) -> str | None:
    found = facts.snapshot
    order = f"; find the cause, then `hydra resume {found.id}`"
    return f"it is parked and waits for a person: {_reason(found)}{'' if 'hydra re' in found.reason else order}"


def completed(facts: Facts) -> str | None:
    order = f"`hydra result {facts.snapshot.id}` prints what it gave"
    return f"it completed at {_time(facts.snapshot.finished_at)}; {order}"


def key_paused(facts: Facts) -> str | None:
    pause = facts.key_pause
    if pause is None:
        return None
    _, name, value = split_key(pause.key)
    until = "" if pause.until is None else f", until {_time(pause.until)}"
    why = f" ({pause.reason})" if pause.reason else ""
    order = f"`hydra resume-workflow --limit {name}{f' --key {value}' if value else ''}` lets it go on"
    said = f"paused by {pause.paused_by} since {_time(pause.paused_at)}{until}{why}"
    return f"the limit `{shown_key(pause.key)}` is {said}; {order}"


def limited(facts: Facts) -> str | None:
    gate = facts.snapshot.gate
    if gate is None:
        return None
    kind, name, _ = split_key(gate)
    order = f"`hydra limits set {name}` changes it"
    if kind == RATE:
        is_later = facts.token_at is not None and facts.token_at > facts.now
        when = f"is due at {_time(facts.token_at)}" if is_later else "may be there at any moment"
        return f"it waits for a token of the rate `{shown_key(gate)}`, whose next one {when}; {order}"
    if kind == FAIR:
        order = f"`hydra limits show {name}` says how many wait, and with which weight"
        return f"it waits for its turn beside the other values of `{shown_key(gate)}`; {order}"
    waits = f"it waits for its place at the limit `{shown_key(gate)}`"
    for holder in facts.holders:
        stuck = _stuck(holder)
        if stuck is not None:
            return f"{waits}; `{holder.snapshot.id}` holds one, and does not run: {stuck}"
    order = f"`hydra limits show {name}` says how many hold one, {order}"
    if not facts.holders:
        return f"{waits}; {order}"
    return f"{waits}; {_holding(facts.holders[0].snapshot)}; {order}"


def failed(facts: Facts) -> str | None:
    found = facts.snapshot
    return (
        f"it failed at {_time(found.finished_at)}: {_reason(found)}; `hydra retry {found.id}` runs it again from there"
    )


def cancelled(facts: Facts) -> str | None:
    return f"it was cancelled, and ended at {_time(facts.snapshot.finished_at)}; submit another to run it again"


OUTCOMES = (RecordKind.EVENT, RecordKind.EXPIRY)
Reasons = tuple[tuple[str, Callable[[Facts], str | None]], ...]
REASONS: dict[Status, Reasons] = {
    Status.PENDING: (
        ("backing_off", backing_off),
        ("delayed", delayed),
        ("paused", paused),
        ("no_nodes", no_nodes),
        ("unknown_workflow", unknown_workflow),
        ("lacking_labels", lacking_labels),
        ("unserved", unserved),
        ("key_paused", key_paused),
        ("limited", limited),
        ("full", full),
        ("due", due),
    ),
    Status.RUNNING: (("dead_node", dead_node), ("running", running)),
    Status.SLEEPING: (
        ("value_away", value_away),
        ("breaker_open", breaker_open),
        ("retrying_step", retrying_step),
        ("asleep", asleep),
    ),
    Status.WAITING: (
        ("awaiting_message", awaiting_message),
        ("awaiting_child", awaiting_child),
        ("waiting", waiting),
    ),
    Status.PARKED: (("parked", parked),),
    Status.COMPLETED: (("completed", completed),),
    Status.FAILED: (("failed", failed),),
    Status.CANCELLED: (("cancelled", cancelled),),
}


def _stuck(holder: Facts) -> str | None:
    """Why one that has its place does not run, where somebody has to do something."""
    found = holder.snapshot
    if found.status is not Status.PENDING or found.gate is not None:
        return None
    sentences = (explain(holder) for explain in (paused, unknown_workflow, lacking_labels, unserved))
    return next((sentence for sentence in sentences if sentence is not None), None)


def _holding(found: Snapshot) -> str:
    if found.gate is not None:
        return f"`{found.id}` holds one and waits at `{shown_key(found.gate)}` itself"
    return f"`{found.id}` holds one and {'runs' if found.status is Status.RUNNING else 'may run'}"


def _reason(found: Snapshot) -> str:
    return found.reason or "no reason is on record"


def _is_later(facts: Facts) -> bool:
    return facts.snapshot.wake_at is not None and facts.snapshot.wake_at > facts.now


def _due(facts: Facts) -> str:
    return f" (it is due since {_time(facts.snapshot.run_at)})"


def _since(at: int | None) -> str:
    return f" since {_time(at)}" if at is not None else ""


def _if_none_lives(facts: Facts) -> str:
    return "; nothing to do" if facts.nodes else ": none is; start one with `hydra start MODULE`"


def _time(at: int | None) -> str:
    return "a time that is not known" if at is None else f"{to_datetime(at):%Y-%m-%d %H:%M:%S} UTC"


def _labels(labels: Sequence[str]) -> str:
    return "label" if len(labels) == 1 else "labels"


def _has(facts: Facts) -> str:
    return "has" if len(facts.servers) == 1 else "have"


def _and(names: list[str]) -> str:
    """The first of them."""
    shown = names[:MAX_NAMED]
    if len(names) > MAX_NAMED:
        return f"{', '.join(shown)} and {len(names) - MAX_NAMED} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
