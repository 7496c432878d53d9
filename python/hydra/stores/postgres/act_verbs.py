"""Who ordered what, on PostgreSQL: each verb with its transaction. Knows no SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from hydra.stores.acts import Act, ActFilter
from hydra.stores.approvals import Approval, Decision
from hydra.stores.postgres import acts, approving, callers
from hydra.stores.postgres.database import Database

T = TypeVar("T")


class ActVerbs:
    """See `hydra.stores.act_verbs.ActVerbs`."""

    _database: Database

    def together(self, work: Callable[[], T]) -> T:
        return self._database.write(lambda _: work())

    def recent_acts(self, filter: ActFilter) -> list[Act]:
        return self._database.read(acts.recent_acts, filter)

    def add_acts(self, lines: Sequence[Act]) -> None:
        self._database.part(acts.add_acts, lines)

    def add_acts_in(self, connection: object, lines: Sequence[Act]) -> None:
        with callers.joined(connection, self._database) as transaction:
            acts.add_acts(transaction, lines)

    def approvals(self) -> list[Approval]:
        return self._database.read(approving.read_approvals)

    def add_approval(self, approval: Approval) -> None:
        self._database.part(approving.add_approval, approval)

    def decide_approval(self, decision: Decision) -> bool:
        return self._database.part(approving.decide, decision)

    def forget_approvals(self, before: int, rule: str, decided: str, now: int) -> None:
        self._database.part(approving.forget_approvals, before, rule, decided, now)
