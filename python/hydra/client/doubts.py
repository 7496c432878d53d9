"""A step in doubt that a fork or a forced rerun would run again, under another idempotency key: who may, and when."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.client.approvals import rule_of
from hydra.client.views import steps_in_doubt
from hydra.execution import Record, Snapshot, Status
from hydra.records.reruns import doubt_after
from hydra.stores.approvals import ApprovalKind
from hydra.stores.store import Store


def why_no_fork(store: Store, snapshot: Snapshot, records: Sequence[Record], count: int, force: bool) -> str | None:
    """Why it is not forked with its first `count` records; None where nothing is in doubt, or force may do it."""
    step = doubt_after(records, count)
    if step is None:
        return None
    twice = f"to fork execution `{snapshot.id}` there may do it twice: its step `{step}` may have taken effect"
    if snapshot.status is Status.PARKED and any(each.name == step for each in steps_in_doubt(records)):
        return f"{twice}; look at the other side, and resolve that step first"
    return why_not_forced(store, snapshot, records, count) if force else f"{twice}; `force` does it all again"


def why_not_forced(store: Store, snapshot: Snapshot, records: Sequence[Record], count: int) -> str | None:
    """Force does not get round the second person that settles a step in doubt."""
    step = doubt_after(records, count)
    if step is None or ApprovalKind.RESOLVE not in rule_of(store.approvals()).acts:
        return None
    return (
        f"step `{step}` of execution `{snapshot.id}` may have taken effect, and what is in doubt takes a second person "
        "here (`resolve`), so no force does it again; where nothing happened on the other side, submit the call anew"
    )
