"""When an ended execution is run again as a new one, and what the new one is. Pure: every store asks this.

    ended, has its key, not run again yet ──► a new execution: same workflow, input, key, tags, priority, limits
    run again before                      ──► the one that was begun then, whoever asks (of two persons, one begins it)
    any other                             ──► nothing; `Rerun.status` and `holder` say why

The key goes over in the transaction that makes the new one (as of `key_reuse="after_end"`), and both have a line in
`hydra_act`. What was run again is never retried: two would run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hydra.execution import FINAL, KeyReuse, Status, Submission
from hydra.stores.acts import Act, ActKind

OF_TAG = "hydra.rerun_of"


class Rerun(msgspec.Struct, frozen=True):
    """An order: `id` is of the new execution, made by the client (R17). `attempt` is that of the source when it was
    looked at; where it has been retried since, nothing is done."""

    source_id: str
    id: str
    attempt: int
    done_at: int
    done_by: str
    reason: str
    done_from: str = ""


class Source(msgspec.Struct, frozen=True):
    """What is to run again, under its lock. `holder` has its key now; None: it has no key."""

    status: Status
    attempt: int
    workflow: str
    key: str | None
    digest: bytes
    input: bytes
    tags: dict[str, str]
    priority: int
    limit_keys: tuple[str, ...]
    timeout_us: int | None  # from when it is due
    holder: str | None
    rerun_id: str | None  # as which it was run again before
    unreadable: str = ""  # what of it cannot be decoded: it is not run again without that


class Reran(msgspec.Struct, frozen=True):
    """What came of an order: the new execution's id, also where another order was first; None where nothing was done,
    and then what stands in the way."""

    id: str | None
    is_new: bool
    status: Status
    holder: str | None = None
    unreadable: str = ""


def judge(order: Rerun, source: Source) -> Reran | None:
    """None: it is to be made."""
    if source.rerun_id is not None:  # guard R17: what was run again is not run again
        return Reran(source.rerun_id, source.rerun_id == order.id, source.status)
    if source.status not in FINAL or source.attempt != order.attempt:
        return Reran(None, False, source.status)
    if source.holder is not None and source.holder != order.source_id:
        return Reran(None, False, source.status, source.holder)
    if source.unreadable:  # without its limits it would begin beside them
        return Reran(None, False, source.status, unreadable=source.unreadable)
    return None


def submission_of(order: Rerun, source: Source) -> Submission:
    """The same call, under the same key; the digest is that of the arguments as they were given."""
    return Submission(
        order.id,
        source.workflow,
        source.input,
        source.digest,
        source.key,
        source.priority,
        timeout_us=source.timeout_us,
        tags={**source.tags, OF_TAG: order.source_id},
        key_reuse=KeyReuse.AFTER_END,
        limit_keys=source.limit_keys or None,
    )


def acts_of(order: Rerun) -> tuple[Act, Act]:
    """The source's line, and the new one's."""
    said = (order.done_at, order.done_by, order.reason)
    return (
        Act(order.source_id, order.id, ActKind.RERUN, *said, f"run again as `{order.id}`", order.done_from),
        Act(order.id, order.source_id, ActKind.RERUN_OF, *said, f"runs `{order.source_id}` again", order.done_from),
    )


def sort_out(
    orders: Sequence[Rerun], sources: Mapping[str, Source]
) -> tuple[list[Reran | None], list[tuple[Rerun, Submission]]]:
    """The answer to each, in their order, None where the source is unknown; and what is to be made for that to be true.

    Of two orders for one source the first is done, and answers both.
    """
    answers: list[Reran | None] = []
    wanted: list[tuple[Rerun, Submission]] = []
    made: dict[str, str] = {}
    for order in orders:
        source = sources.get(order.source_id)
        if source is not None and order.source_id in made:
            answers.append(Reran(made[order.source_id], False, source.status))
            continue
        answer = None if source is None else judge(order, source)
        if source is not None and answer is None:
            made[order.source_id] = order.id
            wanted.append((order, submission_of(order, source)))
            answer = Reran(order.id, True, source.status)
        answers.append(answer)
    return answers, wanted
