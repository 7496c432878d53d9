"""What a second person says to an act that was asked for: approved, it is done, with both names; or refused.

The decision is committed with its lines, and then the act is done as if it took nobody: what ends between the two is
done by approving once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hydra import _core
from hydra.client import act_orders, resolving
from hydra.client.acting import MAX_REASON_LENGTH, Author, author
from hydra.client.approvals import (
    Rule,
    What,
    is_open,
    need,
    record,
    rule_of,
    what_of,
    words,
)
from hydra.client.bulk import BATCH_SIZE, Act, Acted, Cancel, Delete, judge
from hydra.client.criteria import chunks
from hydra.client.database_access import DatabaseAccess
from hydra.client.names import bare_name, is_one_person
from hydra.clock import seconds_of
from hydra.errors import ConfigError, IllegalMove, NotFound
from hydra.stores.acts import THE_NAMESPACE, ActKind
from hydra.stores.approvals import FOR_EVER, Approval, ApprovalKind, ApprovalState, Decision
from hydra.stores.store import Store
from hydra.written import written

MAX_NAME_SHOWN = 100  # of each of the two in what they did together
MAX_WITHIN_SECONDS = 30 * 86_400


def require(engine: DatabaseAccess, acts: Sequence[str], within: timedelta | float, reason: str) -> None:
    known = [str(kind) for kind in ApprovalKind if kind is not ApprovalKind.RULE]
    unknown = [each for each in acts if each not in known]
    if isinstance(acts, str) or unknown:
        raise ConfigError(f"`{written(acts)}` are no acts that can take a second person; there are {', '.join(known)}")
    seconds = seconds_of(within, "`within`")
    if not 1 <= seconds <= MAX_WITHIN_SECONDS:
        raise ConfigError(f"`within` must be 1 second to 30 days, not {seconds:g} s")
    what = What(acts=tuple(sorted(set(acts))), within_us=round(seconds * 1e6))
    by = author(reason)
    need(engine, ApprovalKind.RULE, what, by)
    _set_rule(engine, what, by)


def _set_rule(engine: DatabaseAccess, what: What, by: Author) -> None:
    id = _core.uuid7()

    def write(store: Store, now: int) -> None:
        said = (str(ApprovalKind.RULE), str(ApprovalState.APPROVED), what.encode(), b"", now, by.by, by.host, by.reason)
        approval = Approval(id, *said, FOR_EVER, now, by.by, by.host, by.reason)

        def work() -> None:
            store.add_approval(approval)
            before = " and ".join(rule_of(store.approvals()[1:]).acts) or "nothing"
            store.forget_approvals(0, id, THE_NAMESPACE, now)
            store.add_acts([by.act_on_namespace(ActKind.RULE, now, f"to {words(approval)}; was {before}")])

        store.together(work)

    engine.write(write)


def read_rule(engine: DatabaseAccess) -> Rule:
    return rule_of(engine.read(lambda store: store.approvals()))


def approve(engine: DatabaseAccess, id: str, reason: str) -> Acted:
    by = author(reason)
    approval = _decide(engine, id, ApprovalState.APPROVED, by)
    return _carry_out(engine, approval, _both(approval, by))


def refuse(engine: DatabaseAccess, id: str, reason: str) -> None:
    """By anybody, who asked for it, too."""
    _decide(engine, id, ApprovalState.REFUSED, author(reason))


def _decide(engine: DatabaseAccess, id: str, state: ApprovalState, by: Author) -> Approval:
    approval = _find(engine, id)
    if not by.is_said:
        raise ConfigError("a program decides no approval by itself; say who does by `engine.acting`")
    if state is ApprovalState.APPROVED and not bare_name(by.by):
        raise IllegalMove(f"`{by.by}` is nobody's name, so it approves nothing; somebody with a name does")
    if state is ApprovalState.APPROVED and is_one_person(approval.asked_by, by.by):
        raise IllegalMove(
            f"`{approval.asked_by}` has asked to {words(approval)}, and `{by.by}` is the same person by name; somebody "
            "else approves it"
        )
    kind = ActKind.APPROVE if state is ApprovalState.APPROVED else ActKind.REFUSE

    def decide(store: Store, now: int) -> None:
        decision = Decision(id, str(state), now, by.by, by.host, by.reason)

        def work() -> None:
            if store.decide_approval(decision):
                record(store, approval, kind, by, now)

        store.together(work)

    engine.write(decide)
    after = _find(engine, id)
    if (after.state, after.decided_by) == (str(state), by.by):
        return after  # now, or before: then what was left is done
    if after.state != ApprovalState.OPEN:
        raise IllegalMove(f"approval `{id}` was {after.state} by `{after.decided_by}` before")
    assert not is_open(after, engine.session().now())
    raise IllegalMove(f"the time of approval `{id}` is over; whoever wants to {words(after)} asks for it again")


def _find(engine: DatabaseAccess, id: str) -> Approval:
    for each in engine.read(lambda store: store.approvals()):
        if each.id == id and each.expires_at != FOR_EVER:
            return each
    raise NotFound(f"no approval `{id}` in namespace `{engine.namespace}`; `hydra approvals` lists them")


def _both(approval: Approval, by: Author) -> Author:
    """Who does what two have agreed on."""
    names = f"{approval.asked_by[:MAX_NAME_SHOWN]}, approved by {by.by[:MAX_NAME_SHOWN]}"
    hosts = f"{approval.asked_from[:MAX_NAME_SHOWN]}, {by.host[:MAX_NAME_SHOWN]}"
    reasons = "; ".join(each for each in (approval.reason, by.reason) if each)
    return Author(approval.id, names, hosts, reasons[:MAX_REASON_LENGTH], True)


def _carry_out(engine: DatabaseAccess, approval: Approval, by: Author) -> Acted:
    what = what_of(approval)
    if approval.kind == ApprovalKind.RESOLVE:
        resolving.settle_asked(engine, what, approval.payload, by)
        return Acted("resolve", 1, {what.ids[0]: "pending"}, {})
    if approval.kind == ApprovalKind.RULE:
        _set_rule(engine, what, by)
        return Acted("rule", 0, {}, {})
    if not what.ids:
        count = act_orders.purge(engine, what.before or 0, by, None)
        return Acted("purge", count, {}, {})
    is_cancel = approval.kind == ApprovalKind.CANCEL
    asked = dict(zip(what.ids, what.states, strict=False))
    act: Act = Cancel(False, "", asked) if is_cancel else Delete("", what.before, asked)
    act.author = by
    done: dict[str, str] = {}
    refused: dict[str, str] = {}
    for batch in chunks(list(what.ids), BATCH_SIZE):
        admitted, not_admitted = judge(engine, act, batch, None)
        made, not_made = act.do(engine, admitted) if admitted else ({}, {})
        done |= made
        refused |= not_admitted | not_made
    return Acted(act.name, len(what.ids), done, refused)
