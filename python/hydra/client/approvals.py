"""Acts that take a second person: which do, and how one is asked for. Does none of them; see `approving`.

    resolve, cancel without undo, purge ── the rule names it ──► a row and its lines ──► ApprovalNeeded
                                       └─ it does not ─────────► done at once

The same act that is asked for again is the one that waits already (R17).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

import msgspec

from hydra import _core
from hydra.client.acting import Author
from hydra.client.criteria import chunks
from hydra.client.database_access import DatabaseAccess
from hydra.client.views import to_datetime
from hydra.codec import decode_plain
from hydra.errors import ApprovalNeeded, IllegalMove
from hydra.execution import Snapshot
from hydra.stores.acts import THE_NAMESPACE, ActKind
from hydra.stores.approvals import FOR_EVER, MAX_APPROVALS, Approval, ApprovalKind, ApprovalState
from hydra.stores.store import Store

MAX_ASKED = 10_000  # executions of one approval
READ_AT_ONCE = 100
KEPT_US = 7 * 86_400_000_000  # after its time is over
DEFAULT_WITHIN_US = 3_600_000_000


class What(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of which executions, in which states (`state_of`), and how. `seq` and `at` tell a step's doubt from a later one
    of the same name; `before` is of a purge: what ended before then."""

    ids: tuple[str, ...] = ()
    before: int | None = None
    states: tuple[tuple[int, int], ...] = ()  # of each id
    step: str = ""
    seq: int = 0
    at: int = 0
    rerun: bool = False
    acts: tuple[str, ...] = ()
    within_us: int = 0

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()


class Rule(msgspec.Struct, frozen=True):
    """Which acts take a second person, and how long one is waited for."""

    acts: tuple[str, ...] = ()
    within_us: int = DEFAULT_WITHIN_US


class ApprovalView(msgspec.Struct, frozen=True):
    """An act that takes a second person. `state` is "open", "expired", "approved" or "refused"; `value` is what a
    resolve says that its step returned."""

    id: str
    act: str
    sentence: str
    state: str
    asked_at: datetime
    asked_by: str
    reason: str
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decided_reason: str
    execution_ids: list[str]
    value: Any = None


def rule_of(approvals: Sequence[Approval]) -> Rule:
    """The newest; nothing takes a second person where there is none."""
    for each in approvals:
        if each.kind == ApprovalKind.RULE and each.expires_at == FOR_EVER:
            what = what_of(each)
            return Rule(what.acts, what.within_us)
    return Rule()


def what_of(approval: Approval) -> What:
    return msgspec.json.decode(approval.what, type=What)


def shown_approvals(approvals: Sequence[Approval], now: int) -> list[ApprovalView]:
    return [_view(each, now) for each in approvals if each.expires_at != FOR_EVER]


def open_for(approvals: Sequence[Approval], id: str, now: int) -> Approval | None:
    """What was asked for about this execution, and waits."""
    return next((each for each in approvals if is_open(each, now) and id in what_of(each).ids), None)


def is_open(approval: Approval, now: int) -> bool:
    return approval.state == ApprovalState.OPEN and approval.expires_at > now


def state_of(snapshot: Snapshot) -> tuple[int, int]:
    """What moves on with whatever it does: an approval is of what it was when it was asked for."""
    return snapshot.epoch, snapshot.record_count


def need_for(
    engine: DatabaseAccess, kind: ApprovalKind, ids: Sequence[str], by: Author, before: int | None = None
) -> None:
    """As `need`, of these executions as they are now."""
    known = engine.read(lambda store: store.approvals())
    if kind not in rule_of(known).acts:
        return

    def read(store: Store) -> list[Snapshot | None]:
        return [each for batch in chunks(ids[:MAX_ASKED], READ_AT_ONCE) for each in store.get(batch)]

    states = tuple((0, 0) if each is None else state_of(each) for each in engine.read(read))
    _ask_for(engine, known, kind, What(tuple(ids), before, states), by, b"")


def need(engine: DatabaseAccess, kind: ApprovalKind, what: What, by: Author, payload: bytes = b"") -> None:
    """Nothing, where the act takes no second person. Else it is asked for.

    Raises:
        ApprovalNeeded: it was, now or before.
        IllegalMove: it is of too many executions, or too many wait.
    """
    known = engine.read(lambda store: store.approvals())
    rule = rule_of(known)
    if kind in rule.acts or (kind is ApprovalKind.RULE and rule.acts):
        _ask_for(engine, known, kind, what, by, payload)


