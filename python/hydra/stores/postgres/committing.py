"""Writes what a node's executions recorded and how their claims ended. An item whose claim is over writes nothing.

    round 1: deaths ─► records │ final ends │ other ends      each statement takes the fence; records and the end that
    round 2: …                                                comes with them are decided on by one of them

An execution stands once in a round; what it did after a crash of its worker is in the next, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hydra.execution import CANCELLED_MEANWHILE, FINAL, CommitAnswer, End, Ending, ExecutionCommit, NodeRef
from hydra.stores.postgres.arrays import bigints, byteas, integers, is_uuid, texts, uuids
from hydra.stores.postgres.fence import check_fence, fence
from hydra.stores.postgres.mailbox import consuming
from hydra.stores.postgres.session import Result, Step

Write = Callable[..., list[Result]]
Items = Sequence[ExecutionCommit]

ANSWERS = {False: CommitAnswer.WRITTEN, True: CommitAnswer.CANCELLING}
_FINAL_KINDS = frozenset(status.value for status in FINAL)


def commit(
    write: Write,
    namespace: str,
    node: NodeRef,
    commits: Items,
    now: int,
    parents_woken: Callable[[], None] = lambda: None,
) -> list[CommitAnswer]:
    """In their order. Calls `parents_woken` when something has become due."""
    answers = _commit(write, namespace, node, commits, now, parents_woken)
    overruled = [
        place
        for place, (item, answer) in enumerate(zip(commits, answers, strict=True))
        if not answer and item.end is not None and item.end.is_overruled(True)
    ]
    if overruled:  # or it is not this node's any more, and is refused again
        end = End(Ending.RELEASED, cause=CANCELLED_MEANWHILE)
        items = [msgspec.structs.replace(commits[place], end=end) for place in overruled]
        for place, answer in zip(overruled, _commit(write, namespace, node, items, now, parents_woken), strict=True):
            answers[place] = CommitAnswer.CANCELLING if answer else CommitAnswer.REFUSED
        parents_woken()  # and whoever may claim them
    return answers


def _commit(
    write: Write, namespace: str, node: NodeRef, commits: Items, now: int, parents_woken: Callable[[], None]
) -> list[CommitAnswer]:
    common = {**fence(namespace, node), "now": now}
    steps: list[Step] = []
    decided_by: dict[int, int] = {}  # the item (by identity): the last statement it is in accepts or refuses it
    possible = [item for item in commits if is_uuid(item.id) and _is_gapless(item)]
    rounds = _rounds(possible)
    for items in rounds or [[]]:
        for name, chosen, parameters in _statements(items):
            decided_by.update((id(item), len(steps)) for item in chosen)
            steps.append((name, {**common, **parameters}))
    results = write(*steps, *consuming(possible))[: len(steps)]
    accepted: list[dict[str, CommitAnswer]] = []
    for (name, _), result in zip(steps, results, strict=True):
        check_fence(node, result.rows)
        says_cancel = name in ("commit_records", "commit_deaths")
        accepted.append({row[0]: ANSWERS[says_cancel and bool(row[1])] for row in result.rows})
        if name == "commit_finals" and any(row[1] for row in result.rows):
            parents_woken()
    refused: dict[str, CommitAnswer] = {}
    decisions = [accepted[decided_by[id(item)]] if id(item) in decided_by else refused for item in commits]
    return [decision.get(item.id, CommitAnswer.REFUSED) for item, decision in zip(commits, decisions, strict=True)]


def record_crashes(write: Write, namespace: str, node_id: str, commits: Items) -> list[bool]:
    """True where it was written: of a dead node, what it still owns."""
    known = sorted((item for item in commits if is_uuid(item.id) and item.records and _is_gapless(item)), key=_id)
    if not known or not is_uuid(node_id):
        return [False] * len(commits)
    (result,) = write(("record_crashes", {"namespace": namespace, "node": node_id, **_records(known)}))
    written = {row[0] for row in result.rows}
    return [item.id in written for item in commits]


def without_input(item: ExecutionCommit) -> ExecutionCommit:
    """The audit trail keeps no input of a generation."""
    if item.end is None or item.end.kind != Ending.CONTINUED:
        return item
    return msgspec.structs.replace(item, end=msgspec.structs.replace(item.end, payload=None))


def begin_anew(write: Write, written: Items) -> None:
    """In the transaction that wrote the ends: the next inputs in, everything recorded out."""
    inputs = {item.id: item.end.payload for item in written if item.end and item.end.kind == Ending.CONTINUED}
    ids = sorted(inputs)
    write(("continue_executions", {"ids": uuids(ids), "inputs": byteas([inputs[id] for id in ids])}))


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
