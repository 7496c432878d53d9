"""What takes a second person: asked for, approved or refused, forgotten."""

from __future__ import annotations

from typing import Any

import msgspec

from hydra.stores.approvals import Approval, Decision
from hydra.stores.mysql.statements import Word, id_literal, id_text, literal, row
from hydra.stores.mysql.transaction import Reading, Transaction
from hydra.stores.rows import shown


def read_approvals(reading: Reading) -> list[Approval]:
    return [_to_approval(*each) for each in reading.select("approvals")]


def _to_approval(id: bytes, kind: str, state: str, what: Any, payload: bytes, *rest: Any) -> Approval:
    asked_at, asked_by, asked_from, reason, expires_at, decided_at, *decided = rest
    asked = asked_at, shown(asked_by), shown(asked_from), shown(reason), expires_at, decided_at
    by, host, why = map(shown, decided)
    return Approval(id_text(id), kind, state, shown(what), payload, *asked, by, host, why)


def add_approval(transaction: Transaction, approval: Approval) -> None:
    values = row(*msgspec.structs.astuple(approval)[1:])[1:-1]
    transaction.execute("add_approval", row=f"({transaction.namespace}, {id_literal(approval.id)}, {values})")


def decide(transaction: Transaction, decision: Decision) -> bool:
    said = {name: literal(value) for name, value in msgspec.structs.asdict(decision).items()}
    said |= {"id": id_literal(decision.id), "state": f"'{Word(decision.state)}'"}
    return transaction.execute("decide_approval", **said) > 0


def forget_approvals(transaction: Transaction, before: int, rule: str, decided: str, now: int) -> None:
    ids = {"rule": id_literal(rule), "decided": id_literal(decided)}
    transaction.execute("forget_approvals", before=before, now=now, **ids)