def _ask_for(
    engine: DatabaseAccess, known: Sequence[Approval], kind: ApprovalKind, what: What, by: Author, payload: bytes
) -> NoReturn:
    """Unless the same waits already, by `known`, what is kept."""
    said, now = what.encode(), engine.session().now()
    same = (str(kind), said, payload)
    waiting = next(
        (each for each in known if is_open(each, now) and (each.kind, each.what, each.payload) == same), None
    )
    if waiting is None:
        if len(what.ids) > MAX_ASKED:
            raise IllegalMove(f"a second person approves at most {MAX_ASKED:,} executions at once; narrow the choice")
        left = room(known, now)
        if left is None:
            raise IllegalMove(
                f"{MAX_APPROVALS:,} approvals wait already; decide some by `hydra approve` or `hydra refuse`, or ask "
                "again when the time of some is over"
            )
        waiting = _ask(engine, kind, said, by, payload, rule_of(known).within_us, left)
    raise ApprovalNeeded(
        f"to {words(waiting)} takes a second person; `{waiting.asked_by}` has asked for it, and somebody else does it "
        f"by `hydra approve {waiting.id}` before {_time(waiting.expires_at)}",
        approval_id=waiting.id,
    )


def room(known: Sequence[Approval], now: int) -> str | None:
    """Up to which id those that no longer wait are forgotten, that one more have room; None where all wait."""
    open_count = sum(is_open(each, now) for each in known if each.expires_at != FOR_EVER)
    if open_count >= MAX_APPROVALS:
        return None
    decided = [each.id for each in known if each.expires_at != FOR_EVER and not is_open(each, now)]
    return next(iter(decided[MAX_APPROVALS - 1 - open_count :]), THE_NAMESPACE)


def _ask(
    engine: DatabaseAccess, kind: ApprovalKind, what: str, by: Author, payload: bytes, within_us: int, decided: str
) -> Approval:
    """`decided`: up to which those that no longer wait are forgotten."""
    id = _core.uuid7()

    def ask(store: Store, now: int) -> Approval:
        approval = Approval(
            id, str(kind), str(ApprovalState.OPEN), what, payload, now, by.by, by.host, by.reason, now + within_us
        )

        def work() -> None:
            store.forget_approvals(now - KEPT_US, THE_NAMESPACE, decided, now)
            store.add_approval(approval)
            record(store, approval, ActKind.ASK, by, now)

        store.together(work)
        return approval

    return engine.write(ask)


def record(store: Store, approval: Approval, kind: ActKind, by: Author, now: int) -> None:
    """Its lines: one for each execution that it is about, or for the namespace."""
    detail = f"to {words(approval)}: approval {approval.id}"
    ids = what_of(approval).ids
    lines = [by.act(id, kind, now, detail) for id in ids] or [by.act_on_namespace(kind, now, detail)]
    store.add_acts(lines)


def words(approval: Approval) -> str:
    """What it is, such that `to …` says it."""
    what = what_of(approval)
    of = f"execution `{what.ids[0]}`" if len(what.ids) == 1 else f"{len(what.ids):,} executions"
    if approval.kind == ApprovalKind.RESOLVE:
        how = "run it again" if what.rerun else "take it for done"
        return f"resolve step `{what.step}` of {of} ({how})"
    if approval.kind == ApprovalKind.CANCEL:
        return f"cancel {of} without undo"
    if approval.kind == ApprovalKind.PURGE:
        return f"delete {of}" if what.ids else f"delete all that ended before {_time(what.before or 0)}"
    return f"have {' and '.join(what.acts) or 'nothing'} take a second person"


def _view(approval: Approval, now: int) -> ApprovalView:
    is_over = approval.state == ApprovalState.OPEN and not is_open(approval, now)
    return ApprovalView(
        approval.id,
        approval.kind,
        words(approval),
        "expired" if is_over else approval.state,
        to_datetime(approval.asked_at),
        approval.asked_by,
        approval.reason,
        to_datetime(approval.expires_at),
        to_datetime(approval.decided_at) if approval.decided_at else None,
        approval.decided_by or None,
        approval.decided_reason,
        list(what_of(approval).ids),
        decode_plain(approval.payload) if approval.payload else None,
    )


def _time(at: int) -> str:
    return f"{to_datetime(at):%Y-%m-%d %H:%M:%S} UTC"
