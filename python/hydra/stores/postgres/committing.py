"""Writes what a node's executions recorded and how their claims ended. An item whose claim is over writes nothing.

    round 1: deaths ─► records │ final ends │ other ends      each statement takes the fence; records and the end that
    round 2: …                                                comes with them are decided on by one of them

An execution stands once in a round; what it did after a crash of its worker is in the next, in the same transaction.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from hydra.execution import (
    CANCELLED_MEANWHILE,
    FINAL,
    TIMED_OUT,
    CommitAnswer,
    End,
    Ending,
    ExecutionCommit,
    NodeRef,
    RecordKind,
    as_answered,
)
from hydra.records.placed import is_stop, stopped_by
from hydra.stores.arrivals import expiring
from hydra.stores.batches import ends_of, have_cool_downs, kinds_of
from hydra.stores.key_pauses import cooling
from hydra.stores.postgres import attributes, child_executions
from hydra.stores.postgres.admitting import cool_down
from hydra.stores.postgres.arrays import bigints, byteas, integers, is_uuid, texts, uuids
from hydra.stores.postgres.cancelling import request_cancel
from hydra.stores.postgres.fence import check_fence, fence
from hydra.stores.postgres.mailbox import consuming, read_arrivals
from hydra.stores.postgres.news import DONE, READY
from hydra.stores.postgres.session import Step
from hydra.stores.postgres.transaction import Transaction
from hydra.stores.rows import changes_attributes

Items = Sequence[ExecutionCommit]

ANSWERS = {False: CommitAnswer.WRITTEN, True: CommitAnswer.CANCELLING}
_SPAWN, _EXPIRY, _VALUE = RecordKind.SPAWN.value, RecordKind.EXPIRY.value, RecordKind.VALUE.value
_READY_ENDINGS = frozenset({Ending.RETRY, Ending.RELEASED, Ending.CONTINUED, Ending.SLEEPING, Ending.WAITING})
_DONE_ENDINGS = frozenset({Ending.COMPLETED, Ending.FAILED, Ending.CANCELLED})
_FINAL_KINDS = frozenset(status.value for status in FINAL)


def is_one_flush(commits: Items) -> bool:
    """Whether `commit` will do, or these ask for more: children to begin or to stop, a message to be looked for, a next
    generation, a key to be paused, attributes to be changed."""
    kinds, ends = kinds_of(commits), ends_of(commits)
    if _SPAWN in kinds or _EXPIRY in kinds or have_cool_downs(commits):
        return False
    if any(end.kind == Ending.CONTINUED or _has_stopped(end) for end in ends):
        return False
    if _VALUE not in kinds:
        return True
    return not any(is_stop(record) or changes_attributes(record) for item in commits for record in item.records)


def commit(transaction: Transaction, node: NodeRef, commits: Items, now: int) -> list[CommitAnswer]:
    """In their order, where `is_one_flush`."""
    written = _write(transaction, node, commits, now)
    _announce(transaction, commits)
    return written


def commit_all(transaction: Transaction, node: NodeRef, commits: Items, now: int) -> list[CommitAnswer]:
    """Whatever they ask for, in a transaction of several flushes."""
    parts = [child_executions.take_apart(item) for item in commits]
    begins_anew = any(item.end is not None and item.end.kind == Ending.CONTINUED for item in commits)
    items = [_without_input(item) if begins_anew else item for item, _ in parts]
    if expiring(commits):
        items = _decided(transaction, node, commits, items)
    written = _write(transaction, node, items, now)
    said = [
        (as_answered(item, answer), spawns) for (item, spawns), answer in zip(parts, written, strict=True) if answer
    ]
    _see_to_children(transaction, said, now)
    if cooled := cooling(commits, written):
        cool_down(transaction, cooled, now)
    attributes.change(transaction, list(itertools.compress(commits, written)))
    if begins_anew:
        _begin_anew(transaction, list(itertools.compress(commits, written)))
    _announce(transaction, commits)
    return written


def _announce(transaction: Transaction, commits: Items) -> None:
    endings = {end.kind for end in ends_of(commits)}
    if endings & _READY_ENDINGS:
        transaction.announce(READY, len(commits))
    if endings & _DONE_ENDINGS:
        transaction.announce(DONE)


def _decided(
    transaction: Transaction, node: NodeRef, commits: Items, items: Sequence[ExecutionCommit]
) -> list[ExecutionCommit]:
    """With events in the place of expiries for which a message had come first; each commit is told of its own."""
    arrivals = read_arrivals(transaction, node, items)
    decided = []
    for commit, item in zip(commits, items, strict=True):
        # guard R14: an expiry gives way to a message that is there
        decided.append(msgspec.structs.replace(item, records=arrivals.decide(item)))
        commit.arrived = item.arrived
    return decided


def _see_to_children(transaction: Transaction, parts: Sequence[child_executions.CommitParts], now: int) -> None:
    """Children begin; what was cancelled, or ran out of time, takes its own along."""
    if spawns := [spawn for _, spawns in parts for spawn in spawns]:
        child_executions.spawn(transaction, spawns, now)
    cancelled = [item.id for item, _ in parts if item.end is not None and _has_stopped(item.end)]
    cancelled += [id for item, _ in parts for id in stopped_by(item.records)]
    if cancelled:
        request_cancel(transaction, cancelled, now)
    transaction.announce(READY)


def _has_stopped(end: End) -> bool:
    """It was cancelled, or ran out of time: its children go the same way."""
    return end.kind == Ending.CANCELLED or (end.kind == Ending.FAILED and end.cause == TIMED_OUT)


def _write(transaction: Transaction, node: NodeRef, commits: Items, now: int) -> list[CommitAnswer]:
    answers = _write_rounds(transaction, node, commits, now)
    overruled = [
        place
        for place, (item, answer) in enumerate(zip(commits, answers, strict=True))
        if not answer and item.end is not None and item.end.is_overruled(True)
    ]
    if overruled:  # or it is not this node's any more, and is refused again
        end = End(Ending.RELEASED, cause=CANCELLED_MEANWHILE)
        items = [msgspec.structs.replace(commits[place], end=end) for place in overruled]
        for place, answer in zip(overruled, _write_rounds(transaction, node, items, now), strict=True):
            answers[place] = CommitAnswer.CANCELLING if answer else CommitAnswer.REFUSED
        transaction.announce(READY)  # for whoever may claim them
    return answers


def _write_rounds(transaction: Transaction, node: NodeRef, commits: Items, now: int) -> list[CommitAnswer]:
    common = {**fence(node), "now": now}
    steps: list[Step] = []
    decided_by: dict[int, int] = {}  # the item (by identity): the last statement it is in accepts or refuses it
    possible = [item for item in commits if is_uuid(item.id) and _is_gapless(item)]
    rounds = _rounds(possible)
    for items in rounds or [[]]:
        for name, chosen, parameters in _statements(items):
            decided_by.update((id(item), len(steps)) for item in chosen)
            steps.append((name, {**common, **parameters}))
    results = transaction.run(*steps, *consuming(possible))[: len(steps)]
    accepted: list[dict[str, CommitAnswer]] = []
    for (name, _), result in zip(steps, results, strict=True):
        check_fence(node, result.rows)
        says_cancel = name in ("commit_records", "commit_deaths")
        accepted.append({row[0]: ANSWERS[says_cancel and bool(row[1])] for row in result.rows})
        if name == "commit_finals" and any(row[1] for row in result.rows):
            transaction.announce(READY)  # a parent is due
    refused: dict[str, CommitAnswer] = {}
    decisions = [accepted[decided_by[id(item)]] if id(item) in decided_by else refused for item in commits]
    return [decision.get(item.id, CommitAnswer.REFUSED) for item, decision in zip(commits, decisions, strict=True)]


def record_crashes(transaction: Transaction, node_id: str, commits: Items) -> list[bool]:
    """True where it was written: of a dead node, what it still owns."""
    known = sorted((item for item in commits if is_uuid(item.id) and item.records and _is_gapless(item)), key=_id)
    if not known or not is_uuid(node_id):
        return [False] * len(commits)
    written = {row[0] for row in transaction.select("record_crashes", node=node_id, **_records(known))}
    return [item.id in written for item in commits]


def _without_input(item: ExecutionCommit) -> ExecutionCommit:
    """The audit trail keeps no input of a generation."""
    if item.end is None or item.end.kind != Ending.CONTINUED:
        return item
    return msgspec.structs.replace(item, end=msgspec.structs.replace(item.end, payload=None))


def _begin_anew(transaction: Transaction, written: Items) -> None:
    """In the transaction that wrote the ends: the next inputs in, everything recorded out."""
    inputs = {item.id: item.end.payload for item in written if item.end and item.end.kind == Ending.CONTINUED}
    ids = sorted(inputs)
    transaction.execute("continue_executions", ids=uuids(ids), inputs=byteas([inputs[id] for id in ids]))


def _is_gapless(item: ExecutionCommit) -> bool:
    return all(record.seq == item.records[0].seq + place for place, record in enumerate(item.records))


def _rounds(commits: Items) -> list[list[ExecutionCommit]]:
    """Each execution at most once in a round, its items in order; sorted by id, the order in which rows are locked.

    Nothing follows the end of a claim that a cancel may overrule: it is decided again, after all rounds."""
    rounds: list[list[ExecutionCommit]] = []
    seen: dict[str, int] = {}
    ended: set[tuple[str, int]] = set()
    for item in commits:
        if (item.id, item.epoch) in ended:
            continue
        if item.end is not None and item.end.is_overruled(True):
            ended.add((item.id, item.epoch))
        place = seen.get(item.id, 0)
        seen[item.id] = place + 1
        if place == len(rounds):
            rounds.append([])
        rounds[place].append(item)
    return [sorted(items, key=_id) for items in rounds]


def _statements(items: Items) -> list[tuple[str, Items, dict[str, object]]]:
    """An item is decided on by one statement; its deaths are written before, on the same condition."""
    counting = [item for item in items if item.death_count is not None or item.alone_death_count is not None]
    recording = [item for item in items if item.end is None and item.records]
    empty = [item for item in items if item.end is None and not item.records and item not in counting]
    final = [item for item in items if item.end is not None and item.end.kind in _FINAL_KINDS]
    other = [item for item in items if item.end is not None and item.end.kind not in _FINAL_KINDS]
    found: list[tuple[str, Items, dict[str, object]]] = []
    if counting or empty or not items:  # with nothing to write it only takes the fence
        found.append(("commit_deaths", counting + empty, _deaths(sorted(counting + empty, key=_id))))
    if recording:
        found.append(("commit_records", recording, _records(recording)))
    if final:
        found.append(("commit_finals", final, {**_ends(final), **_records(final)}))
    if other:
        ends = [item.end for item in other if item.end is not None]
        wake_ats, wake_seqs = bigints([end.wake_at for end in ends]), integers([end.wake_seq for end in ends])
        parameters = {**_ends(other), **_records(other), "wake_ats": wake_ats, "wake_seqs": wake_seqs}
        parameters["began_cancelled"] = integers([item.began_cancelled for item in other])
        parameters["item_heirs"] = texts([item.successor for item in other])
        parameters["heirs"] = uuids(sorted({item.successor for item in other if item.successor}))
        found.append(("commit_ends", other, parameters))
    return found


def _id(item: ExecutionCommit) -> str:
    return item.id


def _records(items: Items) -> dict[str, object]:
    records = [record for item in items for record in item.records]
    return {
        "record_ids": uuids([item.id for item in items for _ in item.records]),
        "record_epochs": integers([item.epoch for item in items for _ in item.records]),
        "record_befores": integers([item.records[0].seq - 1 for item in items for _ in item.records]),
        "started_ats": bigints([record.started_at for record in records]),
        "finished_ats": bigints([record.finished_at for record in records]),
        "due_ats": bigints([record.due_at for record in records]),
        "seqs": integers([record.seq for record in records]),
        "ordinals": integers([record.ordinal for record in records]),
        "attempts": integers([record.attempt for record in records]),
        "record_kinds": texts([record.kind for record in records]),
        "branches": texts([record.branch for record in records]),
        "names": texts([record.name for record in records]),
        "digests": byteas([record.digest for record in records]),
        "record_payloads": byteas([record.payload for record in records]),
    }


def _deaths(items: Items) -> dict[str, object]:
    return {
        **_claims(items),
        "death_counts": integers([item.death_count for item in items]),
        "alone_death_counts": integers([item.alone_death_count for item in items]),
    }


def _ends(items: Items) -> dict[str, object]:
    ends: list[End] = [item.end for item in items if item.end is not None]
    return {
        **_claims(items),
        "record_counts": integers([len(item.records) for item in items]),
        "workers": integers([item.worker for item in items]),
        "kinds": texts([end.kind for end in ends]),
        "payloads": byteas([end.payload for end in ends]),
        "cause_seqs": integers([end.cause_seq for end in ends]),
        "causes": texts([end.cause for end in ends]),
        "stands": integers([not end.is_overruled(True) for end in ends]),
    }


def _claims(items: Items) -> dict[str, object]:
    return {
        "ids": uuids([item.id for item in items]),
        "epochs": integers([item.epoch for item in items]),
        "befores": integers([item.records[0].seq - 1 if item.records else None for item in items]),
    }
