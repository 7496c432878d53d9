"""What takes a second person: asked for, approved or refused, forgotten."""

from __future__ import annotations

import msgspec

from hydra.stores.approvals import Approval, Decision
from hydra.stores.sqlite.transaction import Reading, Transaction


def read_approvals(reading: Reading) -> list[Approval]:
    return [Approval(*row) for row in reading.select_shown("approvals")]


def add_approval(transaction: Transaction, approval: Approval) -> None:
    transaction.execute("add_approval", **msgspec.structs.asdict(approval))


def decide(transaction: Transaction, decision: Decision) -> bool:
    return transaction.execute("decide_approval", **msgspec.structs.asdict(decision)) > 0


def forget_approvals(transaction: Transaction, before: int, rule: str, decided: str, now: int) -> None:
    transaction.execute("forget_approvals", before=before, rule=rule, decided=decided, now=now)
